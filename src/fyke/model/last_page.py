"""The last page of an attempt's browser: what is kept of it after the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fyke.kit.jpeg import JpegLimit
from fyke.model.browser import ConsoleLine

MAX_PAGES = 20  # of one run
MAX_SCREENSHOT = 2**20  # bytes
SCREENSHOT_LIMIT = JpegLimit(8192, 8192, 2**23)  # a screen of 3840 x 2160 has less
MAX_HTML = 2 * 2**20  # bytes
MAX_READ_HTML = MAX_HTML + 128 * 1024  # before secrets in it are masked, and it is cut
MAX_HAR = 2 * 2**20  # bytes
MAX_CONSOLE = 256 * 1024  # bytes
MAX_REQUESTS = 500
MAX_CONSOLE_LINES = 200
MAX_TEXT = 2000  # characters of a URL, a title or the value of a header
MAX_READ_TEXT = 4000  # before secrets in it are masked
HIDDEN = "***"


class KeepPages(StrEnum):
    """After which attempts the last page is kept, as in the settings."""

    FAILED = "failed"  # those that do not succeed
    ALWAYS = "always"
    NEVER = "never"


class PageFileKind(StrEnum):
    """The files of a page, in the order in which they are shown."""

    SCREENSHOT = "screenshot"
    HTML = "html"
    HAR = "har"
    CONSOLE = "console"


MAX_FILE_BYTES = {
    PageFileKind.SCREENSHOT: MAX_SCREENSHOT,
    PageFileKind.HTML: MAX_HTML,
    PageFileKind.HAR: MAX_HAR,
    PageFileKind.CONSOLE: MAX_CONSOLE,
}


class PageGap(StrEnum):
    """Why there is no picture, or no HTML."""

    NO_PAGE = "no_page"  # no page was open when it could be taken
    GONE = "gone"  # it was closed, or its browser ended, before it was taken
    NO_ANSWER = "no_answer"  # not in time, or with an error
    CRASHED = "crashed"  # its process had ended
    DIALOG = "dialog"  # a script had opened a dialog, which stops the page
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request of a page. ``started`` is in seconds since the epoch; the other times are
    milliseconds. ``status`` 0: there was no answer; ``failure`` says why. ``size`` is in bytes with
    heads, as far as it is known. Values of headers that authenticate are hidden.
    """

    started: float
    method: str
    url: str
    kind: str
    status: int = 0
    status_text: str = ""
    protocol: str = ""
    media_type: str = ""
    request_headers: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    wait_ms: float = 0
    receive_ms: float = 0
    size: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class TakenPage:
    """A page as the gateway has taken it, with secrets in it. ``at`` is in milliseconds since the
    epoch. ``is_cut``: the HTML was longer; ``is_partial``: there were requests before these.
    """

    at: int
    url: str = ""
    title: str = ""
    screenshot: bytes = b""
    html: bytes = b""  # UTF-8
    is_cut: bool = False
    gaps: Mapping[PageFileKind, PageGap] = field(default_factory=dict)
    requests: tuple[SeenRequest, ...] = ()
    is_partial: bool = False
    console: tuple[ConsoleLine, ...] = ()


@dataclass(frozen=True, slots=True)
class PageFile:
    """A stored file; ``size`` in bytes. ``truncated``: the end, or the beginning of a list, was
    left out.
    """

    kind: PageFileKind
    size: int
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class LastPage:
    """What is stored of the last page of an attempt. ``at`` is when it was taken, in milliseconds
    since the epoch.
    """

    at: int
    url: str
    title: str
    files: tuple[PageFile, ...]
    gaps: Mapping[PageFileKind, PageGap] = field(default_factory=dict)

    def file(self, kind: str) -> PageFile | None:
        return next((file for file in self.files if file.kind == kind), None)


@dataclass(frozen=True, slots=True)
class PageContent:
    """A page with its files, which are to be stored. Secrets are masked in all but the picture."""

    page: LastPage
    files: Mapping[PageFileKind, bytes]
