"""Output of the commands that change a Worker."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.cli.worker_change import delete
from support.scripted import ScriptedServer


@pytest.mark.parametrize(
    ("failed_runs", "text"),
    [(0, ""), (1, " 1 waiting run failed."), (2, " 2 waiting runs failed.")],
)
def test_deleting_a_worker_names_the_waiting_runs_that_failed(failed_runs: int, text: str) -> None:
    server: Any = ScriptedServer(delete_worker=failed_runs)
    delete(server, "owner/hello", yes=True)
    assert server.messages == f"owner/hello is deleted.{text}\n"
