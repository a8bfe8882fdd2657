from __future__ import annotations

import pytest

from fyke.domain.logs import reading
from fyke.domain.logs.reading import LogPage, LogPosition, LogReader
from fyke.errors import InvalidFields, NotFound, RunNotFound
from fyke.kit.ids import new_ulid
from fyke.model.log import LogEntry, LogFilter
from support.memory import MemoryResults, MemoryStorage, a_run, add_account, caller_of

pytestmark = pytest.mark.anyio


class Setup:
    """A log in which every tenth line is an error."""

    def __init__(self, lines: int = 1000) -> None:
        self.storage = MemoryStorage()
        self.results = MemoryResults()
        account = add_account(self.storage)
        self.run = a_run(account.id)
        self.storage.tx.runs.rows[self.run.id] = self.run
        self.results.log[self.run.id] = [
            LogEntry(i, 2 if i % 10 else 4, "1", f"line {i}" if i % 10 else f"FAILED {i}", i)
            for i in range(1, lines + 1)
        ]
        self.reading = LogReader(self.storage, self.results)
        self.caller = caller_of(account)

    async def page(self, limit: int = 5, **more: object) -> LogPage:
        position = LogPosition(more.pop("after", None), more.pop("before", None))  # type: ignore[arg-type]  # by name
        wanted = LogFilter(**more)  # type: ignore[arg-type]  # by name
        return await self.reading.page(self.caller, self.run.id, position, wanted, limit=limit)


def positions(page: LogPage) -> list[int]:
    return [line.position for line in page.lines]


async def test_without_a_position_the_page_is_the_last_one() -> None:
    page = await Setup().page()
    assert positions(page) == [996, 997, 998, 999, 1000]
    assert (page.count, page.reached, page.complete) == (1000, 996, False)


async def test_pages_before_and_after_a_position_have_no_gap() -> None:
    setup = Setup()
    earlier = await setup.page(before=996)
    assert positions(earlier) == [991, 992, 993, 994, 995]
    later = await setup.page(after=995)
    assert positions(later) == [996, 997, 998, 999, 1000]
    assert (later.reached, later.complete) == (1000, True)
    first = await setup.page(before=4)
    assert (positions(first), first.reached, first.complete) == ([1, 2, 3], 1, True)


async def test_positions_outside_the_log_are_clamped_to_its_ends() -> None:
    setup = Setup(3)
    assert positions(await setup.page(after=-5)) == [1, 2, 3]
    assert positions(await setup.page(before=10**9)) == [1, 2, 3]
    beyond = await setup.page(after=10**9)
    assert (positions(beyond), beyond.reached, beyond.complete) == ([], 3, True)
    nothing = await setup.page(before=1)
    assert (positions(nothing), nothing.complete) == ([], True)


async def test_severity_and_text_filter_the_whole_log() -> None:
    setup = Setup()
    assert positions(await setup.page(after=0, level=4, limit=3)) == [10, 20, 30]
    assert positions(await setup.page(level=4, limit=3)) == [980, 990, 1000]
    found = await setup.page(after=0, text="failed 99", limit=9)
    assert (positions(found), found.complete) == ([990], True)
    assert positions(await setup.page(after=30, level=4, text="ed 5", limit=2)) == [50, 500]


async def test_a_scan_that_takes_too_long_names_the_position_to_continue_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "_STEP", 100)
    monkeypatch.setattr(reading, "SECONDS", -1.0)
    setup = Setup()
    found: list[int] = []
    reached, pages = 0, 0
    while True:
        page = await setup.page(after=reached, text="FAILED", limit=500)
        found += positions(page)
        reached, pages = page.reached, pages + 1
        if page.complete:
            break
    assert found == [*range(10, 1001, 10)]
    assert pages == 10
    backward = await setup.page(text="line 1", limit=500)
    assert (positions(backward), backward.reached, backward.complete) == ([], 901, False)


async def test_a_page_without_a_filter_scans_only_the_lines_that_it_shows() -> None:
    setup = Setup()
    await setup.page(before=500, limit=7)
    assert setup.results.scanned == [(492, 499)]


async def test_a_long_line_is_cut_in_a_page_and_read_whole_by_position() -> None:
    setup = Setup(1)
    text = "x" * 2**20
    setup.results.log[setup.run.id] = [LogEntry(1, 2, "1", text, 5)]
    (line,) = (await setup.page()).lines
    assert (len(line.content), line.length, line.cut) == (reading.CUT, 2**20, True)
    whole = await setup.reading.line(setup.caller, setup.run.id, 1)
    assert whole.content == text
    for position in (0, 2, -1):
        with pytest.raises(NotFound, match="has no line"):
            await setup.reading.line(setup.caller, setup.run.id, position)


async def test_the_log_of_another_account_is_not_found() -> None:
    setup = Setup()
    stranger = caller_of(add_account(setup.storage, "stranger"))
    for ref in (setup.run.id, new_ulid(), "nonsense"):
        with pytest.raises(RunNotFound):
            await setup.reading.page(stranger, ref)
        with pytest.raises(RunNotFound):
            await setup.reading.line(stranger, ref, 1)


async def test_a_search_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidFields, match="search must have at most 1000"):
        await Setup().page(text="x" * 1001)
