"""The messages between runner and gateway, one JSON object per packet of at most 64 KiB.

Each request has a ``seq`` and is answered by one ``RequestDone`` with the same number. Sockets are
sent with the packet as descriptors: for ``OpenGateway`` the listeners, for ``AttachBrowser`` the
control socket of the browser sandbox, for ``FinishGateway`` a file in memory.
"""

from __future__ import annotations

import msgspec

from fyke.contracts.browser import BrowserEndCause, BrowserForm, BrowserProgram
from fyke.kit.requests import RequestDone
from fyke.model.browser import BrowserActivity, BrowserBlock
from fyke.model.last_page import TakenPage


class OpenGateway(msgspec.Struct, frozen=True, tag="open"):
    """Serve the browser ports of an attempt, whose browsers do not load ``block``. With a
    ``refused_status``, no connection gets a browser: all are answered with it and ``refused_text``.
    """

    seq: int
    attempt_id: str
    secret: str
    refused_status: int = 0
    refused_text: str = ""
    block: tuple[BrowserBlock, ...] = ()
    keep: bool = False


class AttachBrowser(msgspec.Struct, frozen=True, tag="attach"):
    """Start ``program`` in this sandbox and relay the attempt's connections to it."""

    seq: int
    attempt_id: str
    generation: int
    program: BrowserProgram
    own_sandbox: bool
    display: bool = False


class RefuseWanted(msgspec.Struct, frozen=True, tag="refuse"):
    """Answer waiting connections with ``status`` and ``text``; for ``retry_after`` seconds also
    those that come later, and with 0 all of them.
    """

    seq: int
    attempt_id: str
    status: int
    text: str
    retry_after: int


class FinishGateway(msgspec.Struct, frozen=True, tag="finish"):
    """Write the last page of an attempt to the file: ``encode_page``, or nothing if there is none.
    It takes seconds, so requests that come later may be answered before.
    """

    seq: int
    attempt_id: str


class CloseGateway(msgspec.Struct, frozen=True, tag="close"):
    """Close everything of an attempt; if ``final``, its listening sockets in all processes. An
    unknown id is ignored, so this also checks the gateway.
    """

    seq: int
    attempt_id: str
    final: bool = True


class Wanted(msgspec.Struct, frozen=True, tag="wanted"):
    """A connection waits for a browser."""

    attempt_id: str
    form: BrowserForm


class Started(msgspec.Struct, frozen=True, tag="started"):
    """Chromium accepts connections."""

    attempt_id: str
    generation: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The browser has ended; the gateway has closed the control socket."""

    attempt_id: str
    generation: int
    cause: BrowserEndCause
    detail: str


class Noted(msgspec.Struct, frozen=True, tag="note"):
    """A line for the log of the run, each code at most once for an attempt."""

    attempt_id: str
    code: str
    text: str


class Acted(msgspec.Struct, frozen=True, tag="acted"):
    """What the browser has done: numbers since its start, and the lines since the last message."""

    attempt_id: str
    generation: int
    activity: BrowserActivity


Request = OpenGateway | AttachBrowser | RefuseWanted | FinishGateway | CloseGateway
Notice = Wanted | Started | Ended | Noted | Acted
Reply = RequestDone | Notice

encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(Request).decode
decode_reply = msgspec.json.Decoder(Reply).decode
encode_page = msgspec.msgpack.Encoder().encode
decode_page = msgspec.msgpack.Decoder(TakenPage).decode
