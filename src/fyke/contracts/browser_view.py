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

MAX_WATCHERS = 3  # of one attempt
MAX_MACHINE_WATCHERS = 8
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


BrowserInput = PointerInput | ScrollInput | KeyInput | TextInput


@dataclass(frozen=True, slots=True)
class ViewedPage:
    """A page that can be watched. The texts are those of the page, not masked."""

    id: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class ViewState:
    """``shown`` is the id of the page whose pictures come, "" while there is none. ``taken_by`` is
    the name of the user who has taken the browser over; ``yours``: the watcher is this user.
    """

    pages: tuple[ViewedPage, ...] = ()
    shown: str = ""
    taken_by: str = ""
    yours: bool = False


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
    MACHINE_FULL = "machine_full"
    TAKEN = "taken"  # by another user
    NOT_TAKEN = "not_taken"  # input by a user who has not taken over, or no longer controls it
    NO_PAGE = "no_page"  # of this id
    REPLACED = "replaced"  # input for a picture of what the page does not show any more
    AWAY = "away"  # the process that serves browsers, or the browser, does not answer


class ViewRefused(Exception):
    """There is no live view; ``name`` is that of the user who has taken the browser over."""

    def __init__(self, refusal: ViewRefusal, name: str = "") -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.name = name


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

    async def watch(self, attempt_id: str, page: str = "", holder: str = "") -> BrowserWatch:
        """Watch a page, or without ``page`` the newest one. Raise ``ViewRefused``."""
        ...

    async def take_over(self, attempt_id: str, holder: str, name: str) -> None:
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
