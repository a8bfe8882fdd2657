"""What a run asks of its browsers, and what they did: requests, console messages, pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fyke.model.statuses import sum_statuses

MAX_LINES = 50  # console lines of an attempt
MAX_LINE = 500  # characters of a console line
MAX_URLS = 5
MAX_READ_TEXT = 1000  # characters of a line or URL before secrets in it are masked
MAX_URL = 500  # characters
MAX_HOSTS = 200  # of an attempt, whose answers are counted by themselves
OTHER_HOSTS = ""  # all others, and URLs without a host


class BrowserProgram(StrEnum):
    """The programs that can be the browser, as in settings, orders and control frames."""

    HEADLESS_SHELL = "headless-shell"
    CHROMIUM = "chromium"


class BrowserMode(StrEnum):
    """Whether the browsers of a run have windows."""

    UNSET = ""  # not asked for: they have none
    HEADLESS = "headless"
    HEADFUL = "headful"  # with windows, on a virtual display


NO_DISPLAY = "no virtual display was found (apt install xvfb)"
NOT_FOUND = {
    BrowserProgram.HEADLESS_SHELL: (
        "chromium-headless-shell was not found (apt install chromium-headless-shell)"
    ),
    BrowserProgram.CHROMIUM: "the full Chromium was not found (apt install chromium)",
}


@dataclass(frozen=True, slots=True)
class BrowserChoice:
    """What a run asks of its browsers; ``asked`` is None for the program of the installation."""

    mode: BrowserMode = BrowserMode.UNSET
    asked: BrowserProgram | None = None

    @property
    def headful(self) -> bool:
        return self.mode is BrowserMode.HEADFUL

    @property
    def program(self) -> BrowserProgram | None:
        """The program that it needs: only the full Chromium has windows."""
        return BrowserProgram.CHROMIUM if self.headful else self.asked


ANY_CHOICE = BrowserChoice()


@dataclass(frozen=True, slots=True)
class BrowserOffer:
    """The programs of a machine, and whether it has a virtual display."""

    programs: tuple[BrowserProgram, ...] = ()
    display: bool = False

    @property
    def headful(self) -> bool:
        """Whether its browsers can have windows."""
        return not self.headful_problem

    @property
    def headful_problem(self) -> str:
        """Why its browsers have no windows; "" when they can have some."""
        return self.problem_with(BrowserChoice(BrowserMode.HEADFUL))

    def problem_with(self, choice: BrowserChoice) -> str:
        """What is missing for it, with the remedy; "" when nothing is."""
        problems = []
        if choice.program is not None and choice.program not in self.programs:
            problems.append(NOT_FOUND[choice.program])
        if choice.headful and not self.display:
            problems.append(NO_DISPLAY)
        return ", and ".join(problems)


NO_BROWSER = BrowserOffer()
ANY_BROWSER = BrowserOffer(tuple(BrowserProgram), display=True)


class ConsoleLevel(StrEnum):
    """The level of a console message, the gravest first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


class StatusClass(StrEnum):
    """How requests were answered; ``FAILED``: without a status."""

    INFORMATION = "1xx"
    SUCCESS = "2xx"
    REDIRECT = "3xx"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    FAILED = "failed"


class BrowserBlock(StrEnum):
    """What a run can leave out in its browsers."""

    IMAGES = "images"
    MEDIA = "media"
    FONTS = "fonts"
    STYLESHEETS = "stylesheets"

    @property
    def request_type(self) -> str:
        """The type of such requests in ``BrowserActivity``."""
        return self.value.removesuffix("s")


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """One message on the console of a page, or an error of it. ``source`` is the URL and the line
    of the script, or empty.
    """

    at: int  # ms since the epoch, when the gateway read it
    level: ConsoleLevel
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class BrowserActivity:
    """What Chromium reported to its clients. ``requests``, those of them that a cache of Chromium
    answered (``cached``), ``received`` (bytes, as far as they are known) and ``blocked`` requests
    are by type, ``console`` by level. ``pages`` is how many documents were opened in tabs,
    ``urls`` the latest of them. ``sites`` has the answers that came from the network, by host and
    HTTP status; the runner reports them with the traffic of the sites.
    """

    requests: Mapping[str, int] = field(default_factory=dict)
    received: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    console: Mapping[str, int] = field(default_factory=dict)
    pages: int = 0
    crashes: int = 0
    urls: tuple[str, ...] = ()
    lines: tuple[ConsoleLine, ...] = ()
    cached: Mapping[str, int] = field(default_factory=dict)
    blocked: Mapping[str, int] = field(default_factory=dict)
    sites: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def texts(self) -> BrowserTexts:
        return BrowserTexts(self.urls, self.lines)

    def without_texts(self) -> BrowserActivity:
        """The numbers alone."""
        return replace(self, urls=(), lines=())


@dataclass(frozen=True, slots=True)
class BrowserTexts:
    """The texts of a ``BrowserActivity``."""

    urls: tuple[str, ...] = ()
    lines: tuple[ConsoleLine, ...] = ()


def sum_activities(activities: Iterable[BrowserActivity]) -> BrowserActivity:
    """The sums, with the last lines and URLs of all; ``activities`` are in order of time."""
    total = BrowserActivity()
    for one in activities:
        total = BrowserActivity(
            requests=_sum(total.requests, one.requests),
            cached=_sum(total.cached, one.cached),
            received=_sum(total.received, one.received),
            statuses=_sum(total.statuses, one.statuses),
            console=_sum(total.console, one.console),
            pages=total.pages + one.pages,
            crashes=total.crashes + one.crashes,
            urls=(*total.urls, *one.urls)[-MAX_URLS:],
            lines=(*total.lines, *one.lines)[-MAX_LINES:],
            blocked=_sum(total.blocked, one.blocked),
            sites=_sum_sites(total.sites, one.sites),
        )
    return total


def _sum_sites(
    stored: Mapping[str, Mapping[str, int]], added: Mapping[str, Mapping[str, int]]
) -> dict[str, Mapping[str, int]]:
    sums = dict(stored)
    for host, statuses in added.items():
        name = host if host in sums or len(sums) < MAX_HOSTS else OTHER_HOSTS
        sums[name] = sum_statuses(sums.get(name, {}), statuses)
    return sums


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}


@dataclass(frozen=True, slots=True)
class BrowserReport:
    """The browsers of one attempt: what they did, how many were started, and whether one is there
    now. ``own_sandbox`` is whether Chromium's own sandbox worked inside ours.
    """

    activity: BrowserActivity = BrowserActivity()
    starts: int = 0
    is_open: bool = False
    own_sandbox: bool = False
