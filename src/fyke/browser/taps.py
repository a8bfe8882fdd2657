"""What the gateway reads of the messages between a Worker and Chromium, and what it answers itself.

A message is searched for the names of a few commands and parsed only if one occurs. A tap gets the
parsed command and returns an answer, or None to pass it on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import msgspec

CAPTCHAS = "Captchas.automaticSolver"
CLOSE = "Browser.close"
SET_FILES = "DOM.setFileInputFiles"
_OPENERS = ("Target.createTarget", "Page.navigate", "Network.loadNetworkResource")
_BIDI_OPENER = "browsingContext.navigate"
_BIDI_CLOSERS = ("browser.close", "session.end")
_BIDI_COMMANDS = ("goog:cdp.sendCommand", "cdp.sendCommand")  # with a command of DevTools in it
NEW_CONTEXT = "Target.createBrowserContext"
_OWN_PROXY = re.compile(r"(http://)?127\.0\.0\.1:1080/?")  # PROXY_DOMAIN, there and here
NO_CAPTCHAS = "this Fyke solves no captchas"
NO_FILES = "the browser opens no files"
NO_PATHS = "the browser cannot read files of the Worker; give the content of the file, not its path"
NO_OTHER_PROXY = "the browser always uses the proxy of the run; name PROXY_DOMAIN or none"


class Note(NamedTuple):
    """A line for the log of the run."""

    code: str
    text: str


CAPTCHAS_NOTE = Note(
    "captchas",
    "The Worker asked for a captcha solver; there is none, the answer is status false",
)
FILE_URL_NOTE = Note(
    "file_url", "The Worker asked the browser for a file: URL; the browser opens no files"
)
FILE_PATH_NOTE = Note(
    "file_path",
    "The Worker gave a page a file by its path, which was refused: the browser cannot read files "
    "of the Worker. Give the content of the file instead.",
)
DOWNLOAD_NOTE = Note(
    "download",
    "A page has started a download. Unless the Worker refuses downloads, the file goes to the "
    "browser's own disk, which the Worker cannot read. To get it, fetch it in the page, or over "
    "HTTP; see Files in the reference of Workers.",
)
CANCELED_NOTE = Note(
    "download_canceled",
    "A download of the browser was canceled: by the Worker, or because it does not fit into the "
    "space for its files (setting browser_tmp_mb)",
)
PROXY_NOTE = Note(
    "context_proxy",
    "The Worker asked for a context with a proxy of its own, which was refused: the browser always "
    "uses the proxy of the run",
)


T = TypeVar("T")
_NONE = msgspec.Raw(b"null")


class Params(msgspec.Struct):
    """What is read of the parameters of a command, each value as it was sent: whatever a Worker
    sends, no objects are made of it.
    """

    url: msgspec.Raw = _NONE
    files: msgspec.Raw = _NONE
    proxy: msgspec.Raw = msgspec.field(default=_NONE, name="proxyServer")
    method: msgspec.Raw = _NONE  # of a command in it
    params: msgspec.Raw = _NONE
    target: msgspec.Raw = msgspec.field(default=_NONE, name="targetId")
    context: msgspec.Raw = _NONE  # a page, of the bidirectional WebDriver


class Command(msgspec.Struct):
    """A command of the DevTools protocol."""

    method: str
    id: int = 0
    session: str | None = msgspec.field(default=None, name="sessionId")
    params: Params | None = None

    @property
    def given(self) -> Params:
        """The parameters, also of a command without any."""
        return self.params or Params()


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """An answer of the gateway. ``bidi``: in the form of the bidirectional WebDriver, an error."""

    result: dict[str, Any] | None = None
    error: str = ""
    note: Note | None = None
    bidi: bool = False

    def encode(self, command: Command) -> bytes:
        """The message for the client."""
        if self.bidi:
            error = {"error": "invalid argument", "message": self.error}
            return msgspec.json.encode({"type": "error", "id": command.id, **error})
        message: dict[str, Any] = {"id": command.id}
        if command.session is not None:
            message["sessionId"] = command.session
        if self.error:
            message["error"] = {"code": -32000, "message": self.error}
        else:
            message["result"] = self.result or {}
        return msgspec.json.encode(message)


Tap = Callable[[Command], CommandAnswer | None]


def decoded(value: bytes | msgspec.Raw, kind: type[T]) -> T | None:
    """A JSON value of a kind; None for anything else."""
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def is_list(value: msgspec.Raw, *, empty: bool) -> bool:
    """Whether a JSON value is a list without, or with elements."""
    text = bytes(value).strip()
    return text.startswith(b"[") and (not text[1:-1].strip()) is empty


@dataclass(frozen=True, slots=True)
class Taps:
    """The taps of an attempt by the method that they read."""

    of_method: dict[str, Sequence[Tap]]
    _names: re.Pattern[bytes] = field(init=False)

    def __post_init__(self) -> None:
        names = b"|".join(re.escape(name.encode()) for name in self.of_method)
        object.__setattr__(self, "_names", re.compile(b'"(?:' + names + b')"'))

    def read(self, message: bytes) -> tuple[Command, CommandAnswer] | None:
        """The answer to a message that must not reach Chromium."""
        if not self._names.search(message):
            return None
        command = decoded(message, Command)
        if command is None:
            return None  # Chromium says what is wrong
        for tap in self.of_method.get(command.method, ()):
            answer = tap(command)
            if answer is not None:
                return command, answer
        return None


def solve_no_captchas(command: Command) -> CommandAnswer:
    """Documented clients of hosted platforms ask for this; they go on after a false status."""
    return CommandAnswer({"status": False, "message": NO_CAPTCHAS}, note=CAPTCHAS_NOTE)


def refuse_files(command: Command) -> CommandAnswer | None:
    """Refuse ``file:`` URLs, as the policy of the full Chromium does; the headless one has none."""
    if names_file(command.given.url):
        return CommandAnswer(error=NO_FILES, note=FILE_URL_NOTE)
    return None


def refuse_paths(command: Command) -> CommandAnswer | None:
    """Refuse the paths of files for a page: they name files of the Worker, and Chromium would let
    the client wait for files that it does not have.
    """
    if is_list(command.given.files, empty=False):
        return CommandAnswer(error=NO_PATHS, note=FILE_PATH_NOTE)
    return None


def refuse_proxy(command: Command) -> CommandAnswer | None:
    """Refuse a proxy for a context: it cannot be reached, so that no page would open."""
    server = decoded(command.given.proxy, str)
    if not server or _OWN_PROXY.fullmatch(server):
        return None
    return CommandAnswer(error=NO_OTHER_PROXY, note=PROXY_NOTE)


def refuse_inner(method: msgspec.Raw, params: msgspec.Raw) -> CommandAnswer | None:
    """The answer to a command of DevTools that came by WebDriver and would open a ``file:`` URL."""
    name = decoded(method, str)
    if name not in _OPENERS:
        return None
    return refuse_files(Command(name, params=decoded(params, Params)))


def _refuse_bidi(command: Command) -> CommandAnswer | None:
    inner = command.given
    is_navigation = command.method == _BIDI_OPENER
    answer = refuse_files(command) if is_navigation else refuse_inner(inner.method, inner.params)
    return None if answer is None else replace(answer, bidi=True)


def names_file(value: msgspec.Raw) -> bool:
    """Whether a JSON value is a ``file:`` URL."""
    return is_file(decoded(value, str) or "")


def is_file(url: str) -> bool:
    """Whether a browser takes this text as a ``file:`` URL: it ignores leading spaces and control
    characters, and tabs and line breaks anywhere.
    """
    for ignored in "\t\r\n":
        url = url.replace(ignored, "")
    start = url.lstrip("".join(map(chr, range(0x21))))[:17]
    return start.lower().startswith(("file:", "view-source:file:"))


def standard_taps(on_close: Callable[[], None] | None) -> dict[str, Sequence[Tap]]:
    """The gateway's own taps; ``on_close`` is called when the client closes the browser."""

    def see_close(command: Command) -> None:
        if on_close is not None:
            on_close()

    return {
        CAPTCHAS: (solve_no_captchas,),
        CLOSE: (see_close,),
        SET_FILES: (refuse_paths,),
        NEW_CONTEXT: (refuse_proxy,),
        **dict.fromkeys(_OPENERS, (refuse_files,)),
    }


def bidi_taps(on_close: Callable[[], None]) -> dict[str, Sequence[Tap]]:
    """The taps of a bidirectional WebDriver; ``on_close`` is called when the client closes the
    browser or ends the session.
    """

    def see_close(command: Command) -> None:
        if command.method in _BIDI_CLOSERS or decoded(command.given.method, str) == CLOSE:
            on_close()

    return {
        _BIDI_OPENER: (_refuse_bidi,),
        **dict.fromkeys(_BIDI_COMMANDS, (_refuse_bidi, see_close)),
        **dict.fromkeys(_BIDI_CLOSERS, (see_close,)),
    }
