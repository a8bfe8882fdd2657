"""What the browsers of a run did, added up over its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.runs.last_pages import NumberedPage, pages_of
from fyke.model.account import Caller
from fyke.model.browser import (
    MAX_LINES,
    MAX_URLS,
    BrowserActivity,
    BrowserReport,
    BrowserTexts,
    ConsoleLevel,
    ConsoleLine,
    StatusClass,
    sum_activities,
)
from fyke.model.run import Attempt, Run

READ_ATTEMPTS = 10  # the newest ones, whose console lines are shown
_SEARCHED = 100  # earlier runs of the Worker


class BrowserPresence(StrEnum):
    """Whether a run has a browser."""

    NONE = "none"  # no attempt had one
    OPEN = "open"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class NumberedLine:
    """A console line. ``number`` is that of the subtask in the log."""

    number: str
    line: ConsoleLine


@dataclass(frozen=True, slots=True)
class UnblockedLoad:
    """What an earlier run of the same version loaded of what a run blocks."""

    run_id: str
    requests: int
    received: int  # bytes


@dataclass(frozen=True, slots=True)
class RunBrowser:
    """The browsers of a run. ``version`` is program and number of the latest one, ``starts`` how
    many were started. ``own_sandbox`` is None when no browser has reported, ``unblocked`` when
    nothing is blocked, or no such run is known. ``keep_ms``: how long last pages are kept after the
    end of their attempt, as long as the run is there; 0: without a limit.
    """

    run: Run
    state: BrowserPresence
    version: str
    own_sandbox: bool | None
    starts: int
    milliseconds: int
    memory_peak_bytes: int
    activity: BrowserActivity  # without lines
    lines: tuple[NumberedLine, ...]
    unblocked: UnblockedLoad | None = None
    pages: tuple[NumberedPage, ...] = ()  # the last ones of attempts, the latest first
    keep_ms: int = 0

    def kept_until(self, page: NumberedPage) -> int | None:
        """When the files of a page will be removed, in milliseconds since the epoch."""
        return page.ended_at + self.keep_ms if self.keep_ms else None

    @property
    def program(self) -> str:
        return self.version.partition(" ")[0]

    @property
    def number(self) -> str:
        """The number of the version, such as ``156.0.8078.108``."""
        return self.version.partition(" ")[2]

    @property
    def by_type(self) -> list[tuple[str, int]]:
        """Requests by type, the most frequent first."""
        requests, blocked = self.activity.requests, self.activity.blocked
        # the client may not let Chromium report requests; those that are blocked are known
        names = {*requests, *blocked}
        counts = [(name, max(requests.get(name, 0), blocked.get(name, 0))) for name in names]
        return sorted(counts, key=lambda item: (-item[1], item[0]))

    @property
    def by_status(self) -> list[tuple[str, int]]:
        """Requests by how they were answered."""
        return _in_order(StatusClass, self.activity.statuses)

    @property
    def by_level(self) -> list[tuple[str, int]]:
        """Console messages by level, the gravest first."""
        return _in_order(ConsoleLevel, self.activity.console)


class RunBrowsers:
    """The browsers of all runs; each account can read only those of its own runs. ``keep_ms``: how
    long last pages are kept.
    """

    def __init__(self, storage: Storage, keep_ms: int = 0) -> None:
        self._storage = storage
        self._keep_ms = keep_ms

    async def of_run(self, caller: Caller, run_id: str) -> RunBrowser:
        """The browsers of a run. Raises ``RunNotFound``, also for another account's run."""
        found = await self._storage.read(lambda tx: _read(tx, own_run(tx, caller, run_id)))
        return replace(found, keep_ms=self._keep_ms)


def _read(tx: Transaction, run: Run) -> RunBrowser:
    attempts = {attempt.id: attempt for attempt in tx.runs.attempts(run.id)}
    reports = tx.browsers.of_run(run.id)
    texts = tx.browsers.texts(run.id, READ_ATTEMPTS) if reports else {}
    usage = tx.runs.usage(run.id)
    latest = max((one.id for one in attempts.values() if one.browser_version), default="")
    urls = tuple(url for one in texts.values() for url in one.urls)[-MAX_URLS:]
    return RunBrowser(
        run=run,
        state=_state(attempts, reports),
        version=attempts[latest].browser_version if latest else "",
        own_sandbox=reports[max(reports)].own_sandbox if reports else None,
        starts=sum(report.starts for report in reports.values()),
        milliseconds=usage.browser_ms,
        memory_peak_bytes=usage.browser_memory_peak_bytes,
        activity=replace(sum_activities(report.activity for report in reports.values()), urls=urls),
        lines=_lines(attempts, texts),
        unblocked=_unblocked(tx, run),
        pages=tuple(pages_of(tx, run.id, attempts)),
    )


def _unblocked(tx: Transaction, run: Run) -> UnblockedLoad | None:
    """Figures of a run that loaded what ``run`` blocks, if it loaded any."""
    run_id = tx.browsers.last_unblocked(run, _SEARCHED) if run.browser_block else ""
    if not run_id:
        return None
    activity = sum_activities(report.activity for report in tx.browsers.of_run(run_id).values())
    names = [one.request_type for one in run.browser_block]
    requests = sum(activity.requests.get(name, 0) for name in names)
    received = sum(activity.received.get(name, 0) for name in names)
    return UnblockedLoad(run_id, requests, received) if received else None


def _in_order(names: type[StrEnum], counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(name.value, counts[name]) for name in names if name in counts]


def _state(
    attempts: Mapping[str, Attempt], reports: Mapping[str, BrowserReport]
) -> BrowserPresence:
    if any(one.is_open and attempts[key].outcome is None for key, one in reports.items()):
        return BrowserPresence.OPEN
    had_one = reports or any(attempt.browser_version for attempt in attempts.values())
    return BrowserPresence.ENDED if had_one else BrowserPresence.NONE


def _lines(
    attempts: Mapping[str, Attempt], texts: Mapping[str, BrowserTexts]
) -> tuple[NumberedLine, ...]:
    """The last lines of all attempts, in order of time."""
    lines = [
        NumberedLine(attempts[attempt_id].number, line)
        for attempt_id, one in texts.items()
        for line in one.lines
    ]
    return tuple(sorted(lines, key=lambda item: item.line.at))[-MAX_LINES:]
