"""WebDriver on the browser port: what is changed in requests to chromedriver and in its answers.

A Worker writes its requests for a driver on its own machine or for a grid. Chromedriver runs in the
browser sandbox, so the program that it starts and the addresses that it names are ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from fyke.browser.taps import CLOSE, decoded, is_list, names_file, refuse_inner

PROGRAM_AT = "/run/fyke/chromium"  # in the browser sandbox

_OPTIONS = "goog:chromeOptions"
_OLD_OPTIONS = "chromeOptions"  # its name before WebDriver was a standard
_NOT_HERE = {
    "androidActivity": "there is no Android device",
    "androidDeviceSerial": "there is no Android device",
    "androidPackage": "there is no Android device",
    "androidProcess": "there is no Android device",
    "androidUseRunningApp": "there is no Android device",
    "debuggerAddress": "each session gets a new browser",
    "extensions": "extensions are not loaded",
    "localState": "each session gets a new profile",
    "minidumpPath": "crash reports are not written",
}
_NOT_AS_ARGUMENTS = {  # chromedriver would look for the port of its Chromium in another place
    "remote-debugging-pipe": "chromedriver chooses how it connects",
    "remote-debugging-port": "chromedriver chooses how it connects",
    "user-data-dir": "each session gets a new profile",
}
_PROXY = "the browser always uses the proxy of the run"
_DOWNLOADS = "download.default_directory"
_NO_DOWNLOADS = "downloads go to the browser's own disk, which the Worker cannot read"
_GRID_PREFIX = "/wd/hub"
_SESSION = re.compile(r"/session/([A-Za-z0-9-]{1,64})(/.*)?")
_PORT = re.compile(r"localhost:([1-9][0-9]{0,4})")
_SHELL_NAME = "chrome-headless-shell"

Json = dict[str, Any]


class BadSession(Exception):
    """A body that is no request for a session of chromedriver."""


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A request for a session as chromedriver gets it. ``notes`` are sentences on what was left
    out; ``names`` are the browsers that the client accepts. ``display``: with a window, so
    ``--headless`` is not among the arguments.
    """

    body: bytes
    names: frozenset[str]
    notes: tuple[str, ...]
    display: bool


class _Command(msgspec.Struct):
    """What is read of a command, each value as it was sent, see ``taps.Params``."""

    url: msgspec.Raw = msgspec.Raw(b"null")
    cmd: msgspec.Raw = msgspec.Raw(b"null")
    params: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(msgspec.Struct):
    value: msgspec.Raw


@dataclass(frozen=True, slots=True)
class SessionCommand:
    """What a command of a session does: it opens a ``file:`` URL, or closes Chromium by a command
    of DevTools in it.
    """

    opens_file: bool = False
    closes_browser: bool = False


@dataclass(frozen=True, slots=True)
class CreatedSession:
    """A new session, and the answer as the client gets it. ``port`` is that of the DevTools of its
    Chromium, inside the browser sandbox.
    """

    id: str
    port: int
    body: bytes


def inner_path(path: str) -> str:
    """The path of a command for chromedriver; clients of a grid put a prefix before it."""
    inner = path.removeprefix(_GRID_PREFIX)
    return inner if inner.startswith("/") else path


def session_of(path: str) -> tuple[str, str] | None:
    """The session that an inner path names, and what follows it. A path with an empty part names
    none: chromedriver ignores such parts, so a command would not be known by its path.
    """
    if "//" in path:
        return None
    match = _SESSION.fullmatch(path.partition("?")[0])
    return (match[1], match[2] or "") if match else None


def inner_command(rest: str) -> str:
    """The path of a session's command as chromedriver knows it; the clients of a grid upload files
    with another one.
    """
    return "/file" if rest == "/se/file" else rest


def read_command(rest: str, body: bytes) -> SessionCommand:
    """What a command does; ``rest`` follows the session in its path. Of what is no command,
    chromedriver says what is wrong.
    """
    sends_devtools = rest.endswith("/cdp/execute") or rest.startswith("/chromium/send_command")
    command = decoded(body, _Command) if sends_devtools or rest == "/url" else None
    if command is None:
        return SessionCommand()
    if not sends_devtools:
        return SessionCommand(opens_file=names_file(command.url))
    return SessionCommand(
        opens_file=refuse_inner(command.cmd, command.params) is not None,
        closes_browser=decoded(command.cmd, str) == CLOSE,
    )


def has_no_window(answer: bytes) -> bool:
    """Whether an answer to ``DELETE .../window`` says that no window is left."""
    found = decoded(answer, _Answer)
    return found is not None and is_list(found.value, empty=True)


def new_session(body: bytes) -> SessionRequest | None:
    """Name our program, and remove what does not exist here. Raise ``BadSession``. None for a
    request of Camoufox, which names no capabilities and may be empty.
    """
    if not body:
        return None
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadSession(f"the request is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadSession("the request must be a JSON object")
    if document.keys().isdisjoint(("capabilities", "desiredCapabilities")):
        return None
    always, first, desired = _capabilities(document)
    notes: dict[str, str] = {}
    for item in (always, *first, desired):
        _clean(item, notes)
    _name_program(always, first)
    _name_program(desired, [])
    items = (always, *first, desired)
    names = [item.get("browserName") for item in items]
    return SessionRequest(
        msgspec.json.encode(document),
        frozenset(name for name in names if isinstance(name, str)),
        tuple(f"{name} was ignored: {reason}." for name, reason in notes.items()),
        display=not any(map(_is_headless, items)),
    )


def _capabilities(document: Json) -> tuple[Json, list[Json], Json]:
    """The objects in ``alwaysMatch``, ``firstMatch`` and ``desiredCapabilities``, which are put
    into the document where a client left them out.
    """
    desired = _object(document, "desiredCapabilities") if "desiredCapabilities" in document else {}
    if "capabilities" not in document:
        return {}, [], desired
    capabilities = _object(document, "capabilities")
    first = capabilities.get("firstMatch")
    if first is None:
        first = []
    if not isinstance(first, list) or not all(isinstance(item, dict) for item in first):
        raise BadSession("firstMatch must be an array of objects")
    return _object(capabilities, "alwaysMatch"), first, desired


def _object(parent: Json, name: str) -> Json:
    value = parent.get(name)
    if value is None:
        value = parent[name] = {}
    if not isinstance(value, dict):
        raise BadSession(f"{name} must be a JSON object")
    return value


def _clean(capabilities: Json, notes: dict[str, str]) -> None:
    """Remove what aims at another machine; ``notes`` gets each name with the reason."""
    if capabilities.pop("proxy", None):
        notes["proxy"] = _PROXY
    for name in (_OPTIONS, _OLD_OPTIONS):
        if name not in capabilities:
            continue
        options = _object(capabilities, name)
        for key in options.keys() & _NOT_HERE.keys():
            if options.pop(key):
                notes[key] = _NOT_HERE[key]
        _clean_arguments(options, notes)
        _clean_downloads(options, notes)
        options["binary"] = PROGRAM_AT


def _is_headless(capabilities: Json) -> bool:
    """Whether the arguments of a Chromium say that it has no window."""
    for name in (_OPTIONS, _OLD_OPTIONS):
        arguments = capabilities.get(name, {}).get("args")
        if isinstance(arguments, list) and "headless" in map(_switch, arguments):
            return True
    return False


def _switch(argument: object) -> str:
    """The name of a switch. Chromedriver adds missing hyphens, and Chromium ignores blanks."""
    return str(argument).strip().lstrip("-").partition("=")[0].strip().lower()


def _clean_arguments(options: Json, notes: dict[str, str]) -> None:
    """Remove switches by which Chromium and chromedriver would not find each other."""
    arguments = options.get("args")
    if not isinstance(arguments, list):
        return
    kept = []
    for argument in arguments:
        name = _switch(argument)
        if name in _NOT_AS_ARGUMENTS:
            notes[name] = _NOT_AS_ARGUMENTS[name]
        else:
            kept.append(argument)
    options["args"] = kept


def _clean_downloads(options: Json, notes: dict[str, str]) -> None:
    """Remove the folder of the Worker for downloads: Chromium cannot write there."""
    prefs = options.get("prefs")
    download = prefs.get("download") if isinstance(prefs, dict) else None
    for place, key in ((prefs, _DOWNLOADS), (download, _DOWNLOADS.rpartition(".")[2])):
        if isinstance(place, dict) and place.pop(key, None):
            notes[_DOWNLOADS] = _NO_DOWNLOADS


def _name_program(always: Json, first: list[Json]) -> None:
    """Name the program where no options were given. A name must not be in ``alwaysMatch`` and in an
    item of ``firstMatch``.
    """
    places = first if any(_OPTIONS in item for item in first) else [always]
    for item in places:
        if _OPTIONS not in always and _OLD_OPTIONS not in item:
            item.setdefault(_OPTIONS, {})["binary"] = PROGRAM_AT


def created_session(body: bytes, host: str, names: frozenset[str]) -> CreatedSession | None:
    """Read the answer to a request for a session, and name ``host``, to which the client is
    connected, in it. None for an answer without a session.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    value = document.get("value") if isinstance(document, dict) else None
    if not isinstance(value, dict):
        return None
    is_old = not isinstance(value.get("capabilities"), dict)
    capabilities = value if is_old else value["capabilities"]
    session = document.get("sessionId") if is_old else value.get("sessionId")
    options = capabilities.get(_OPTIONS)
    if not isinstance(session, str) or not isinstance(options, dict):
        return None
    port = _PORT.fullmatch(str(options.get("debuggerAddress", "")))
    if port is None or int(port[1]) >= 1 << 16:
        return None
    address = f"ws://{host}/session/{session}"
    options["debuggerAddress"] = host
    capabilities["se:cdp"] = f"{address}/se/cdp"
    capabilities["se:cdpVersion"] = capabilities.get("browserVersion", "")
    if "webSocketUrl" in capabilities:
        capabilities["webSocketUrl"] = address
    if capabilities.get("browserName") == _SHELL_NAME and _SHELL_NAME not in names:
        capabilities["browserName"] = "chrome"
    return CreatedSession(session, int(port[1]), msgspec.json.encode(document))


def driver_request(method: str, path: str, port: int, body: bytes) -> bytes:
    """A command for chromedriver, which closes the connection after its answer."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + body


def error_answer(error: str, message: str) -> bytes:
    """The body of an error of WebDriver, with one of the names of its standard."""
    return msgspec.json.encode({"value": {"error": error, "message": message, "stacktrace": ""}})


def status_answer(*, ready: bool, message: str) -> bytes:
    """The answer to ``GET /status``."""
    return msgspec.json.encode({"value": {"ready": ready, "message": message}})
