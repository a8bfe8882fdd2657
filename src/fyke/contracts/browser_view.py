"""The live view of an attempt's browser: pictures of one page at a time, and input by a user.

The process that connects Workers to browsers takes the pictures, only while a user watches. A
user who has taken the browser over may send input until ``TAKEN_SECONDS`` after the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from fyke.kit.jpeg import JpegLimit

MAX_WATCHERS = 3  # users who watch an attempt without being able to take it over
MAX_MACHINE_WATCHERS = 8  # the same of all attempts of a machine
MAX_WINDOWS = 3  # of one user in which the same attempt is watched
MAX_MACHINE_WINDOWS = 32
MAX_PICTURE = 768 * 1024  # bytes
PICTURE_LIMIT = JpegLimit(1280, 800, 1280 * 800)
TAKEN_SECONDS = 300.0
LEFT_SECONDS = 15.0  # without a watcher of the user, who then gives the browser back
MAX_INPUTS = 100  # in one request
MAX_TEXT = 10_000  # characters

Share = Annotated[float, Meta(ge=0, le=1)]
Modifiers = Annotated[int, Meta(ge=0, le=15)]  # 1 Alt, 2 Control, 4 Meta, 8 Shift
KeyName = Annotated[str, Meta(min_length=1, max_length=32)]
Distance = Annotated[float, Meta(ge=-5000, le=5000)]


class _Input(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class PointerInput(_Input, frozen=True, tag="pointer"):
    """The mouse; ``x`` and ``y`` are shares of the width and height of the picture."""

    action: Literal["move", "press", "release"]
    x: Share
    y: Share
    button: Literal["none", "left", "middle", "right"] = "none"
    clicks: Annotated[int, Meta(ge=0, le=3)] = 0
    modifiers: Modifiers = 0


class ScrollInput(_Input, frozen=True, tag="scroll"):
    """The wheel, in CSS pixels."""

    x: Share
    y: Share
    right: Distance
    down: Distance


class KeyInput(_Input, frozen=True, tag="key"):
    """A key that is pressed or released, by the names of DOM's ``KeyboardEvent``."""

    down: bool
    key: KeyName
    code: Annotated[str, Meta(max_length=32)] = ""
    modifiers: Modifiers = 0


class TextInput(_Input, frozen=True, tag="text"):
    """A text that is inserted as if it was typed or pasted."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


class DialogInput(_Input, frozen=True, tag="dialog"):
    """An answer to the dialog of this number; ``text`` is for a prompt."""

    number: int
    accept: bool
    text: Annotated[str, Meta(max_length=MAX_TEXT)] = ""


BrowserInput = PointerInput | ScrollInput | KeyInput | TextInput | DialogInput


@dataclass(frozen=True, slots=True)
class ViewedPage:
    """A page that can be watched. The texts are those of the page, not masked."""

    id: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class ViewedDialog:
    """A JavaScript dialog: ``alert``, ``confirm``, ``prompt`` or ``beforeunload``. ``proposal`` is
    the text that a prompt begins with. The texts are those of the page, not masked.
    """

    number: int
    kind: str
    text: str
    proposal: str


class PageTrouble(StrEnum):
    """Why there are no new pictures of a page."""

    SILENT = "silent"  # it does not answer
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class ViewState:
    """``pages`` are in the order in which they were opened, without the ``more`` oldest of many.
    ``shown`` is the id of the page whose pictures come, "" while there is none; ``dialog`` and
    ``trouble`` are its. ``taken_by`` is the name of the user who has taken the browser over;
    ``yours``: the watcher is this user, who watches in so many ``windows``.
    """

    pages: tuple[ViewedPage, ...] = ()
    more: int = 0
    shown: str = ""
    dialog: ViewedDialog | None = None
    trouble: PageTrouble | None = None
    taken_by: str = ""
    yours: bool = False
    windows: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG of a page; ``width`` and ``height`` of its viewport are in CSS pixels. The ``number``
    is that of no other picture.
    """

    page: str
    number: int
    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ViewUpdate:
    """What has changed since the last update."""

    state: ViewState | None = None
    picture: Picture | None = None


class ViewRefusal(StrEnum):
    """Why there is no live view."""

    ELSEWHERE = "elsewhere"  # no attempt of this id is served on this machine
    FULL = "full"  # of the attempt
    WINDOWS = "windows"  # the user watches in as many as possible
    MACHINE_FULL = "machine_full"
    TAKEN = "taken"  # by another user
    NOT_TAKEN = "not_taken"  # input by a user who has not taken over, or no longer controls it
    NO_PAGE = "no_page"  # of this id
    REPLACED = "replaced"  # input for a picture of what the page does not show any more
    AWAY = "away"  # the node, the process that serves browsers, or the browser does not answer


class ViewRefused(Exception):
    """There is no live view; ``name`` is that of the user who has taken the browser over."""

    def __init__(self, refusal: ViewRefusal, name: str = "") -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.name = name


class TakeoverEnd(StrEnum):
    """How what a user had taken over has ended."""

    BY_USER = "by_user"
    TAKEN_AGAIN = "taken_again"  # by the same user, who keeps it
    NO_INPUT = "no_input"
    LEFT = "left"
    REVOKED = "revoked"
    ATTEMPT_OVER = "attempt_over"
    SERVER_GONE = "server_gone"
    LOST = "lost"  # the gateway has ended, or the runner


GIVEN_BACK_WHY = {
    TakeoverEnd.NO_INPUT: f"no input for {TAKEN_SECONDS / 60:g} minutes",
    TakeoverEnd.LEFT: "they left its page",
    TakeoverEnd.REVOKED: "they may not act any more",
    TakeoverEnd.ATTEMPT_OVER: "the Worker has ended",
    TakeoverEnd.SERVER_GONE: "the server process with which they took it over has ended",
    TakeoverEnd.LOST: "the connection to the browser was lost",
}


class TakenBrowser(Protocol):
    """What a user has taken over; it is given back with ``close``."""

    async def ended(self) -> TakeoverEnd:
        """Wait until it was given back."""
        ...

    def close(self) -> None: ...


class BrowserWatch(Protocol):
    """One watcher. Close it."""

    async def next(self, seconds: float) -> ViewUpdate | None:
        """What has changed, at least since the last call: the newest picture, which is sent once
        the last one was fetched. Empty after ``seconds``, None when the attempt has ended.
        """
        ...

    def close(self) -> None: ...


class BrowserViews(Protocol):
    """The live views of this machine. ``holder`` is the id of a user's session, by which the one
    that has taken over is known.
    """

    def node(self) -> str:
        """The name of this machine among those of the installation."""
        ...

    async def watch(
        self, attempt_id: str, page: str = "", holder: str = "", user: str = ""
    ) -> BrowserWatch:
        """Watch a page, or without ``page`` the newest one. ``user`` is the id of the user, and
        ``holder`` is empty if they may not take over. Raise ``ViewRefused``.
        """
        ...

    async def take_over(self, attempt_id: str, holder: str, name: str) -> TakenBrowser:
        """Let a user send input. Raise ``ViewRefused`` while another one may."""
        ...

    async def act(
        self,
        attempt_id: str,
        holder: str,
        page: str,
        picture: int,
        inputs: Sequence[BrowserInput],
    ) -> None:
        """Send input to a page, of whose pictures the user saw the one of this number. Raise
        ``ViewRefused``, also when the page shows another document since.
        """
        ...

    async def give_back(self, attempt_id: str, holder: str, *, revoked: bool = False) -> None:
        """End what ``take_over`` allowed; nothing happens if it has ended. ``revoked``: the user
        may not act any more. Raise ``ViewRefused`` when the attempt is not served on this machine.
        """
        ...


class NodeViews(Protocol):
    """The live views of all nodes."""

    def of(self, node: str, gateway: str) -> BrowserViews:
        """Those of a node, which is connected to the gateway at this address (``host:port``)."""
        ...
