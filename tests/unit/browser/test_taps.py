"""Commands that the gateway answers itself, and those that it only sees."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.browser.taps import Command, Taps, bidi_taps, decoded, is_file, standard_taps


def read(message: object, closed: list[int] | None = None, *, bidi: bool = False) -> Any:
    """The gateway's answer to a message, None when Chromium gets it."""
    seen = [] if closed is None else closed

    def see() -> None:
        seen.append(1)

    taps = Taps(bidi_taps(see) if bidi else standard_taps(None if closed is None else see))
    raw = message if isinstance(message, bytes) else json.dumps(message).encode()
    found = taps.read(raw)
    return None if found is None else json.loads(found[1].encode(found[0]))


def test_there_is_no_captcha_solver() -> None:
    result = {"status": False, "message": "this Fyke solves no captchas"}
    command = {"id": 7, "method": "Captchas.automaticSolver", "params": {"timeout": 30}}
    assert read(command) == {"id": 7, "result": result}
    assert read(command | {"sessionId": "ABC"}) == {"id": 7, "sessionId": "ABC", "result": result}


@pytest.mark.parametrize(
    "method", ["Page.navigate", "Target.createTarget", "Network.loadNetworkResource"]
)
def test_files_are_refused(method: str) -> None:
    command = {"id": 1, "sessionId": "A", "method": method, "params": {"url": "file:///etc"}}
    assert read(command) == {
        "id": 1,
        "sessionId": "A",
        "error": {"code": -32000, "message": "the browser opens no files"},
    }
    assert read(command | {"params": {"url": "https://example.com/file:"}}) is None
    assert read(command | {"params": {}}) is None
    assert read(command | {"params": {"url": 1}}) is None


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("browsingContext.navigate", {"url": "file:///etc", "context": "A"}),
        ("goog:cdp.sendCommand", {"method": "Page.navigate", "params": {"url": "file:///etc"}}),
        ("cdp.sendCommand", {"method": "Target.createTarget", "params": {"url": "FILE:a"}}),
    ],
)
def test_files_are_refused_in_the_bidirectional_webdriver(
    method: str, params: dict[str, Any]
) -> None:
    assert read({"id": 3, "method": method, "params": params}, bidi=True) == {
        "type": "error",
        "id": 3,
        "error": "invalid argument",
        "message": "the browser opens no files",
    }
    params = {"url": "https://example.com", "method": "Page.navigate", "params": ["file:"]}
    assert read({"id": 3, "method": method, "params": params}, bidi=True) is None


def test_paths_of_files_for_a_page_are_refused() -> None:
    """Chromium has no such file, and its client would wait for it."""
    command = {"id": 1, "method": "DOM.setFileInputFiles", "params": {"files": ["/work/a.pdf"]}}
    assert "content" in read(command)["error"]["message"]
    assert read(command | {"params": {"files": []}}) is None  # removes what was chosen


@pytest.mark.parametrize(
    ("server", "refused"),
    [
        ("http://proxy.example:8080", True),
        ("socks5://127.0.0.1:1080", True),  # Chromium sends no password
        ("127.0.0.1:10800", True),
        ("http://127.0.0.1:1080", False),
        ("127.0.0.1:1080", False),
        ("", False),
        (5, False),
    ],
)
def test_a_context_has_no_proxy_of_its_own(server: object, refused: bool) -> None:
    command = {"id": 1, "method": "Target.createBrowserContext"}
    answer = read(command | {"params": {"proxyServer": server}})
    assert (answer is not None) is refused
    assert not refused or "PROXY_DOMAIN" in answer["error"]["message"]
    assert read(command) is None


def test_a_closed_browser_is_seen_and_closed() -> None:
    closed: list[int] = []
    assert read({"id": 1, "method": "Browser.close"}, closed) is None
    assert read({"id": 1, "method": "Browser.close", "sessionId": "A"}, closed) is None
    assert closed == [1, 1]
    assert read({"id": 1, "method": "Browser.getVersion"}, closed) is None
    text = {"id": 1, "method": "Runtime.evaluate", "params": {"expression": '"Browser.close"'}}
    assert read(text, closed) is None
    assert closed == [1, 1]
    assert read({"id": 1, "method": "Browser.close"}) is None  # on the WebSocket of a page


@pytest.mark.parametrize(
    ("method", "params", "closes"),
    [
        ("browser.close", {}, True),
        ("session.end", {}, True),
        ("goog:cdp.sendCommand", {"method": "Browser.close"}, True),
        ("goog:cdp.sendCommand", {"method": "Browser.getVersion"}, False),
        ("browsingContext.navigate", {"url": "browser.close", "method": "Browser.close"}, False),
    ],
)
def test_a_browser_that_the_bidirectional_webdriver_closes(
    method: str, params: dict[str, Any], closes: bool
) -> None:
    closed: list[int] = []
    assert read({"id": 1, "method": method, "params": params}, closed, bidi=True) is None
    assert bool(closed) is closes


@pytest.mark.parametrize(
    "message",
    [
        b'"Browser.close"',
        b'{"method": "Browser.close", "id": "1"}',
        b'{"method": "Browser.close", "id": 1',
        b'{"method": "Browser.close", "id": 1, "params": []}',
        b'["Browser.close"' * 10_000,
        b'"Captchas.automaticSolver" \xff',
    ],
)
def test_what_is_no_command_is_left_to_chromium(message: bytes) -> None:
    closed: list[int] = []
    assert read(message, closed) is None
    assert closed == []


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("file:///", True),
        ("FILE:x", True),
        (" \x01\tfile:///", True),
        ("fi\nle:///", True),
        ("view-source:file:///etc", True),
        ("https://a/?file:", False),
        ("files:", False),
        (" " * 300 + "file:///", True),
        ("f" + "\n" * 300 + "ile:///", True),
        ("", False),
    ],
)
def test_what_a_browser_takes_as_a_file(url: str, file: bool) -> None:
    assert is_file(url) is file


def test_nothing_is_made_of_parameters_that_are_not_read() -> None:
    raw = b'{"method": "Page.navigate", "params": {"x": [[], {}], "url": [{"a": []}]}}'
    command = decoded(raw, Command)
    assert command is not None
    assert bytes(command.given.url) == b'[{"a": []}]'
