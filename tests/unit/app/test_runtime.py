"""The components that server and runner share."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.app.folder import make_home
from fyke.app.runtime import open_runtime, rules
from fyke.domain.results import commit
from fyke.model.results import AttemptBatch
from fyke.settings import Settings
from fyke.storage.sql.results.journal import folder
from fyke.storage.sql.results.journal.folder import JournalFolder
from support.prepared import rows_in, state_in
from support.rows import NONE, plain

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    settings = Settings(home=tmp_path)
    make_home(settings)
    state_in(tmp_path)
    rows_in(tmp_path)
    return settings


def test_a_browser_that_is_switched_off_costs_nothing(settings: Settings) -> None:
    assert (rules(settings).browser_cpus, rules(settings).browser_memory_mb) == (1.0, 1024)
    off = rules(settings.model_copy(update={"browser": "off"}))
    assert (off.browser_cpus, off.browser_memory_mb) == (0.0, 0)
    assert (rules(settings).browser_memory_max_mb, off.browser_memory_max_mb) == (4096, 0)


async def test_a_runner_waits_for_the_lock_of_the_journal(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "LOCK_SECONDS", 0.0)
    locking = JournalFolder(settings.journal_dir).locked()
    locking.__enter__()

    def release(failures: int, **_: float) -> float:
        locking.__exit__(None, None, None)
        return 0

    monkeypatch.setattr(commit, "delay", release)
    async with open_runtime(settings, runner=True) as runtime:
        await runtime.results.open_attempt("run", "a")
        assert await runtime.results.commit([AttemptBatch("run", "a", plain(1))]) == [True]


async def test_rows_are_visible_only_by_attempts_of_the_state(settings: Settings) -> None:
    async with open_runtime(settings) as runtime:
        await runtime.results.open_attempt("run", "lost")
        assert await runtime.results.commit([AttemptBatch("run", "lost", plain(1, 2))]) == [True]
        assert (await runtime.results.totals("run", NONE)).rows == 0
        assert await runtime.results.page("run", NONE, offset=0, limit=9) == []
        assert await runtime.results.rows_after("run", NONE, position=0, limit=9) == []
