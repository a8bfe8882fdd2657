"""The client of the DevTools protocol: with a server that sends what it is told to, and with a real
browser.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from devtools import (
    BrowserEnded,
    BrowserError,
    Download,
    NoBrowser,
    PageCrashed,
    Tab,
    TooSlow,
    _explained,
    _refusal,
    _WebSocket,
)

from fyke.egress.actions import Credentials, ProxyRefusal
from fyke.egress.http import HttpHandshake
from support.browser_site import BrowserSite, site_in_thread
from support.devtools_browser import devtools_browser

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
SECONDS = 20.0


def soon() -> float:
    return time.monotonic() + SECONDS


@contextmanager
def serving(*pieces: bytes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """A server for one connection, which sends ``pieces`` after the head of the request. Yields its
    place, and a function that ends it and returns what it has received.
    """
    received = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                while b"\r\n\r\n" not in received:
                    received.extend(connection.recv(65536))
                for piece in pieces:
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                while data := connection.recv(65536):
                    received.extend(data)

        def finish() -> bytes:
            thread.join(SECONDS)
            return bytes(received)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", finish


def frame(payload: bytes, kind: int = 1, last: bool = True) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes((size,))
    else:
        length = b"\x7e" + size.to_bytes(2) if size < 65536 else b"\x7f" + size.to_bytes(8)
    return bytes(((0x80 if last else 0) | kind,)) + length + payload


def test_credentials_and_path_are_those_of_the_address() -> None:
    with serving(SWITCHING) as (place, finish):
        _WebSocket(f"ws://A1:se%3Acret@{place}/devtools?x=1").close()
        lines = finish().decode().split("\r\n")
    assert lines[0] == "GET /devtools?x=1 HTTP/1.1"
    word = base64.b64encode(b"A1:se:cret").decode()
    assert {f"Host: {place}", f"Authorization: Basic {word}"} <= set(lines)


def test_messages_of_every_size_arrive() -> None:
    sizes = (0, 1, 125, 126, 65535, 65536, 300_000)
    with serving(SWITCHING, *(frame(b"x" * size) for size in sizes)) as (place, _):
        connection = _WebSocket(f"ws://{place}")
        assert [len(connection.receive(soon())) for _ in sizes] == list(sizes)
        with pytest.raises(BrowserEnded):
            connection.receive(soon())
        connection.close()


def test_messages_of_several_frames_are_joined_and_pings_answered() -> None:
    message = "gr\u00f6\u00dfer".encode()
    parts = frame(message[:3], last=False) + frame(b"?", 9) + frame(message[3:], 0)
    single_bytes = [bytes((byte,)) for byte in SWITCHING + parts + frame(b"", 8)]
    with serving(*single_bytes) as (place, finish):
        connection = _WebSocket(f"ws://{place}/")
        assert connection.receive(soon()) == "gr\u00f6\u00dfer"
        with pytest.raises(BrowserEnded):
            connection.receive(soon())
        connection.close()
        assert finish().endswith(b"\x8a\x81\0\0\0\0?")


@pytest.mark.parametrize("size", [10, 125, 126, 65535, 65536])
def test_what_is_sent_is_a_masked_frame(size: int) -> None:
    with serving(SWITCHING) as (place, finish):
        connection = _WebSocket(f"ws://{place}/")
        connection.send("x" * size)
        connection.close()
        sent = finish().partition(b"\r\n\r\n")[2]
    plain = frame(b"x" * size)
    head = len(plain) - size
    assert sent == plain[:1] + bytes((plain[1] | 0x80,)) + plain[2:head] + bytes(4) + plain[head:]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 503 x\r\nContent-Length: 6\r\n\r\nnone h|ere", "none h"),
        (b"HTTP/1.1 503 x\r\ncontent-length: 4\r\n\r|\nbu|sy", "busy"),
        (b"HTTP/1.1 403 x\r\n\r\n", "the browser was refused"),
    ],
)
def test_a_refusal_has_the_reason_of_the_platform(answer: bytes, reason: str) -> None:
    with serving(*answer.split(b"|")) as (place, _), pytest.raises(NoBrowser) as caught:
        _WebSocket(f"ws://{place}/")
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "BROWSER_WS is not set"),
        ("http://x/", "not set"),
        ("ws://127.0.0.1:1", "no connection"),
    ],
)
def test_without_a_browser_the_reason_is_named(address: str, reason: str) -> None:
    with pytest.raises(NoBrowser, match=reason):
        Tab(address, SECONDS)


def refused_by_proxy(url: str, refusal: ProxyRefusal) -> dict[str, Any]:
    """An answer of the proxy of attempt A1, as the browser reports it."""
    handshake = HttpHandshake(Credentials("A1", "se:cret", passwordless=True))
    handshake.feed(f"GET {url} HTTP/1.1\r\n\r\n".encode())
    head = handshake.refused(refusal, "why not").partition(b"\r\n\r\n")[0].decode()
    status, *lines = head.split("\r\n")
    fields = [dict(zip(("name", "value"), line.split(": ", 1), strict=True)) for line in lines]
    code = int(status.split()[1])
    return {"request": {"url": url}, "responseStatusCode": code, "responseHeaders": fields}


@pytest.mark.parametrize("url", ["http://10.0.0.1/x?y", "http://a.test:8080/", "http://[::1]/"])
def test_an_answer_of_the_proxy_is_known(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("PROXY_AUTH", "A1:se:cret")
    refused = _refusal(refused_by_proxy(url, ProxyRefusal.FORBIDDEN))
    assert refused is not None
    assert (str(refused), refused.by_rule) == ("refused by the platform: why not", True)
    for refusal in (ProxyRefusal.UNRESOLVABLE, ProxyRefusal.TIMED_OUT, ProxyRefusal.THROTTLED):
        refused = _refusal(refused_by_proxy(url, refusal))
        assert refused is not None
        assert (str(refused), refused.by_rule) == ("no connection: why not", False)


def test_an_answer_of_a_site_is_not_that_of_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    event = refused_by_proxy("http://a.test/", ProxyRefusal.FORBIDDEN)
    for password in ("", "A1", "A1:", "A1:other"):
        monkeypatch.setenv("PROXY_AUTH", password)
        assert _refusal(event) is None
    monkeypatch.setenv("PROXY_AUTH", "A1:se:cret")
    assert _refusal({**event, "request": {"url": "http://b.test/"}}) is None  # sent by b.test
    assert _refusal(event) is not None
    assert _refusal({**event, "responseStatusCode": 502}) is None  # got by a page, sent by its site
    for field in event["responseHeaders"]:
        field["value"] = field["value"].replace("why not", "another text")
    assert _refusal(event) is None
    assert (
        _refusal({**event, "responseHeaders": [{"name": "fyke-refusal", "value": "\xe9"}]}) is None
    )
    assert _refusal({"request": event["request"], "responseErrorReason": "Failed"}) is None


def test_an_error_of_a_tunnel_says_what_it_may_be() -> None:
    assert _explained("net::ERR_TUNNEL_CONNECTION_FAILED").startswith("refused by the platform, or")
    assert _explained("net::ERR_ABORTED") == "net::ERR_ABORTED"


def test_a_message_that_is_too_large_is_refused() -> None:
    with serving(SWITCHING, b"\x81\x7f" + (1 << 40).to_bytes(8)) as (place, _):
        connection = _WebSocket(f"ws://{place}/")
        with pytest.raises(BrowserError, match="more than"):
            connection.receive(soon())
        connection.close()


# --- with a browser -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> Iterator[str]:
    with devtools_browser() as address:
        yield address


@pytest.fixture
def site() -> Iterator[BrowserSite]:
    with site_in_thread() as running:
        yield running


def pages(tab: Tab) -> list[dict[str, Any]]:
    """All open pages of the browser but that of ``tab``."""
    targets = tab.ask("Target.getTargets")["targetInfos"]
    return [t for t in targets if t["type"] == "page" and t["targetId"] != tab.frame]


def wait_for_pages(tab: Tab, expected: list[dict[str, Any]]) -> None:
    """The browser closes pages after its answer."""
    until = soon()
    while pages(tab) != expected:
        assert time.monotonic() < until


def url_of(site: BrowserSite, path: str) -> str:
    return f"http://127.0.0.1:{site.port}{path}"


def paths(site: BrowserSite) -> list[str]:
    return [line.split(" ")[1] for line in site.requests]


@pytest.mark.needs("chromium")
def test_a_page_is_loaded_with_its_scripts(chromium: str, site: BrowserSite) -> None:
    with Tab(chromium, SECONDS) as tab:
        tab.open(url_of(site, "/items"))
        assert tab.wait(lambda: {"load", "networkIdle"} <= tab.reached)
        assert tab.evaluate("document.title") == "3 items"
        assert tab.evaluate("Promise.resolve({a: [1, null]})") == {"a": [1, None]}
        text = "x" * 300_000
        assert tab.evaluate(f"'{text}'") == text
        with pytest.raises(BrowserError, match="a script failed"):
            tab.evaluate("missing.name")
        with pytest.raises(BrowserError, match=r"Page\.unknown"):
            tab.ask("Page.unknown")


@pytest.mark.needs("chromium")
def test_reached_belongs_to_the_newest_page(chromium: str, site: BrowserSite) -> None:
    with Tab(chromium, SECONDS) as tab:
        assert not tab.wait(lambda: tab.reached, 0.1)  # nothing of about:blank
        tab.open(url_of(site, "/items"))
        assert tab.wait(lambda: "load" in tab.reached)
        tab.open(url_of(site, "/frames"))
        assert tab.wait(lambda: "load" in tab.reached)
        assert tab.evaluate("document.title") == "Frames"


@pytest.mark.needs("chromium")
def test_questions_are_cancelled_and_opened_pages_closed(chromium: str, site: BrowserSite) -> None:
    with Tab(chromium, SECONDS) as watching:
        before = pages(watching)
        with Tab(chromium, SECONDS) as tab:
            tab.open(url_of(site, "/dialog"))
            assert tab.wait(lambda: "load" in tab.reached)
            assert tab.evaluate("document.title") == "false"
        with Tab(chromium, SECONDS) as tab:
            tab.open(url_of(site, "/popup"))
            assert tab.wait(lambda: "/items" in paths(site), SECONDS)
            assert len(pages(watching)) == len(before) + 2
        wait_for_pages(watching, before)


@pytest.mark.needs("chromium")
@pytest.mark.parametrize("path", ["/busy", "/alerts"])
def test_a_page_that_never_ends_costs_only_its_time(
    chromium: str, site: BrowserSite, path: str
) -> None:
    with Tab(chromium, SECONDS) as watching:
        before = pages(watching)
        with Tab(chromium, SECONDS) as tab:
            tab.open(url_of(site, path))
            tab._until = time.monotonic() + 0.5
            assert not tab.wait(lambda: "load" in tab.reached)
            with tab.extended(0.5), pytest.raises(TooSlow):
                tab.evaluate("document.title")
        wait_for_pages(watching, before)
    test_a_page_is_loaded_with_its_scripts(chromium, site)


@pytest.mark.needs("chromium")
@pytest.mark.parametrize(
    "path",
    # on a busy machine an endless series of alerts sometimes looks like a page that rests
    ["/busy", pytest.param("/alerts", marks=pytest.mark.long)],
)
def test_scripts_that_do_not_end_can_be_stopped(
    chromium: str, site: BrowserSite, path: str
) -> None:
    with Tab(chromium, SECONDS) as tab:
        tab.open(url_of(site, path))
        while not tab.stop_busy_scripts(0.2):
            pass  # it has not begun
        assert tab.evaluate("1 + 1") == 2
        assert tab.wait(lambda: "load" in tab.reached)


@pytest.mark.needs("chromium")
def test_a_script_that_goes_on_is_stopped_again(
    chromium: str, site: BrowserSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Tab(chromium, SECONDS) as tab:
        send, ended = tab.send, list[str]()

        def without_the_first(method: str, **parameters: object) -> None:
            if method == "Runtime.terminateExecution":
                ended.append(method)
            if len(ended) != 1:
                send(method, **parameters)

        monkeypatch.setattr(tab, "send", without_the_first)
        tab.open(url_of(site, "/busy"))
        while not tab.stop_busy_scripts(0.2):
            pass  # it has not begun
        assert len(ended) > 1
        assert tab.evaluate("1 + 1") == 2


@pytest.mark.needs("chromium")
def test_a_page_is_read_beside_its_scripts(chromium: str, site: BrowserSite) -> None:
    with Tab(chromium, SECONDS) as tab:
        tab.open(url_of(site, "/items"))
        assert tab.wait(lambda: {"load", "networkIdle"} <= tab.reached)
        tab.evaluate("Object.defineProperty(document, 'title', {get() { throw 5 }}), 0")
        assert tab.read("document.title") == "3 items"
        with pytest.raises(BrowserError, match="a script failed"):
            tab.read("missing.name")


@pytest.mark.needs("chromium")
def test_requests_of_pages_are_reported(chromium: str, site: BrowserSite) -> None:
    seen: list[int] = []
    with Tab(chromium, SECONDS) as tab:
        tab.on["Network.responseReceived"] = lambda event: seen.append(event["response"]["status"])
        tab.open(url_of(site, "/items"))
        assert tab.wait(lambda: {"load", "networkIdle"} <= tab.reached)
    assert set(seen) == {200}


@pytest.mark.needs("chromium")
def test_errors_of_the_network_have_their_name(chromium: str, site: BrowserSite) -> None:
    with Tab(chromium, SECONDS) as tab:
        with pytest.raises(BrowserError, match="net::ERR_TOO_MANY_REDIRECTS"):
            tab.open(url_of(site, "/redirects"))
        with pytest.raises(Download, match="downloads are refused"):
            tab.open(url_of(site, "/download"))


@pytest.mark.needs("chromium")
def test_a_crash_of_the_page_is_an_end(chromium: str, site: BrowserSite) -> None:
    with Tab(chromium, SECONDS) as tab:
        tab.open(url_of(site, "/items"))
        tab.send("Page.crash")
        with pytest.raises(PageCrashed, match="the page has crashed"):
            tab.wait(lambda: False)
    with Tab(chromium, SECONDS) as tab:
        assert tab.evaluate("1 + 1") == 2


@pytest.mark.needs("chromium")
def test_requests_of_the_page_itself_can_be_refused(chromium: str, site: BrowserSite) -> None:
    seen: list[str] = []

    def on_request(url: str) -> bool:
        seen.append(url.removeprefix(url_of(site, "")))
        return True

    def on_response(event: dict[str, Any]) -> bool:
        seen.append(json.dumps(event["responseStatusCode"]))
        return bool(event["responseStatusCode"] == 200)

    with Tab(chromium, SECONDS) as tab:
        tab.intercept(on_request, on_response, ["XHR"])
        tab.open(url_of(site, "/frames"))
        assert tab.wait(lambda: "load" in tab.reached)
        assert seen == ["/frames", "200"]  # and not the page in its frame
        assert paths(site) == ["/frames", "/items"]  # and not the data that a script fetches
        with pytest.raises(BrowserError, match="net::ERR_ABORTED"):
            tab.open(url_of(site, "/many"))
        assert seen[2:] == ["/many", "429"]
        assert tab.evaluate("document.title") == "Frames"
