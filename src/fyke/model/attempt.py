"""What a runner reports of its attempts, and what the installation answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fyke.model.browser import BrowserReport
from fyke.model.last_page import LastPage
from fyke.model.progress import WorkerProgress
from fyke.model.run import AttemptKey, End
from fyke.model.runner import AttemptUsage
from fyke.model.usage_marks import UsageMark

OTHER_SITES = "(other)"  # the domain of all sites beyond the first 200 of an attempt


@dataclass(frozen=True, slots=True)
class SiteTraffic:
    """The traffic of one attempt with one host name (or address), or with ``OTHER_SITES``.

    Bytes and requests of all sites of an attempt add up to its ``Traffic``. ``statuses`` counts the
    answers of which Fyke knows the HTTP status, such as "200": over plain HTTP the first one of a
    connection, and those that a browser reports to its client.
    """

    domain: str  # lower case, A-labels, without a port
    requests: int = 0  # established connections; for plain HTTP, requests
    bytes_up: int = 0
    bytes_down: int = 0
    failures: int = 0  # no address, no answer, or the region's proxy failed
    refused: int = 0  # not public, not declared, or throttled
    statuses: Mapping[str, int] = field(default_factory=dict, hash=False)
    unseen: int = 0  # connections of the Worker whose answers Fyke cannot read, such as TLS


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """The counters of a running attempt, from its runner. ``sites``, ``browser``, ``marks`` and
    ``progress`` are None when unchanged.
    """

    key: AttemptKey
    usage: AttemptUsage
    sites: tuple[SiteTraffic, ...] | None = None
    browser: BrowserReport | None = None
    marks: tuple[UsageMark, ...] | None = None
    progress: WorkerProgress | None = None


@dataclass(frozen=True, slots=True)
class RunnerOrders:
    """What a runner must do after a report: the attempts to stop, and those that it has lost.

    ``next_check_ms``: the time until the charge of a run reaches its reserved amount by the time of
    its attempts alone, None when it does not.
    """

    stop: dict[str, End]  # by attempt id
    lost: frozenset[str]
    next_check_ms: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """The end of an attempt, with its last counters. ``sites``, ``browser`` and ``marks`` are None
    when unchanged since the last report. The files of ``page`` are stored. ``closed_rows`` is the
    number of its rows if they are closed already.
    """

    end: End
    usage: AttemptUsage
    sites: tuple[SiteTraffic, ...] | None = None
    browser: BrowserReport | None = None
    page: LastPage | None = None
    closed_rows: int | None = None
    marks: tuple[UsageMark, ...] | None = None


@dataclass(frozen=True, slots=True)
class AfterAttempt:
    """What the end or the return of an attempt has led to: whether its run is over, and how long
    its subtask is not leased again.
    """

    is_run_over: bool
    pause_ms: int = 0
