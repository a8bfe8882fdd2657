from __future__ import annotations

import pytest

from fyke.domain.logs.service import RunLogs
from fyke.errors import RunNotFound
from fyke.kit.ids import new_ulid
from fyke.model.log import LogEntry
from support.memory import MemoryResults, MemoryStorage, a_run, add_account, caller_of

pytestmark = pytest.mark.anyio


class Place:
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


async def test_the_tail_is_the_last_entries_with_the_number_of_visible_rows():
    place = Place()
    place.results.push(place.run.id, b"{}", b"{}")
    place.results.push(place.run.id, b"{}", attempt_id="failed")
    place.storage.tx.runs.hidden[place.run.id] = frozenset({"failed"})
    entries, rows = await place.logs.tail(place.caller, place.run.id, 3)
    assert [e.position for e in entries] == [998, 999, 1000]
    assert rows == 2


async def test_another_accounts_log_does_not_exist():
    place = Place()
    stranger = caller_of(add_account(place.storage, "stranger"))
    for ref in (place.run.id, new_ulid(), "nonsense"):
        with pytest.raises(RunNotFound):
            await place.logs.tail(stranger, ref, 10)


async def test_a_walk_meets_every_entry_once():
    place = Place()
    pages = [page async for page in place.logs.walk(place.run.id)]
    assert [e.position for page in pages for e in page] == list(range(1, 1001))
    rest = [e.position async for page in place.logs.walk(place.run.id, 990) for e in page]
    assert rest == list(range(991, 1001))


async def test_the_whole_log_as_text():
    place = Place(lines=450)
    text = b"".join([piece async for piece in await place.logs.text(place.run.id)]).decode()
    lines = text.splitlines()
    assert len(lines) == 450
    assert lines[0] == "1970-01-01T00:00:01.000Z INFO  [1] line 1"


async def test_the_text_of_a_run_that_was_removed():
    with pytest.raises(RunNotFound):
        await Place().logs.text(new_ulid())
