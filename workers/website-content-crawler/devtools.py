"""Opens pages in the browser of this attempt, by the DevTools protocol.

    with Tab(os.environ["BROWSER_WS"], seconds=30) as tab:
        tab.open("https://example.com/")
        tab.wait(lambda: "load" in tab.reached)
        title = tab.evaluate("document.title")

The first tab starts the browser. Every tab has a connection of its own and is used by one thread.
Only the standard library is needed.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

CONNECT_SECONDS = 90.0  # a busy platform takes up to 60 to start a browser or to refuse it
CLOSE_SECONDS = 5.0
MAX_MESSAGE = 128 * 1024 * 1024  # bytes
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_EVENT = '{"method":"'  # how the browser begins one


class BrowserError(Exception):
    """The browser did not do what was asked; the text is the reason."""


class NoBrowser(BrowserError):
    """This attempt gets no browser."""


class BrowserEnded(BrowserError):
    """The browser has crashed or was closed."""


class PageCrashed(BrowserEnded):
    """The process of the page has ended, as it does when it needs too much memory."""


class Download(BrowserError):
    """The address is that of a file, which the browser does not show but download."""


class Refused(BrowserError):
    """The proxy of the platform has answered, and not the site. ``by_rule``: it would not reach the
    address at another time either.
    """

    def __init__(self, text: str, *, by_rule: bool) -> None:
        super().__init__(text)
        self.by_rule = by_rule


class ScriptFailed(BrowserError):
    """An expression raised an error in the page."""


class TooSlow(BrowserError):
    """The time of the tab is over."""


class _WebSocket:
    """Text messages to and from a ``ws://`` address."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme != "ws" or not parts.hostname:
            raise NoBrowser("BROWSER_WS is not set, so there is no browser here")
        until = time.monotonic() + CONNECT_SECONDS
        self._buffer = bytearray()
        self._message = bytearray()
        try:
            place = (parts.hostname, parts.port or 80)
            self._socket = socket.create_connection(place, CONNECT_SECONDS)
        except OSError as error:
            raise NoBrowser(f"no connection to the browser: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._upgrade(parts, until)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def send(self, text: str) -> None:
        self._send(_TEXT, text.encode())

    def receive(self, until: float) -> str:
        """The next message. Raise ``TooSlow`` after ``until``; a later call continues."""
        while True:
            kind, is_last, payload = self._frame(until)
            if kind == _PING:
                self._send(_PONG, payload)
            elif kind == _CLOSE:
                raise BrowserEnded("the browser has ended")
            elif kind < _CLOSE:
                self._message += payload
                if len(self._message) > MAX_MESSAGE:
                    raise BrowserError(f"the browser sent more than {MAX_MESSAGE:,} bytes at once")
                if is_last:
                    text, self._message = self._message.decode("utf-8", "replace"), bytearray()
                    return text

    def _upgrade(self, parts: Any, until: float) -> None:
        host = parts.netloc.rpartition("@")[2]
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket"]
        lines += ["Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"]
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            lines += [f"Authorization: Basic {base64.b64encode(login.encode()).decode()}"]
        self._write(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self._buffer:
            self._fill(until)
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if head.split(b" ")[1:2] != [b"101"]:
            raise NoBrowser(self._refusal(head, rest, until))
        self._buffer = bytearray(rest)

    def _refusal(self, head: bytes, rest: bytes, until: float) -> str:
        """The text of an answer that is no WebSocket."""
        size = 0
        for line in head.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            if name.lower() == "content-length" and value.strip().isdigit():
                size = min(int(value), 4096)
        self._buffer = bytearray(rest)
        while len(self._buffer) < size:
            self._fill(until)
        return self._buffer[:size].decode("utf-8", "replace").strip() or "the browser was refused"

    def _frame(self, until: float) -> tuple[int, bool, bytes]:
        """Kind, whether the message ends, and payload. Nothing is lost if it raises."""
        buffer = self._buffer
        while True:
            at, size = 2, buffer[1] & 0x7F if len(buffer) > 1 else 0
            if size > 125:
                at = 4 if size == 126 else 10
                size = int.from_bytes(buffer[2:at], "big")
            if size > MAX_MESSAGE:
                raise BrowserError(f"the browser sent more than {MAX_MESSAGE:,} bytes at once")
            if len(buffer) >= at + size:
                kind, payload = buffer[0], bytes(buffer[at : at + size])
                del buffer[: at + size]
                return kind & 0x0F, kind & 0x80 != 0, payload
            self._fill(until)

    def _fill(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TooSlow("the time is over")
        try:
            self._socket.settimeout(left)
            data = self._socket.recv(1 << 18)
        except TimeoutError:
            raise TooSlow("the time is over") from None
        except OSError as error:
            raise BrowserEnded(f"the browser has ended: {error}") from error
        if not data:
            raise BrowserEnded("the browser has ended")
        self._buffer += data

    def _send(self, kind: int, payload: bytes) -> None:
        """Send one frame, with a mask of zeros, which leaves the payload as it is."""
        size = len(payload)
        head = bytes((0x80 | kind,))
        if size < 126:
            head += bytes((0x80 | size,))
        else:
            head += b"\xfe" + size.to_bytes(2) if size < 65536 else b"\xff" + size.to_bytes(8)
        self._write(head + bytes(4) + payload)

    def _write(self, data: bytes) -> None:
        try:
            self._socket.settimeout(CLOSE_SECONDS)
            self._socket.sendall(data)
        except OSError as error:
            raise BrowserEnded(f"the browser has ended: {error}") from error


class Tab:
    """A page of the browser. All that is asked of it must be done within ``seconds``.

    ``reached`` has what has happened to the page: DOMContentLoaded, load, networkIdle (no requests
    for half a second) and others. It is emptied when the page goes to another address. ``on`` has
    functions by the names of events; they get the parameters.
    """

    def __init__(self, address: str, seconds: float) -> None:
        self._socket = _WebSocket(address)
        self._until = time.monotonic() + seconds
        self._number = 0
        self._session = ""
        self._expected: set[int] = set()
        self._answers: dict[int, dict[str, Any]] = {}
        self._loaders: list[str] = []  # of the pages so far; the first is about:blank
        self.frame = ""  # the id of the page itself, not of a frame in it
        self.refused: Refused | None = None  # the last page that was, see ``intercept``
        self.reached: set[str] = set()
        self.on: dict[str, Callable[[dict[str, Any]], None]] = {
            "Page.lifecycleEvent": self._note,
            "Page.javascriptDialogOpening": self._answer_dialog,
            "Inspector.targetCrashed": self._crashed,
        }
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def document(self) -> str:
        """The id of the document to which ``reached`` belongs."""
        return self._loaders[-1]

    @contextmanager
    def extended(self, seconds: float) -> Iterator[None]:
        """Allow ``seconds`` beyond the time of the tab for what is done within, however often."""
        until = self._until
        self._until = until + seconds
        try:
            yield
        finally:
            self._until = until

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result. Raise ``BrowserError``."""
        number = self._number + 1
        self._expected.add(number)
        try:
            self.send(method, **parameters)
            while number not in self._answers:
                self._take(self._until)
        finally:
            self._expected.discard(number)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def send(self, method: str, **parameters: Any) -> None:
        """Send a command; its result is ignored."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))

    def open(self, url: str) -> None:
        """Go to an address; return when its page begins to load. Raise ``BrowserError``."""
        self.refused = None
        answer = self.ask("Page.navigate", url=url)
        if answer.get("isDownload"):
            raise Download("the address is a download, and downloads are refused")
        if answer.get("errorText"):
            raise self.refused or BrowserError(_explained(answer["errorText"]))
        self._enter(answer.get("loaderId", self._loaders[-1]))

    def wait(self, condition: Callable[[], object], seconds: float | None = None) -> bool:
        """Wait until ``condition`` is true; return False when it does not in time."""
        until = self._until if seconds is None else time.monotonic() + seconds
        try:
            while not condition():
                self._take(min(until, self._until))
        except TooSlow:
            return False
        return True

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON."""
        return self._evaluate(expression)

    def read(self, expression: str) -> Any:
        """As ``evaluate``, but beside the scripts of the page: what they have redefined, or named
        like a property of ``document``, is read as ``Reflect.get(Document.prototype, name,
        document)``.
        """
        tries = 3  # the page may go to another address meanwhile
        while True:
            try:
                world = self.ask("Page.createIsolatedWorld", frameId=self.frame, worldName="read")
                return self._evaluate(expression, contextId=world["executionContextId"])
            except (BrowserEnded, TooSlow, ScriptFailed):
                raise
            except BrowserError:
                tries -= 1
                if not tries:
                    raise

    def stop_busy_scripts(self, seconds: float) -> bool:
        """Stop the script that runs, and let no other start, if it does not end in time. Return
        whether that was so.
        """
        if self._is_idle(seconds):
            return False
        self.send("Emulation.setScriptExecutionDisabled", value=True)
        self.send("Runtime.terminateExecution")
        while not self._is_idle(seconds):  # what was ended may have been our own script
            self.send("Runtime.terminateExecution")
        return True

    def _is_idle(self, seconds: float) -> bool:
        """Whether a script of ours ends within this time, maybe because it was ended."""
        until = self._until
        self._until = min(until, time.monotonic() + seconds)
        try:
            self.evaluate("1")
        except TooSlow:
            if time.monotonic() >= until:
                raise
            return False
        except BrowserEnded:
            raise
        except BrowserError:
            return True
        finally:
            self._until = until
        return True

    def _evaluate(self, expression: str, **context: Any) -> Any:
        result = self.ask(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            **context,
        )
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            text = details.get("exception", {}).get("description") or details.get("text", "")
            raise ScriptFailed(f"a script failed: {text.partition(chr(10))[0][:500]}")
        return result["result"].get("value")

    def intercept(
        self,
        on_request: Callable[[str], bool],
        on_response: Callable[[dict[str, Any]], bool],
        blocked: Collection[str] = (),
    ) -> None:
        """Ask before the page itself goes to an address, with the address, and when its answer
        arrives, with the event ``Fetch.requestPaused``; False ends the request. Requests of the
        types ``blocked`` are never sent. An answer of the platform's proxy also ends the request,
        and is in ``refused``.
        """

        def paused(event: dict[str, Any]) -> None:
            kind, is_request = event["resourceType"], "responseStatusCode" not in event
            allowed = kind not in blocked
            if kind == "Document" and event["frameId"] == self.frame:
                if is_request and "responseErrorReason" not in event:
                    allowed = on_request(event["request"]["url"])
                elif not is_request:
                    self.refused = _refusal(event)
                    allowed = self.refused is None and on_response(event)
            more = {} if allowed else {"errorReason": "Aborted"}
            method = "Fetch.continueRequest" if allowed else "Fetch.failRequest"
            self.send(method, requestId=event["requestId"], **more)

        self.on["Fetch.requestPaused"] = paused
        patterns = [{"resourceType": kind} for kind in ("Document", *blocked)]
        patterns.append({"resourceType": "Document", "requestStage": "Response"})
        self.ask("Fetch.enable", patterns=patterns)

    def newest_document(self) -> str:
        """The id of the document that the page has now, of which nothing may have been reached."""
        tree = self.ask("Page.getFrameTree")
        return str(tree["frameTree"]["frame"]["loaderId"])

    def close(self) -> None:
        """Close the page, and those that it has opened."""
        self._until = time.monotonic() + CLOSE_SECONDS
        self._session = ""
        try:
            targets = self.ask("Target.getTargets")["targetInfos"]
            opened = {self.frame: None}
            for _ in targets:  # a page that it opened may have opened another one
                opened |= {t["targetId"]: None for t in targets if t.get("openerId") in opened}
            for target in opened:
                self.ask("Target.closeTarget", targetId=target)
        except BrowserError:
            pass  # it has ended, or does not answer
        finally:
            self._socket.close()

    def _attach(self) -> None:
        self.send("Browser.setDownloadBehavior", behavior="deny")
        self.frame = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=self.frame, flatten=True)
        self._session = attached["sessionId"]
        self.send("Page.enable")
        # for the activity in the run; the browser keeps no bodies for it
        self.send("Network.enable", maxTotalBufferSize=0, maxResourceBufferSize=0)
        self._loaders = [self.newest_document()]
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)

    def _take(self, until: float) -> None:
        """Receive one message."""
        text = self._socket.receive(until)
        if (
            text.startswith(_EVENT)
            and text[len(_EVENT) : text.find('"', len(_EVENT))] not in self.on
        ):
            return  # not decoded: a page has several for each of its requests
        message = json.loads(text)
        number = message.get("id")
        if number in self._expected:
            self._answers[number] = message
        handler = self.on.get(message.get("method", ""))
        if handler is not None:
            handler(message["params"])

    def _note(self, event: dict[str, Any]) -> None:
        loader = event["loaderId"]
        if event["frameId"] != self.frame:
            return
        self._enter(loader)
        if loader == self._loaders[-1] and len(self._loaders) > 1:
            self.reached.add(event["name"])

    def _enter(self, loader: str) -> None:
        """Note the newest page, if it is new."""
        if loader not in self._loaders:
            self._loaders.append(loader)
            self.reached.clear()

    def _answer_dialog(self, event: dict[str, Any]) -> None:
        """Cancel alerts and questions, which stop the page; accept that it is left."""
        self.send("Page.handleJavaScriptDialog", accept=event["type"] == "beforeunload")

    def _crashed(self, _: dict[str, Any]) -> None:
        raise PageCrashed("the page has crashed, probably because it needs too much memory")


def _refusal(event: dict[str, Any]) -> Refused | None:
    """What the proxy says if an answer is not of the site. It signs target, status and reason with
    the password of this attempt, which no site knows.
    """
    import hmac

    for header in event.get("responseHeaders", []):
        if header["name"].lower() == "fyke-refusal":
            proof, _, reason = header["value"].partition(" ")
            address = urlsplit(event["request"]["url"])
            target, status = f"{address.hostname}:{address.port or 80}", event["responseStatusCode"]
            signed = f"{target} {status} {reason}".encode()
            password = os.environ.get("PROXY_AUTH", "").partition(":")[2].encode()
            expected = hmac.new(password, signed, "sha256").hexdigest()
            if password and hmac.compare_digest(proof.encode(), expected.encode()):
                by_rule = status == 403
                start = "refused by the platform" if by_rule else "no connection"
                return Refused(f"{start}: {reason}", by_rule=by_rule)
    return None


def _explained(error: str) -> str:
    """An error of the network; the browser does not say what the proxy has answered to https."""
    if error == "net::ERR_TUNNEL_CONNECTION_FAILED":
        return f"refused by the platform, or no connection: see the log ({error})"
    return error
