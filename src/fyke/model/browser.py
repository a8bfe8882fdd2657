"""What browsers did in a run: requests, console messages, pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

MAX_LINES = 50  # console lines of an attempt
MAX_LINE = 500  # characters of a console line
MAX_URLS = 5
MAX_READ_TEXT = 1000  # characters of a line or URL before secrets in it are masked
MAX_URL = 500  # characters


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
    ``urls`` the latest of them.
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
        )
    return total


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
