"""Counts what a browser does, from the events that it sends to its clients.

The recorder only reads: it asks Chromium for nothing, since a client and the pages could notice
that. So it knows what the client of the Worker asked for; Playwright, Puppeteer and most others
ask for all of it. What Chromium sends to several sessions counts once.

Chromium writes ``method`` first in an event. Events of other methods, and those of more than
``websocket.MAX_READ`` bytes, are not parsed. All values are those of a process that may be hostile:
numbers only count, texts are cut, and what is remembered is limited.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from fyke.browser.dialogs import MAX_TEXT, Ask, Dialogs, OpenDialog, Reporter
from fyke.browser.page_keeper import PageKeeper, PagePlace
from fyke.browser.session import is_session
from fyke.browser.taps import CANCELED_NOTE, DOWNLOAD_NOTE
from fyke.model.browser import (
    MAX_LINES,
    MAX_READ_TEXT,
    MAX_URLS,
    BrowserActivity,
    ConsoleLevel,
    ConsoleLine,
    StatusClass,
)
from fyke.model.last_page import PageGap

EVERY_SECONDS = 2.0  # between two reports
MAX_BYTES = 24 * 1024  # of the lines in one report, which must fit in one message; of the URLs half
_MAX_KNOWN = 1000  # requests, documents and messages that are remembered
_MAX_SESSIONS = 256
_MAX_ID = 128  # characters
_MAX_SUM = 2**53  # bytes; greater numbers are not exact everywhere
_MAX_ARGUMENTS = 10  # of a console message
_MAX_PROPERTIES = 20  # of an argument; Chromium sends five of an object, and 100 of an array

_TYPES = frozenset(
    {
        "document", "stylesheet", "image", "media", "font", "script", "texttrack", "xhr", "fetch",
        "prefetch", "eventsource", "websocket", "manifest", "signedexchange", "ping",
        "cspviolationreport", "preflight",
    }
)  # fmt: skip
_OTHER = "other"
_REMOTE = ("http:", "https:", "ws:", "wss:")
_ERROR = 400  # the first status of an error
_LEVELS = {
    "error": ConsoleLevel.ERROR,
    "assert": ConsoleLevel.ERROR,
    "warning": ConsoleLevel.WARNING,
    "debug": ConsoleLevel.DEBUG,
    "verbose": ConsoleLevel.DEBUG,
}

P = TypeVar("P")
T = TypeVar("T")


class _Message(msgspec.Struct, Generic[P], rename="camel"):
    params: P
    session_id: str = ""


class _Request(msgspec.Struct):
    url: str = ""
    method: str = "GET"
    headers: msgspec.Raw = msgspec.Raw()


class _Response(msgspec.Struct, rename="camel"):
    status: int = 0
    from_disk_cache: bool = False  # or from that in memory, of a context without a profile
    encoded_data_length: float = 0
    status_text: str = ""
    headers: msgspec.Raw = msgspec.Raw()
    mime_type: str = ""
    protocol: str = ""


class _RequestSent(msgspec.Struct, rename="camel"):
    request_id: str
    request: _Request
    type: str = _OTHER
    redirect_response: _Response | None = None
    wall_time: float = 0
    timestamp: float = 0


class _Answered(msgspec.Struct, rename="camel"):
    request_id: str
    response: _Response
    type: str = ""
    timestamp: float = 0


class _Ended(msgspec.Struct, rename="camel"):
    request_id: str
    encoded_data_length: float = 0
    error_text: str = ""
    timestamp: float = 0


class _RequestNamed(msgspec.Struct, rename="camel"):
    request_id: str


class _SocketCreated(msgspec.Struct, rename="camel"):
    request_id: str
    url: str = ""


class _Frame(msgspec.Struct, rename="camel"):
    loader_id: str
    url: str = ""
    parent_id: str = ""


class _Navigated(msgspec.Struct):
    frame: _Frame


class _TargetNamed(msgspec.Struct, rename="camel"):
    target_id: str = ""


class _Detached(msgspec.Struct, rename="camel"):
    session_id: str


class _Attached(msgspec.Struct, rename="camel"):
    session_id: str
    target_info: _TargetNamed


class _Download(msgspec.Struct):
    state: str = ""  # of a progress


class _DialogOpening(msgspec.Struct, rename="camel"):
    type: str = ""
    message: str = ""
    default_prompt: str = ""


class _Nothing(msgspec.Struct):
    pass


class _Property(msgspec.Struct):
    name: str = ""
    type: str = ""
    value: str = ""


class _Preview(msgspec.Struct):
    properties: list[_Property] = []
    overflow: bool = False  # whether there are more


class _Argument(msgspec.Struct):
    type: str = ""
    subtype: str = ""
    value: Any = None
    description: str = ""
    preview: _Preview | None = None


class _CallFrame(msgspec.Struct, rename="camel"):
    url: str = ""
    line_number: int = -1


class _Stack(msgspec.Struct, rename="camel"):
    call_frames: list[_CallFrame] = []


class _Called(msgspec.Struct, rename="camel"):
    type: str = ""
    args: list[_Argument] = []
    timestamp: float = 0
    stack_trace: _Stack | None = None


class _Thrown(msgspec.Struct, rename="camel"):
    text: str = ""
    url: str = ""
    line_number: int = -1
    exception: _Argument | None = None


class _ExceptionThrown(msgspec.Struct, rename="camel"):
    exception_details: _Thrown
    timestamp: float = 0


class _Entry(msgspec.Struct, rename="camel"):
    level: str = ""
    text: str = ""
    timestamp: float = 0
    url: str = ""
    line_number: int = -1
    network_request_id: str = ""


class _EntryAdded(msgspec.Struct):
    entry: _Entry


@dataclass(slots=True)
class _KnownRequest:
    """A request. ``reporter`` is the session that named it first."""

    reporter: Reporter
    kind: str
    answered: bool = False
    cached: bool = False
    ended: bool = False


def ignore_note(code: str, text: str) -> None:
    """Do nothing with a line for the log."""


class Recorder:
    """What one browser sandbox does. ``report`` gets it at most every ``EVERY_SECONDS`` when it has
    changed: numbers and the latest URLs since the start, and the lines since the last report. The
    ``keeper`` of the attempt's last page, if there is one, hears of pages and their requests.
    ``on_note`` gets code and text of lines for the log of the run, also repeated ones.
    """

    def __init__(
        self,
        report: Callable[[BrowserActivity], None],
        keeper: PageKeeper | None = None,
        generation: int = 0,
        on_note: Callable[[str, str], None] = ignore_note,
    ) -> None:
        self._report = report
        self.keeper = keeper
        self.generation = generation
        self._note = on_note
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._requests: Counter[str] = Counter()
        self._cached: Counter[str] = Counter()
        self._received: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._console: Counter[str] = Counter()
        self._blocked: Counter[str] = Counter()
        self._pages = 0
        self._crashes = 0
        self._urls: deque[str] = deque(maxlen=MAX_URLS)
        self._lines: deque[ConsoleLine] = deque(maxlen=MAX_LINES)
        self._known: OrderedDict[Hashable, _KnownRequest] = OrderedDict()
        self._refused: OrderedDict[Hashable, None] = OrderedDict()  # blocked requests
        self._once: OrderedDict[Hashable, None] = OrderedDict()
        self.latest_page: tuple[int, str] | None = None
        """Instance and id of the page in which a document was opened last."""
        self._documents: OrderedDict[tuple[int, str], str] = OrderedDict()  # of pages
        self._readers = 0
        self._crashed: OrderedDict[Hashable, None] = OrderedDict()
        self._order: OrderedDict[tuple[int, str], int] = OrderedDict()  # of pages
        self._pages_seen = 0
        self.dialogs = Dialogs()
        """By instance and id of the page, or its client while the id is not known."""

    def reader(self, instance: int, page: str) -> EventReader:
        """What looks at the messages of a Chromium to a new client; it lets all pass. ``page`` is
        the id of the page that the client is connected to, or empty.
        """
        self._readers += 1
        return EventReader(self, self._readers, instance, page)

    def document(self, instance: int, page: str) -> str:
        """The id of the document in a page, as far as it is known."""
        return self._documents.get((instance, page), "")

    def order(self, instance: int, page: str) -> int:
        """A number of a page by which pages are in the order in which they were first named."""
        found = self._order.get((instance, page))
        if found is None:
            self._pages_seen += 1
            found = self._pages_seen
            _remember(self._order, (instance, page), found)
        return found

    def flush(self) -> None:
        """Report now what has changed."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        lines = _newest(self._lines, MAX_BYTES)
        self._lines.clear()
        self._report(
            BrowserActivity(
                requests=dict(self._requests),
                cached=dict(self._cached),
                received=dict(self._received),
                statuses=dict(self._statuses),
                console=dict(self._console),
                blocked=dict(self._blocked),
                pages=self._pages,
                crashes=self._crashes,
                urls=_newest(self._urls, MAX_BYTES // 2),
                lines=lines,
            )
        )

    def close(self) -> None:
        """Report what has changed, for the last time: messages may still be looked at."""
        self._closed = True
        self.flush()

    # for readers

    def request(self, key: Hashable, reporter: Reporter, kind: str, url: str) -> None:
        """A request was sent, or sent again to the address of a redirect by the same reporter."""
        seen = self._known.get(key)
        if seen is None:
            if not is_remote(url):
                return
            seen = _KnownRequest(reporter, _type_of(kind))
            _remember(self._known, key, seen)
        self._requests[seen.kind] += 1
        self._changed()

    def redirected(self, key: Hashable, reporter: Reporter, response: _Response) -> bool:
        """A request was answered with a redirect; return whether it counts."""
        seen = self._known.get(key)
        if seen is None or seen.reporter != reporter or seen.ended:
            return False
        self._statuses[_class_of(response.status)] += 1
        self._receive(seen.kind, response.encoded_data_length)
        return True

    def knows(self, key: Hashable) -> bool:
        """Whether a request was counted."""
        return key in self._known

    def answered(self, key: Hashable, status: int) -> None:
        """The head of an answer arrived."""
        seen = self._known.get(key)
        if seen is not None and not seen.answered:
            seen.answered = True
            self._statuses[_class_of(status)] += 1
            self._changed()

    def came_from_cache(self, key: Hashable) -> None:
        """A cache of Chromium answered a request."""
        seen = self._known.get(key)
        if seen is not None and not seen.cached:
            seen.cached = True
            self._cached[seen.kind] += 1
            self._changed()

    def ended(self, key: Hashable, size: float, *, failed: bool) -> None:
        """A request is over; ``size`` is in bytes, with heads."""
        seen = self._known.get(key)
        if seen is None or seen.ended:
            return
        seen.ended = True
        self._receive(seen.kind, size)
        if failed and not seen.answered:
            seen.answered = True
            if key not in self._refused:
                self._statuses[StatusClass.FAILED] += 1
        self._changed()

    def blocked(self, instance: int, kind: str, request: str) -> None:
        """A request was blocked for the run. Chromium reports it to its client later as failed, and
        writes an error on the console: neither counts, nor is it among the requests of the page.
        """
        self._blocked[_type_of(kind)] += 1
        request = request[:_MAX_ID]
        _remember(self._refused, (instance, request), None)
        if self.keeper is not None:
            self.keeper.requests.drop((self.generation, instance, request))
        self._changed()

    def is_blocked(self, key: Hashable) -> bool:
        """Whether a request was blocked lately."""
        return key in self._refused

    def shows(self, instance: int, page: str, document: str) -> None:
        """A page shows another document."""
        self.latest_page = instance, page
        _remember(self._documents, (instance, page), document)

    def downloads(self, *, canceled: bool) -> None:
        """A download has started or was canceled."""
        self._note(*(CANCELED_NOTE if canceled else DOWNLOAD_NOTE))

    def opened(self, document: Hashable, url: str) -> None:
        """A document was opened in a tab."""
        if is_remote(url) and self._is_new(document):
            self._pages += 1
            self._urls.append(url[:MAX_READ_TEXT])
            self._changed()

    def crashed(self, page: Hashable) -> None:
        """The process of a page ended; counts once until ``revived``."""
        if page not in self._crashed:
            _remember(self._crashed, page, None)
            self._crashes += 1
            self._changed()

    def revived(self, page: Hashable) -> None:
        """A page loads something."""
        self._crashed.pop(page, None)

    def wrote(self, level: ConsoleLevel, at: float, text: str, source: str) -> None:
        """A console message; ``at`` is its time according to Chromium."""
        if self._is_new((at, hash(text))):
            self._console[level] += 1
            self._add_line(level, text, source)

    def opened_dialog(
        self, page: Hashable, dialog: OpenDialog, reporter: Reporter, ask: Ask
    ) -> None:
        """A script has opened a dialog, which stops its page. It is a line of the console that
        counts nowhere, once for all sessions.
        """
        if self.dialogs.opened(page, dialog, reporter, ask):
            self._add_line(ConsoleLevel.WARNING, f"dialog {dialog.kind}: {dialog.text}", "")

    # within

    def _add_line(self, level: ConsoleLevel, text: str, source: str) -> None:
        now = int(time.time() * 1000)
        line = ConsoleLine(now, level, text[:MAX_READ_TEXT], source[:MAX_READ_TEXT])
        self._lines.append(line)
        if self.keeper is not None:
            self.keeper.wrote(line)
        self._changed()

    def _is_new(self, key: Hashable) -> bool:
        if key in self._once:
            return False
        _remember(self._once, key, None)
        return True

    def _receive(self, kind: str, size: float) -> None:
        self._received[kind] = min(self._received[kind] + _size(size), _MAX_SUM)

    def _changed(self) -> None:
        if self._timer is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(EVERY_SECONDS, self.flush)


class EventReader:
    """The messages of one connection."""

    def __init__(self, recorder: Recorder, number: int, instance: int, page: str) -> None:
        self._recorder = recorder
        self._number = number
        self._instance = instance
        self._own_page = page
        self._pages: OrderedDict[str, str] = OrderedDict()  # by session
        self._ask: Ask | None = None

    def connected(self, ask: Ask) -> None:
        """``ask`` sends commands on this connection, whose answers the client does not get."""
        self._ask = ask

    def ended(self) -> None:
        """The connection has ended."""
        self._ask = None
        self._recorder.dialogs.forget(self._number)

    def target_of(self, session: str) -> str:
        """The id of the page that a session of the client is attached to; "" if not known."""
        return self._pages.get(session, "") if session else self._own_page

    def __call__(self, message: bytes) -> bool:
        if message.startswith(_START):
            name_at = len(_START)
            end = message.find(b'"', name_at, name_at + _LONGEST + 1)
            found = _EVENTS.get(message[name_at:end])
            if found is not None:
                decode, read = found
                try:
                    event = decode(message)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    return True  # not what Chromium writes, or text that is not valid
                read(self, event.params, event.session_id)
        return True

    def _key(self, request: str) -> Hashable:
        return self._instance, request[:_MAX_ID]

    def _page(self, session: str) -> Hashable:
        return self._instance, self.target_of(session) or self._reporter(session)

    def _reporter(self, session: str) -> Reporter:
        return self._number, session[:_MAX_ID]

    def _sent(self, sent: _RequestSent, session: str) -> None:
        recorder, key, reporter = (
            self._recorder,
            self._key(sent.request_id),
            self._reporter(session),
        )
        if sent.type == "Document":
            recorder.revived(self._page(session))
        if recorder.knows(key):
            redirect = sent.redirect_response
            if redirect is None or not recorder.redirected(key, reporter, redirect):
                return
            self._log_answer(sent.request_id, redirect, sent.timestamp)
            self._log_end(sent.request_id, redirect.encoded_data_length, sent.timestamp)
        recorder.request(key, reporter, sent.type, sent.request.url)
        is_logged = recorder.knows(key) and not recorder.is_blocked(key)
        if recorder.keeper is not None and is_logged:
            recorder.keeper.requests.sent(
                self._log_key(sent.request_id),
                method=sent.request.method,
                url=sent.request.url,
                kind=sent.type,
                started=sent.wall_time,
                at=sent.timestamp,
                headers=bytes(sent.request.headers),
            )

    def _answered(self, answer: _Answered, _session: str) -> None:
        key = self._key(answer.request_id)
        self._recorder.answered(key, answer.response.status)
        if answer.response.from_disk_cache:
            self._recorder.came_from_cache(key)
        self._log_answer(answer.request_id, answer.response, answer.timestamp)
        keeper = self._recorder.keeper
        if keeper is not None and answer.type == "Document" and answer.response.status >= _ERROR:
            keeper.document_failed(answer.request_id[:_MAX_ID])

    def _from_cache(self, request: _RequestNamed, _session: str) -> None:
        self._recorder.came_from_cache(self._key(request.request_id))

    def _finished(self, end: _Ended, _session: str) -> None:
        self._recorder.ended(self._key(end.request_id), end.encoded_data_length, failed=False)
        self._log_end(end.request_id, end.encoded_data_length, end.timestamp)

    def _failed(self, end: _Ended, _session: str) -> None:
        self._recorder.ended(self._key(end.request_id), 0, failed=True)
        self._log_end(end.request_id, 0, end.timestamp, end.error_text or "failed")

    def _log_key(self, request: str) -> Hashable:
        """The key of a request in the log of all browsers of the attempt."""
        return self._recorder.generation, self._instance, request[:_MAX_ID]

    def _log_answer(self, request: str, response: _Response, at: float) -> None:
        if self._recorder.keeper is not None:
            self._recorder.keeper.requests.answered(
                self._log_key(request),
                status=response.status,
                text=response.status_text,
                protocol=response.protocol,
                media_type=response.mime_type,
                at=at,
                headers=bytes(response.headers),
            )

    def _log_end(self, request: str, size: float, at: float, failure: str = "") -> None:
        if self._recorder.keeper is not None:
            self._recorder.keeper.requests.ended(
                self._log_key(request), size=_size(size), at=at, failure=failure
            )

    def _socket(self, created: _SocketCreated, session: str) -> None:
        key = self._key(created.request_id)
        if not self._recorder.knows(key):
            self._recorder.request(key, self._reporter(session), "websocket", created.url)

    def _socket_closed(self, end: _Ended, _session: str) -> None:
        self._recorder.ended(self._key(end.request_id), 0, failed=True)

    def _navigated(self, navigated: _Navigated, session: str) -> None:
        frame = navigated.frame
        if not frame.parent_id:
            self._recorder.revived(self._page(session))
            self._dialog_over(session)
            if page := self.target_of(session):
                self._recorder.shows(self._instance, page, frame.loader_id[:_MAX_ID])
            self._recorder.opened((self._instance, frame.loader_id[:_MAX_ID]), frame.url)
            self._keep_page(session, frame)

    def _keep_page(self, session: str, frame: _Frame) -> None:
        recorder, target = self._recorder, self.target_of(session)
        if recorder.keeper is not None and is_remote(frame.url):
            place = PagePlace(recorder.generation, self._instance, target)
            recorder.keeper.navigated(place, frame.loader_id[:_MAX_ID])

    def _attached(self, attached: _Attached, _session: str) -> None:
        session, page = attached.session_id, attached.target_info.target_id
        if is_session(session) and len(page) <= _MAX_ID:
            _remember(self._pages, session, page, _MAX_SESSIONS)
            self._recorder.order(self._instance, page)

    def _detached(self, detached: _Detached, _session: str) -> None:
        session = detached.session_id
        self._recorder.dialogs.left(self._page(session), self._reporter(session))
        self._pages.pop(session, None)

    def _page_crashed(self, _event: _Nothing, session: str) -> None:
        self._recorder.crashed(self._page(session))
        self._stopped(self.target_of(session), PageGap.CRASHED)

    def _target_crashed(self, target: _TargetNamed, _session: str) -> None:
        page = target.target_id[:_MAX_ID]
        self._recorder.crashed((self._instance, page))
        self._stopped(page, PageGap.CRASHED)

    def _stopped(self, target: str, state: PageGap | None) -> None:
        recorder = self._recorder
        if recorder.keeper is not None:
            recorder.keeper.stopped(PagePlace(recorder.generation, self._instance, target), state)

    def _downloads(self, download: _Download, _session: str) -> None:
        canceled = download.state == "canceled"
        if canceled or not download.state:  # not its progress
            self._recorder.downloads(canceled=canceled)

    def _dialog_opened(self, opening: _DialogOpening, session: str) -> None:
        self._stopped(self.target_of(session), PageGap.DIALOG)
        if self._ask is None:
            return
        dialog = OpenDialog(
            opening.type[:_MAX_ID], opening.message[:MAX_TEXT], opening.default_prompt[:MAX_TEXT]
        )
        page, reporter = self._page(session), self._reporter(session)
        self._recorder.opened_dialog(page, dialog, reporter, self._ask)

    def _dialog_closed(self, _event: _Nothing, session: str) -> None:
        self._dialog_over(session)

    def _dialog_over(self, session: str) -> None:
        self._stopped(self.target_of(session), None)
        self._recorder.dialogs.closed(self._page(session))

    def _called(self, called: _Called, _session: str) -> None:
        level = _LEVELS.get(called.type, ConsoleLevel.INFO)
        text = " ".join(_text_of(argument) for argument in called.args[:_MAX_ARGUMENTS])
        frames = called.stack_trace.call_frames if called.stack_trace else []
        source = _place(frames[0].url, frames[0].line_number) if frames else ""
        self._recorder.wrote(level, called.timestamp, text, source)

    def _thrown(self, thrown: _ExceptionThrown, _session: str) -> None:
        details = thrown.exception_details
        text = (details.exception and _text_of(details.exception)) or details.text
        source = _place(details.url, details.line_number)
        self._recorder.wrote(ConsoleLevel.ERROR, thrown.timestamp, text, source)

    def _logged(self, added: _EntryAdded, _session: str) -> None:
        entry = added.entry
        request = entry.network_request_id
        if request and self._recorder.is_blocked(self._key(request)):
            return  # that it was blocked is what the run asked for
        level = _LEVELS.get(entry.level, ConsoleLevel.INFO)
        source = _place(entry.url, entry.line_number)
        self._recorder.wrote(level, entry.timestamp, entry.text, source)


_START = b'{"method":"'
_Read = Callable[[EventReader, Any, str], None]


def _event(params: type[Any], read: _Read) -> tuple[Callable[[bytes], Any], _Read]:
    return msgspec.json.Decoder(_Message[params]).decode, read  # type: ignore[valid-type]


_EVENTS = {
    b"Browser.downloadProgress": _event(_Download, EventReader._downloads),
    b"Browser.downloadWillBegin": _event(_Download, EventReader._downloads),
    b"Page.downloadProgress": _event(_Download, EventReader._downloads),
    b"Page.downloadWillBegin": _event(_Download, EventReader._downloads),
    b"Network.requestWillBeSent": _event(_RequestSent, EventReader._sent),
    b"Network.responseReceived": _event(_Answered, EventReader._answered),
    b"Network.requestServedFromCache": _event(_RequestNamed, EventReader._from_cache),
    b"Network.loadingFinished": _event(_Ended, EventReader._finished),
    b"Network.loadingFailed": _event(_Ended, EventReader._failed),
    b"Network.webSocketCreated": _event(_SocketCreated, EventReader._socket),
    b"Network.webSocketHandshakeResponseReceived": _event(_Answered, EventReader._answered),
    b"Network.webSocketClosed": _event(_Ended, EventReader._socket_closed),
    b"Page.javascriptDialogOpening": _event(_DialogOpening, EventReader._dialog_opened),
    b"Page.javascriptDialogClosed": _event(_Nothing, EventReader._dialog_closed),
    b"Page.frameNavigated": _event(_Navigated, EventReader._navigated),
    b"Target.attachedToTarget": _event(_Attached, EventReader._attached),
    b"Target.detachedFromTarget": _event(_Detached, EventReader._detached),
    b"Target.targetCrashed": _event(_TargetNamed, EventReader._target_crashed),
    b"Inspector.targetCrashed": _event(_Nothing, EventReader._page_crashed),
    b"Runtime.consoleAPICalled": _event(_Called, EventReader._called),
    b"Runtime.exceptionThrown": _event(_ExceptionThrown, EventReader._thrown),
    b"Log.entryAdded": _event(_EntryAdded, EventReader._logged),
}
_LONGEST = max(map(len, _EVENTS))
SHORTEST = len(_START) + min(map(len, _EVENTS))  # of the messages that are looked into


def _remember(memory: OrderedDict[Any, Any], key: Any, value: Any, most: int = _MAX_KNOWN) -> None:
    """Set a key, and forget the oldest one of too many."""
    memory[key] = value
    if len(memory) > most:
        memory.popitem(last=False)


def _type_of(name: str) -> str:
    name = name.lower()
    return name if name in _TYPES else _OTHER


def is_remote(url: str) -> bool:
    """Whether a URL is one of the network."""
    return url[:6].lower().startswith(_REMOTE)


def _class_of(status: int) -> str:
    name = f"{status // 100}xx"
    return name if name in _STATUS_CLASSES else StatusClass.FAILED


_STATUS_CLASSES = frozenset(StatusClass)


def _size(number: float) -> int:
    return int(number) if 0 < number < 2**50 else 0


def _text_of(argument: _Argument) -> str:
    """An argument of a console message as the console of a browser shows it."""
    if isinstance(argument.value, str):
        return argument.value[:MAX_READ_TEXT]
    if argument.value is not None:
        return msgspec.json.encode(argument.value).decode()[:MAX_READ_TEXT]
    if argument.preview is not None and argument.subtype in ("", "array"):
        return _preview_of(argument, argument.preview)[:MAX_READ_TEXT]
    return (argument.description or argument.type)[:MAX_READ_TEXT]


def _preview_of(argument: _Argument, preview: _Preview) -> str:
    """The first properties of an object, with its class unless that says nothing."""
    is_array = argument.subtype == "array"
    values = (
        msgspec.json.encode(one.value).decode() if one.type == "string" else one.value or one.type
        for one in preview.properties[:_MAX_PROPERTIES]
    )
    texts = [
        value if is_array else f"{one.name}: {value}"
        for one, value in zip(preview.properties, values, strict=False)
    ]
    if preview.overflow:
        texts.append("…")
    inside = ", ".join(texts)
    if is_array:
        return f"[{inside}]"
    named = argument.description if argument.description != "Object" else ""
    return f"{named} {{{inside}}}".strip()


def _place(url: str, line: int) -> str:
    """A source; lines of Chromium count from 0."""
    return f"{url}:{line + 1}" if url and 0 <= line < 2**31 else url


def _newest(items: deque[T], size: int) -> tuple[T, ...]:
    """The last items that need at most ``size`` bytes in a report."""
    kept: list[T] = []
    for item in reversed(items):
        size -= len(msgspec.json.encode(item))
        if size < 0:
            break
        kept.append(item)
    return tuple(reversed(kept))
