"""Which function serves a role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fyke.app import node, roles, runner_role
from fyke.app.folder import NODE_FILE
from fyke.app.heartbeat import Heartbeat
from fyke.app.roles import RoleName
from fyke.settings import Settings


@pytest.mark.parametrize(("joined", "served"), [(False, "runner"), (True, "node")])
def test_the_runner_of_a_node_serves_its_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joined: bool, served: str
) -> None:
    if joined:
        (tmp_path / NODE_FILE).write_text("{}")
    monkeypatch.setattr(runner_role, "serve_runner", lambda settings, heartbeat: "runner")
    monkeypatch.setattr(node, "serve_node", lambda settings, need: "node")
    heartbeat = Heartbeat("runner", None)
    found: Any = roles._serve(RoleName.RUNNER, Settings(home=tmp_path), None, heartbeat)
    assert found == served
