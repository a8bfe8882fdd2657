"""Of which attempts the last page is kept, and what happens when that is not possible."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.domain.runs.outcome import end_of
from fyke.domain.secrets.masking import Masker
from fyke.errors import BlobsAway, Unavailable
from fyke.model.attempt import AttemptEnd
from fyke.model.last_page import PageContent, PageFileKind, TakenPage
from fyke.model.run import SUCCESS, AttemptKey, End
from fyke.reasons import Reason, ReasonCode
from fyke.runner import kept_page
from fyke.runner.attempt import AttemptRunner
from support.attempt_runner import runner

pytestmark = pytest.mark.anyio
FAILED = end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=1))
LOST = end_of(Reason(ReasonCode.RUNNER_LOST))
PAGE = TakenPage(5, "https://a.example/", html=b"<p>s3cret-value</p>")


class Pages:
    """The part of ``NodeFiles``; ``error`` is raised when files are stored, ``unremoved`` when they
    are discarded.
    """

    def __init__(
        self,
        *,
        room: bool = True,
        error: Exception | None = None,
        unremoved: Exception | None = None,
    ) -> None:
        self.stored: dict[str, PageContent] = {}
        self.discarded: list[str] = []
        self.lines_before: list[str] = []  # of the log, when files were discarded
        self.intake: LogLines | None = None
        self._room, self._error, self._unremoved = room, error, unremoved

    async def page_room(self, _key: AttemptKey) -> bool:
        return self._room

    async def put_page(self, key: AttemptKey, content: PageContent) -> None:
        if self._error is not None:
            raise self._error
        self.stored[key.id] = content

    async def discard_page(self, key: AttemptKey) -> None:
        self.discarded.append(key.id)
        self.lines_before = list(self.intake.lines) if self.intake is not None else []
        if self._unremoved is not None:
            raise self._unremoved


class LogLines:
    """The part of ``AttemptIntake`` that logs; nothing is logged after ``finish``."""

    rows = 0

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._is_closed = False

    def mask(self, text: str) -> str:
        return text

    def log(self, _type: int, content: str, *, system: bool) -> None:
        if system and not self._is_closed:
            self.lines.append(content.partition(" - ")[2])

    async def finish(self) -> None:
        self._is_closed = True

    async def close(self) -> int:
        await self.finish()
        return 0


def attempt(pages: Pages, *, keeps_successes: bool = False) -> AttemptRunner:
    one = runner(gateway=SimpleNamespace(files=pages))
    one._masker = Masker({"KEY": "s3cret-value"})

    async def last_page() -> TakenPage:
        return PAGE

    def keeps_page(*, succeeded: bool) -> bool:
        return keeps_successes or not succeeded

    one.connections.browser = cast(Any, SimpleNamespace(last_page=last_page, keeps_page=keeps_page))
    return one


@pytest.mark.parametrize(
    ("end", "room", "keeps_successes", "kept"),
    [
        (FAILED, True, False, True),
        (FAILED, False, False, False),
        (SUCCESS, True, False, False),
        (SUCCESS, True, True, True),
        (LOST, True, True, False),
    ],
)
async def test_of_which_attempts_the_page_is_stored(
    end: End, room: bool, keeps_successes: bool, kept: bool
) -> None:
    pages = Pages(room=room)
    one = attempt(pages, keeps_successes=keeps_successes)
    await one.page.take(one.browser, end)
    page = await one.page.store(one._masker)
    assert (page is not None, bool(pages.stored)) == (kept, kept)
    if kept:
        assert pages.stored["A"].files == {PageFileKind.HTML: b"<p>***KEY***</p>"}


async def test_without_a_browser_nothing_is_taken() -> None:
    one = runner()
    await one.page.take(one.browser, FAILED)
    assert await one.page.store(one._masker) is None


@pytest.mark.parametrize("error", [Unavailable("the disk is full"), OSError(5, "I/O error")])
async def test_a_full_disk_costs_the_page_and_not_the_end_of_the_attempt(error: Exception) -> None:
    pages = Pages(error=error, unremoved=OSError(5, "I/O error"))
    one = attempt(pages)
    await one.page.take(one.browser, FAILED)
    assert await one.page.store(one._masker) is None
    assert pages.discarded == ["A"]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (BlobsAway("Blob storage s3://b: no answer in time"), "Blob storage s3://b: no answer in "
         "time"),
        (OSError(5, "I/O error"), "the log of Fyke says why"),
    ],
)  # fmt: skip
async def test_the_log_names_the_loss_before_the_end_and_before_files_are_discarded(
    error: Exception, cause: str
) -> None:
    """A storage that is away may let both wait for long."""
    ends: list[AttemptEnd] = []

    async def end(_key: AttemptKey, ended: AttemptEnd) -> None:
        ends.append(ended)

    pages, intake = Pages(error=error, unremoved=error), LogLines()
    one = attempt(pages)
    one._deps.gateway.end = end  # type: ignore[method-assign,assignment]  # of a stand-in
    one._intake = pages.intake = cast(Any, intake)
    await one.page.take(one.browser, FAILED)
    one.connections.browser = None  # which is of no interest any more
    await one._finish(cast(Any, intake), FAILED)
    line = f"The last page of the browser is not kept: {cause}."
    assert pages.lines_before == [line]
    assert intake.lines == [line, "The Worker exited with code 1"]
    assert [ended.page for ended in ends] == [None]


async def test_a_storage_that_hangs_costs_the_page_and_not_the_end_of_the_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PAGE_SECONDS", "DISCARD_SECONDS"):
        monkeypatch.setattr(kept_page, name, 0.01)
    calls: list[str] = []

    async def hang(*arguments: object) -> None:
        calls.append("discard" if len(arguments) == 1 else "put")
        await asyncio.Event().wait()

    pages, intake = Pages(), LogLines()
    monkeypatch.setattr(pages, "put_page", hang)
    monkeypatch.setattr(pages, "discard_page", hang)
    one = attempt(pages)
    one._intake = cast(Any, intake)
    await one.page.take(one.browser, FAILED)
    assert await asyncio.wait_for(one.page.store(one._masker), 60) is None
    assert calls == ["put", "discard"]
    assert intake.lines == [
        "The last page of the browser is not kept: it was not stored within 0.01 s."
    ]


async def test_a_page_that_cannot_be_taken_does_not_change_the_end_of_the_attempt() -> None:
    one = attempt(Pages())

    async def last_page() -> TakenPage:
        raise OSError(24, "Too many open files")

    cast(Any, one.browser).last_page = last_page
    await one.page.take(one.browser, FAILED)
    assert await one.page.store(one._masker) is None


async def test_a_page_that_cannot_be_written_as_files_costs_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def page_content(*_: object) -> PageContent:
        raise ValueError("a fault in the files")

    monkeypatch.setattr(kept_page, "page_content", page_content)
    pages = Pages()
    one = attempt(pages)
    await one.page.take(one.browser, FAILED)
    assert await one.page.store(one._masker) is None
    assert (pages.stored, pages.discarded) == ({}, ["A"])


@pytest.mark.parametrize("error", [OSError(5, "I/O error"), asyncio.CancelledError()])
async def test_the_files_are_discarded_when_the_end_cannot_be_recorded(
    error: BaseException,
) -> None:
    pages = Pages()
    one = attempt(pages)
    await one.page.take(one.browser, FAILED)

    async def finish() -> None:
        assert list(pages.stored) == ["A"]
        raise error

    intake = SimpleNamespace(mask=str, log=lambda *_, **__: None, finish=finish)
    with pytest.raises(type(error)):
        await one._finish(cast(Any, intake), FAILED)
    assert pages.discarded == ["A"]
