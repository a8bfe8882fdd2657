"""Last pages of attempts on both databases: stored with the end, read, and removed with files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs.endings import RunEndings
from fyke.domain.runs.last_pages import LastPages, page_blob
from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.service import RunView
from fyke.errors import NotFound, RunNotFound
from fyke.model.account import Caller
from fyke.model.attempt import AttemptEnd
from fyke.model.last_page import (
    MAX_PAGES,
    LastPage,
    PageContent,
    PageFile,
    PageFileKind,
    PageGap,
)
from fyke.model.log import LogExcerpt
from fyke.model.run import Outcome, Run
from fyke.model.runner import AttemptUsage, Lease
from fyke.reasons import HintCode, Reason, ReasonCode
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support.run_endings import Setup

pytestmark = pytest.mark.anyio
FAILED = end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=1))
HTML, HAR = PageFileKind.HTML, PageFileKind.HAR
PAGE = LastPage(
    5,
    "https://a.example/\u0000",
    "Shop",
    (PageFile(HTML, 3, True), PageFile(HAR, 2)),
    {PageFileKind.SCREENSHOT: PageGap.TOO_LARGE},
)
CONTENT = PageContent(PAGE, {HTML: b"<p>", HAR: b"{}"})


class Kept:
    """Runs with last pages, and the folder of their files."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.setup = setup
        self.folder = folder / "pages"
        self.pages = LastPages(setup.storage, FilesystemBlobs(folder, durable=False))

    async def end(self, lease: Lease, content: PageContent = CONTENT) -> None:
        await self.pages.put(lease.attempt.id, content)
        await self.setup.attempts.ended(
            lease.attempt.key, AttemptEnd(FAILED, AttemptUsage(), page=content.page), actor="test"
        )

    async def of_run(self, run: Run) -> dict[str, LastPage]:
        pages: dict[str, LastPage] = await self.setup.storage.read(
            lambda tx: tx.last_pages.of_run(run.id)
        )
        return pages

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()


@pytest.fixture
def kept(setup: Setup, tmp_path: Path) -> Kept:
    return Kept(setup, tmp_path / "blobs")


def owner(run: Run) -> Caller:
    return Caller(run.account_id, "acme", False, "u", "k")


async def test_a_page_is_stored_with_the_end_of_its_attempt(kept: Kept) -> None:
    run, leases = await kept.setup.start(2)
    for lease in leases:
        await kept.end(lease)
    pages = await kept.of_run(run)
    assert list(pages) == sorted(lease.attempt.id for lease in leases)
    assert pages[leases[0].attempt.id] == PAGE
    attempt = leases[0].attempt
    file = await kept.pages.file(owner(run), run.id, attempt.id, "html")
    assert (file.kind, file.data) == (HTML, b"<p>")
    assert file.name == f"{run.id}-{attempt.number}.html.txt"
    for attempt_id, kind in ((attempt.id, "screenshot"), (attempt.id, "../x"), ("other", "html")):
        with pytest.raises(NotFound):
            await kept.pages.file(owner(run), run.id, attempt_id, kind)
    with pytest.raises(RunNotFound):
        other = Caller("other", "other", False, "u", "k")
        await kept.pages.file(other, run.id, attempt.id, "html")


async def test_a_page_of_a_lost_attempt_is_not_named(kept: Kept) -> None:
    run, [lease] = await kept.setup.start()
    await kept.setup.end(lease)
    await kept.end(lease)
    assert await kept.of_run(run) == {}
    await kept.pages.discard(lease.attempt.id)
    assert kept.files() == set()


async def test_a_run_has_room_for_a_limited_number(kept: Kept) -> None:
    run, _ = await kept.setup.start()
    assert await kept.pages.has_room(run.id)

    def fill(tx: Transaction) -> None:
        for number in range(MAX_PAGES):
            tx.last_pages.add(f"A{number}", run.id, PAGE, tx.now)

    await kept.setup.storage.write(fill)
    assert not await kept.pages.has_room(run.id)


async def test_old_pages_are_removed_with_their_files(kept: Kept) -> None:
    run, leases = await kept.setup.start(2)
    for lease in leases:
        await kept.end(lease)
    assert len(kept.files()) == 4
    assert await kept.pages.remove_old(60_000) == 0
    (kept.folder.parent / page_blob(leases[0].attempt.id, HTML)).unlink()  # by an earlier try
    assert await kept.pages.remove_old(-60_000) == 2
    assert await kept.pages.remove_old(-60_000) == 0
    assert (kept.files(), await kept.of_run(run)) == (set(), {})


async def test_the_pages_of_a_run_are_removed_with_it(kept: Kept) -> None:
    run, [lease] = await kept.setup.start()
    await kept.end(lease)
    await kept.pages.remove_of(run.id)
    assert kept.files() == set()
    with pytest.raises(NotFound):
        await kept.pages.file(owner(run), run.id, lease.attempt.id, "html")


async def test_a_page_goes_with_the_record_of_its_run(kept: Kept) -> None:
    run, [lease] = await kept.setup.start()
    await kept.end(lease)
    await kept.setup.storage.write(lambda tx: tx.runs.delete(run.id))
    assert await kept.of_run(run) == {}


async def test_a_missing_file_is_not_found(kept: Kept) -> None:
    run, [lease] = await kept.setup.start()
    await kept.end(lease)
    await kept.pages.discard(lease.attempt.id)
    with pytest.raises(NotFound):
        await kept.pages.file(owner(run), run.id, lease.attempt.id, "html")


async def test_the_ending_of_a_run_names_a_page_that_is_kept(kept: Kept) -> None:
    line = LogExcerpt(0, 3, "", "Page.click: Timeout 1000ms exceeded.", 0, 36)

    async def page_of(*_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(lines=[line])

    async def contacted(_run: Run) -> list[object]:
        return []

    logs, sites = SimpleNamespace(page_of=page_of), SimpleNamespace(contacted=contacted)
    endings = RunEndings(kept.setup.storage, cast(Any, logs), cast(Any, sites))
    found = []
    for with_page in (True, False):
        run, [lease] = await kept.setup.start()
        if with_page:
            await kept.end(lease)
        else:
            await kept.setup.end(lease, Outcome.EXIT_CODE)
        stored = await kept.setup.stored(run)
        stored = replace(stored, limits=replace(stored.limits, browser_memory_mb=512))
        ending = await endings.of(RunView(stored, cast(Any, None), 0, 0, 0, 0))
        assert ending.hint is not None and ending.hint.code is HintCode.ELEMENT_MISSING
        found.append((ending.has_last_page, ending.hint.params == {"run": run.id}))
    assert found == [(True, True), (False, False)]
