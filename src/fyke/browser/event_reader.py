"""Reads the events that Chromium sends to one client, for the recorder.

Chromium writes ``method`` first in an event. Events of other methods, and those of more than
``websocket.MAX_READ`` bytes, are not parsed. All values are those of a process that may be hostile:
numbers only count, texts are cut, and what is remembered is limited.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import msgspec

from fyke.browser.console_text import Argument, place, text_of
from fyke.browser.dialogs import MAX_TEXT, Ask, OpenDialog, Reporter
from fyke.browser.page_keeper import PagePlace
from fyke.browser.recorder import MAX_ID, OTHER, Recorder, is_remote, remember, size_of
from fyke.browser.session import is_session
from fyke.model.browser import ConsoleLevel
from fyke.model.last_page import PageGap

_MAX_SESSIONS = 256
_MAX_ARGUMENTS = 10  # of a console message
_ERROR = 400  # the first status of an error
_LEVELS = {
    "error": ConsoleLevel.ERROR,
    "assert": ConsoleLevel.ERROR,
    "warning": ConsoleLevel.WARNING,
    "debug": ConsoleLevel.DEBUG,
    "verbose": ConsoleLevel.DEBUG,
}

P = TypeVar("P")


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
    type: str = OTHER
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


class _CallFrame(msgspec.Struct, rename="camel"):
    url: str = ""
    line_number: int = -1


class _Stack(msgspec.Struct, rename="camel"):
    call_frames: list[_CallFrame] = []


class _Called(msgspec.Struct, rename="camel"):
    type: str = ""
    args: list[Argument] = []
    timestamp: float = 0
    stack_trace: _Stack | None = None


class _Thrown(msgspec.Struct, rename="camel"):
    text: str = ""
    url: str = ""
    line_number: int = -1
    exception: Argument | None = None


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


class EventReader:
    """Looks at the messages of a Chromium to a new client, and lets all pass. ``page`` is the id of
    the page that the client is connected to, or empty.
    """

    def __init__(self, recorder: Recorder, instance: int, page: str) -> None:
        self._recorder = recorder
        self._number = recorder.reader_number()
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
        return self._instance, request[:MAX_ID]

    def _page(self, session: str) -> Hashable:
        return self._instance, self.target_of(session) or self._reporter(session)

    def _reporter(self, session: str) -> Reporter:
        return self._number, session[:MAX_ID]

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
            if redirect is None or not recorder.redirected(
                key, reporter, redirect.status, redirect.encoded_data_length
            ):
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
        if answer.response.from_disk_cache:
            self._recorder.came_from_cache(key)
        self._recorder.answered(key, answer.response.status)
        self._log_answer(answer.request_id, answer.response, answer.timestamp)
        keeper = self._recorder.keeper
        if keeper is not None and answer.type == "Document" and answer.response.status >= _ERROR:
            keeper.document_failed(answer.request_id[:MAX_ID])

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
        return self._recorder.generation, self._instance, request[:MAX_ID]

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
                self._log_key(request), size=size_of(size), at=at, failure=failure
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
                self._recorder.shows(self._instance, page, frame.loader_id[:MAX_ID])
            self._recorder.opened((self._instance, frame.loader_id[:MAX_ID]), frame.url)
            self._keep_page(session, frame)

    def _keep_page(self, session: str, frame: _Frame) -> None:
        recorder, target = self._recorder, self.target_of(session)
        if recorder.keeper is not None and is_remote(frame.url):
            kept = PagePlace(recorder.generation, self._instance, target)
            recorder.keeper.navigated(kept, frame.loader_id[:MAX_ID])

    def _attached(self, attached: _Attached, _session: str) -> None:
        session, page = attached.session_id, attached.target_info.target_id
        if is_session(session) and len(page) <= MAX_ID:
            remember(self._pages, session, page, _MAX_SESSIONS)
            self._recorder.order(self._instance, page)

    def _detached(self, detached: _Detached, _session: str) -> None:
        session = detached.session_id
        self._recorder.dialogs.left(self._page(session), self._reporter(session))
        self._pages.pop(session, None)

    def _page_crashed(self, _event: _Nothing, session: str) -> None:
        self._recorder.crashed(self._page(session))
        self._stopped(self.target_of(session), PageGap.CRASHED)

    def _target_crashed(self, target: _TargetNamed, _session: str) -> None:
        page = target.target_id[:MAX_ID]
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
            opening.type[:MAX_ID], opening.message[:MAX_TEXT], opening.default_prompt[:MAX_TEXT]
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
        text = " ".join(text_of(argument) for argument in called.args[:_MAX_ARGUMENTS])
        frames = called.stack_trace.call_frames if called.stack_trace else []
        source = place(frames[0].url, frames[0].line_number) if frames else ""
        self._recorder.wrote(level, called.timestamp, text, source)

    def _thrown(self, thrown: _ExceptionThrown, _session: str) -> None:
        details = thrown.exception_details
        text = (details.exception and text_of(details.exception)) or details.text
        source = place(details.url, details.line_number)
        self._recorder.wrote(ConsoleLevel.ERROR, thrown.timestamp, text, source)

    def _logged(self, added: _EntryAdded, _session: str) -> None:
        entry = added.entry
        request = entry.network_request_id
        if request and self._recorder.is_blocked(self._key(request)):
            return  # that it was blocked is what the run asked for
        level = _LEVELS.get(entry.level, ConsoleLevel.INFO)
        source = place(entry.url, entry.line_number)
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
