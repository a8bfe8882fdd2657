"""What chromedriver and its clients get to see of each other."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from fyke.browser.webdriver import (
    PROGRAM_AT,
    BadSession,
    SessionRequest,
    created_session,
    error_answer,
    has_no_window,
    inner_command,
    inner_path,
    new_session,
    read_command,
    session_of,
)

OPTIONS = "goog:chromeOptions"
HOST = "chrome-http-inner.example.com"


def session(document: dict[str, Any]) -> SessionRequest:
    found = new_session(json.dumps(document).encode())
    assert found is not None
    return found


def changed(**document: Any) -> Any:
    return json.loads(session(document).body)


def always(capabilities: dict[str, Any]) -> Any:
    return changed(capabilities={"alwaysMatch": capabilities})["capabilities"]["alwaysMatch"]


def test_the_program_is_ours_and_the_rest_stays() -> None:
    options = {"binary": "/usr/bin/google-chrome", "args": ["--headless"], "prefs": {"a": 1}}
    found = always({"browserName": "chrome", OPTIONS: options, "timeouts": {"script": 1}})
    assert found["browserName"] == "chrome"
    assert found["timeouts"] == {"script": 1}
    assert found[OPTIONS] == options | {"binary": PROGRAM_AT}


@pytest.mark.parametrize(
    "capabilities",
    [{}, {"alwaysMatch": None}, {"alwaysMatch": {}}, {"firstMatch": []}, {"firstMatch": [{}]}],
)
def test_without_options_the_program_is_named_once(capabilities: dict[str, Any]) -> None:
    found = changed(capabilities=capabilities)["capabilities"]
    assert found["alwaysMatch"] == {OPTIONS: {"binary": PROGRAM_AT}}
    assert not any(found.get("firstMatch") or [])


def test_options_in_one_choice_are_named_in_every_choice() -> None:
    first = [{OPTIONS: {"args": ["a"]}}, {"browserName": "chrome"}]
    found = changed(capabilities={"firstMatch": first})["capabilities"]
    assert OPTIONS not in found["alwaysMatch"]  # a name in both places is an error
    assert found["firstMatch"][0][OPTIONS] == {"args": ["a"], "binary": PROGRAM_AT}
    assert found["firstMatch"][1][OPTIONS] == {"binary": PROGRAM_AT}


def test_a_name_that_the_client_gives_twice_is_left_to_chromedriver() -> None:
    both = {"alwaysMatch": {OPTIONS: {}}, "firstMatch": [{OPTIONS: {}}, {}]}
    found = changed(capabilities=both)["capabilities"]
    assert found["alwaysMatch"][OPTIONS] == found["firstMatch"][0][OPTIONS]
    assert found["firstMatch"][1] == {}


@pytest.mark.parametrize("name", [OPTIONS, "chromeOptions"])
def test_the_old_form_of_capabilities(name: str) -> None:
    found = changed(desiredCapabilities={"browserName": "chrome", name: {"args": ["a"]}})
    assert found["desiredCapabilities"][name] == {"args": ["a"], "binary": PROGRAM_AT}
    assert len(found["desiredCapabilities"]) == 2


def test_both_forms_at_once() -> None:
    found = changed(desiredCapabilities={}, capabilities={"alwaysMatch": {}})
    assert found["desiredCapabilities"][OPTIONS] == {"binary": PROGRAM_AT}
    assert found["capabilities"]["alwaysMatch"][OPTIONS] == {"binary": PROGRAM_AT}


def test_what_does_not_exist_here_is_removed_and_said() -> None:
    options = {"debuggerAddress": "127.0.0.1:9222", "extensions": ["x"], "androidPackage": "app"}
    proxy = {"proxyType": "manual", "httpProxy": "10.0.0.1:1"}
    found = session({"capabilities": {"alwaysMatch": {"proxy": proxy, OPTIONS: options}}})
    assert json.loads(found.body)["capabilities"]["alwaysMatch"] == {
        OPTIONS: {"binary": PROGRAM_AT}
    }
    assert len(found.notes) == 4
    assert "proxy was ignored: the browser always uses the proxy of the run." in found.notes


@pytest.mark.parametrize(
    "argument",
    [
        "--remote-debugging-port=9222",
        "remote-debugging-port=0",
        " --remote-debugging-port=9222\n",
        "-remote-debugging-pipe",
        "--Remote-Debugging-Pipe=json",
        "--user-data-dir=/home/me/profile",
        "user-data-dir",
    ],
)
def test_switches_by_which_chromedriver_would_lose_its_browser(argument: str) -> None:
    options = {"args": ["--headless", argument, "--user-agent=--user-data-dir=1"]}
    found = session({"capabilities": {"firstMatch": [{OPTIONS: options}]}})
    [choice] = json.loads(found.body)["capabilities"]["firstMatch"]
    assert choice[OPTIONS]["args"] == ["--headless", "--user-agent=--user-data-dir=1"]
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    ("prefs", "left"),
    [
        ({"download.default_directory": "/work", "a": 1}, {"a": 1}),
        ({"download": {"default_directory": "/work", "b": 1}}, {"download": {"b": 1}}),
    ],
)
def test_a_folder_for_downloads_is_removed_and_said(prefs: object, left: object) -> None:
    found = session({"capabilities": {"alwaysMatch": {OPTIONS: {"prefs": prefs}}}})
    always = json.loads(found.body)["capabilities"]["alwaysMatch"]
    assert always[OPTIONS]["prefs"] == left
    [note] = found.notes
    assert note.startswith("download.default_directory was ignored: downloads go to the browser's")


@pytest.mark.parametrize("prefs", [None, [], {"download": "x"}, {"download": {}}])
def test_other_preferences_are_left_to_chromedriver(prefs: object) -> None:
    found = session({"capabilities": {"alwaysMatch": {OPTIONS: {"prefs": prefs}}}})
    always = json.loads(found.body)["capabilities"]["alwaysMatch"]
    assert always[OPTIONS]["prefs"] == prefs
    assert found.notes == ()


def test_a_name_that_is_none_is_left_to_chromedriver() -> None:
    asked = session({"capabilities": {"alwaysMatch": {"browserName": []}, "firstMatch": [{}]}})
    assert asked.names == frozenset()
    assert b'"browserName":[]' in asked.body


def test_what_is_empty_is_removed_without_a_word() -> None:
    always: dict[str, Any] = {"proxy": {}, OPTIONS: {"extensions": []}}
    found = session({"capabilities": {"alwaysMatch": always}})
    assert found.notes == ()
    assert b"extensions" not in found.body


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"capabilities": []}',
        b'{"capabilities": {"firstMatch": {}}}',
        b'{"capabilities": {"firstMatch": [1]}}',
        b'{"capabilities": {"alwaysMatch": "x"}}',
        b'{"desiredCapabilities": 1}',
        b'{"capabilities": {"alwaysMatch": {"goog:chromeOptions": 1}}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_request_for_a_session(body: bytes) -> None:
    with pytest.raises(BadSession):
        new_session(body)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"headless": true}'])
def test_a_session_of_another_protocol(body: bytes) -> None:
    assert new_session(body) is None


def cdp(method: str, **params: object) -> bytes:
    return json.dumps({"cmd": method, "params": params}).encode()


FILE = "file:///etc/passwd"


@pytest.mark.parametrize(
    ("rest", "body", "file"),
    [
        ("/url", b'{"url": " FILE:///etc/passwd"}', True),
        ("/url", b'{"url": "view-source:file:///"}', True),
        ("/url", b'{"url": "https://example.com/file:///"}', False),
        ("/url", b'{"url": 1}', False),
        ("/url", b"", False),
        ("/url", b"[1]", False),
        ("/goog/cdp/execute", cdp("Page.navigate", url=FILE), True),
        ("/ms/cdp/execute", cdp("Target.createTarget", url=FILE), True),
        ("/chromium/send_command", cdp("Page.navigate", url=FILE), True),
        ("/chromium/send_command_and_get_result", cdp("Network.loadNetworkResource", url=FILE),
         True),
        ("/goog/cdp/execute", cdp("Page.navigate", url="https://example.com"), False),
        ("/goog/cdp/execute", cdp("Network.setCookie", url=FILE), False),
        ("/goog/cdp/execute", b'{"cmd": ["Page.navigate"], "params": []}', False),
        ("/execute/sync", cdp("Page.navigate", url=FILE), False),
    ],
)  # fmt: skip
def test_commands_that_open_a_file(rest: str, body: bytes, file: bool) -> None:
    assert read_command(rest, body).opens_file is file


@pytest.mark.parametrize(
    ("rest", "body", "closes"),
    [
        ("/goog/cdp/execute", cdp("Browser.close"), True),
        ("/chromium/send_command", cdp("Browser.close"), True),
        ("/goog/cdp/execute", cdp("Browser.getVersion"), False),
        ("/goog/cdp/execute", b"[1]", False),
        ("/goog/cdp/execute", b"{", False),
        ("/execute/sync", cdp("Browser.close"), False),
    ],
)
def test_commands_that_close_the_browser(rest: str, body: bytes, closes: bool) -> None:
    assert read_command(rest, body).closes_browser is closes


@pytest.mark.parametrize("rest", ["/url", "/goog/cdp/execute"])
def test_nothing_is_made_of_what_is_not_read_of_a_command(rest: str) -> None:
    """A command may have megabytes, and the loop of the gateway serves a whole machine."""
    lists = b"[" + b",".join([b"[[],[]]"] * 10_000) + b"]"
    body = b'{"cmd": "Page.navigate", "url": %b, "params": {"url": %b}}' % (lists, lists)
    tracemalloc.start()
    try:
        read_command(rest, body)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("answer", "none"),
    [
        (b'{"value":[]}', True),
        (b'{"value":["A"]}', False),
        (b'{"value":null}', False),
        (b"", False),
    ],
)
def test_an_answer_without_windows(answer: bytes, none: bool) -> None:
    assert has_no_window(answer) is none


def test_clients_of_a_grid_upload_files_with_another_path() -> None:
    assert inner_command("/se/file") == "/file"
    assert inner_command("/url") == "/url"


def answered(capabilities: dict[str, Any]) -> bytes:
    return json.dumps({"value": {"sessionId": "abc1", "capabilities": capabilities}}).encode()


def test_the_addresses_in_an_answer_are_those_of_the_client() -> None:
    inside = {
        "browserName": "chrome-headless-shell",
        "browserVersion": "156.0.8078.108",
        OPTIONS: {"debuggerAddress": "localhost:34607"},
        "webSocketUrl": "ws://127.0.0.1:9515/session/abc1",
    }
    found = created_session(answered(inside), HOST, frozenset({"chrome"}))
    assert found is not None
    assert (found.id, found.port) == ("abc1", 34607)
    assert json.loads(found.body)["value"]["capabilities"] == {
        "browserName": "chrome",
        "browserVersion": "156.0.8078.108",
        OPTIONS: {"debuggerAddress": HOST},
        "webSocketUrl": f"ws://{HOST}/session/abc1",
        "se:cdp": f"ws://{HOST}/session/abc1/se/cdp",
        "se:cdpVersion": "156.0.8078.108",
    }


def test_a_client_that_asked_for_the_shell_gets_its_name() -> None:
    inside = {
        "browserName": "chrome-headless-shell",
        OPTIONS: {"debuggerAddress": "localhost:1"},
    }
    found = created_session(answered(inside), HOST, frozenset({"chrome-headless-shell"}))
    assert found is not None
    assert b"chrome-headless-shell" in found.body
    assert b"webSocketUrl" not in found.body


def test_an_answer_in_the_old_form() -> None:
    value = {"browserName": "chrome", OPTIONS: {"debuggerAddress": "localhost:5"}}
    body = json.dumps({"sessionId": "abc1", "status": 0, "value": value}).encode()
    found = created_session(body, HOST, frozenset())
    assert found is not None
    assert (found.id, found.port) == ("abc1", 5)
    assert json.loads(found.body)["value"][OPTIONS] == {"debuggerAddress": HOST}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"value": null}',
        b'{"value": {"error": "session not created"}}',
        answered({}),
        answered({OPTIONS: {"debuggerAddress": "localhost"}}),
        answered({OPTIONS: {"debuggerAddress": "localhost:99999"}}),
    ],
)
def test_an_answer_without_a_session(body: bytes) -> None:
    assert created_session(body, HOST, frozenset()) is None


def test_paths() -> None:
    assert inner_path("/wd/hub/session/1/url") == "/session/1/url"
    assert inner_path("/wd/hubs") == "/wd/hubs"
    assert inner_path("/status") == "/status"
    assert session_of("/session/ab-1/url?x=/y") == ("ab-1", "/url")
    assert session_of("/session/ab") == ("ab", "")
    assert session_of("/session") is None
    assert session_of("/session/a b/url") is None
    assert session_of("/session/ab//url") is None
    assert session_of("/session/ab/goog/cdp//execute") is None


def test_an_error_of_ours_reads_like_one_of_chromedriver() -> None:
    assert json.loads(error_answer("invalid session id", "it has ended")) == {
        "value": {"error": "invalid session id", "message": "it has ended", "stacktrace": ""}
    }
