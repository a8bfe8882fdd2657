from __future__ import annotations

import pytest

from fyke.domain.logs.service import RunLogs
from fyke.errors import RunNotFound
from fyke.kit.ids import new_ulid
from fyke.model.log import LogEntry
from support.memory import MemoryResults, MemoryStorage, a_run, add_account, caller_of

pytestmark = pytest.mark.anyio


class Setup:
    def __init__(self, lines: int = 1000) -> None:
        self.storage = MemoryStorage()
        self.results = MemoryResults()
        self.account = add_account(self.storage)
        self.run = a_run(self.account.id)
        self.storage.tx.runs.rows[self.run.id] = self.run
        self.results.log[self.run.id] = [
            LogEntry(i, 2, "1", f"line {i}", 1000 * i) for i in range(1, lines + 1)
        ]
        self.logs = RunLogs(self.storage, self.results)
        self.caller = caller_of(self.account)


async def test_the_tail_has_the_last_entries_and_the_number_of_visible_rows():
    setup = Setup()
    setup.results.push(setup.run.id, b"{}", b"{}")
    setup.results.push(setup.run.id, b"{}", attempt_id="failed")
    setup.storage.tx.runs.hidden[setup.run.id] = frozenset({"failed"})
    entries, rows = await setup.logs.tail(setup.caller, setup.run.id, 3)
    assert [e.position for e in entries] == [998, 999, 1000]
    assert rows == 2


async def test_another_accounts_log_does_not_exist():
    setup = Setup()
    stranger = caller_of(add_account(setup.storage, "stranger"))
    for ref in (setup.run.id, new_ulid(), "nonsense"):
        with pytest.raises(RunNotFound):
            await setup.logs.tail(stranger, ref, 10)


async def test_a_walk_returns_every_entry_once():
    setup = Setup()
    pages = [page async for page in setup.logs.walk(setup.run.id)]
    assert [e.position for page in pages for e in page] == list(range(1, 1001))
    rest = [e.position async for page in setup.logs.walk(setup.run.id, 990) for e in page]
    assert rest == list(range(991, 1001))


async def test_a_walk_fails_when_the_run_is_deleted_meanwhile():
    setup = Setup()
    pages = setup.logs.walk(setup.run.id)
    await anext(pages)
    setup.results.log.clear()
    with pytest.raises(RunNotFound):
        async for _ in pages:
            pass


async def test_the_text_has_one_line_per_entry():
    setup = Setup(lines=450)
    text = b"".join([piece async for piece in await setup.logs.text(setup.run.id)]).decode()
    lines = text.splitlines()
    assert len(lines) == 450
    assert lines[0] == "1970-01-01T00:00:01.000Z INFO  [1] line 1"


async def test_the_log_file_of_a_removed_run_is_not_found():
    with pytest.raises(RunNotFound):
        await Setup().logs.text(new_ulid())
