"""The components that server and runner share."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.app.folder import make_home
from fyke.app.runtime import open_runtime
from fyke.model.results import AttemptBatch
from fyke.settings import Settings
from support.prepared import rows_in, state_in
from support.rows import NONE, plain

pytestmark = pytest.mark.anyio


async def test_rows_are_visible_only_by_attempts_of_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    settings = Settings(home=tmp_path)
    make_home(settings)
    state_in(tmp_path)
    rows_in(tmp_path)
    async with open_runtime(settings) as runtime:
        await runtime.results.open_attempt("run", "lost")
        assert await runtime.results.commit([AttemptBatch("run", "lost", plain(1, 2))]) == [True]
        assert (await runtime.results.totals("run", NONE)).rows == 0
        assert await runtime.results.page("run", NONE, offset=0, limit=9) == []
        assert await runtime.results.rows_after("run", NONE, position=0, limit=9) == []
