"""The messages of the live view between a server process and the browser role, one JSON object a
packet.

A connection is either one watcher, which begins with ``Watch`` and ends with the connection, or one
other request, which is answered by ``ViewDone``. That of ``TakeOver`` remains until the browser was
given back, which is the second answer. A picture travels as a memory file.
"""

from __future__ import annotations

import msgspec

from fyke.contracts.browser_view import BrowserInput, TakeoverEnd, ViewRefusal, ViewState


class Watch(msgspec.Struct, frozen=True, tag="watch"):
    """Watch a page, or with an empty ``page`` the newest one."""

    attempt_id: str
    page: str
    holder: str
    user: str = ""


class Fetched(msgspec.Struct, frozen=True, tag="fetched"):
    """The last picture was passed on; the next one may be sent."""


class TakeOver(msgspec.Struct, frozen=True, tag="take_over"):
    """Let the holder send input until the connection ends; ``name`` is shown."""

    attempt_id: str
    holder: str
    name: str


class SendInput(msgspec.Struct, frozen=True, tag="input"):
    """Input by the holder, who saw the picture of this number."""

    attempt_id: str
    holder: str
    page: str
    picture: int
    inputs: list[BrowserInput]


class GiveBack(msgspec.Struct, frozen=True, tag="give_back"):
    """The holder has finished, or may not act any more."""

    attempt_id: str
    holder: str
    revoked: bool = False


class ViewDone(msgspec.Struct, frozen=True, tag="done"):
    """The answer to a request; of a watcher, only a refusal. ``name`` belongs to it."""

    refusal: ViewRefusal | None = None
    name: str = ""


class WasGivenBack(msgspec.Struct, frozen=True, tag="given_back"):
    """What the connection has taken over has ended."""

    how: TakeoverEnd


class ViewChanged(msgspec.Struct, frozen=True, tag="changed"):
    """The state for this watcher."""

    state: ViewState


class PictureSent(msgspec.Struct, frozen=True, tag="picture"):
    """A picture of a page, in the memory file of this packet."""

    page: str
    number: int
    size: int
    width: int
    height: int


ViewRequest = Watch | Fetched | TakeOver | SendInput | GiveBack
ViewReply = ViewDone | ViewChanged | PictureSent | WasGivenBack

encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(ViewRequest).decode
decode_reply = msgspec.json.Decoder(ViewReply).decode
