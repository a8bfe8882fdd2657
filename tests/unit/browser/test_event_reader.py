"""Which messages of Chromium are read, and what of them."""

from __future__ import annotations

import pytest

from fyke.model.browser import ConsoleLevel
from support.recordings import Recording

pytestmark = pytest.mark.anyio


@pytest.fixture
async def recording() -> Recording:
    return Recording()


@pytest.mark.parametrize("domain", ["Browser", "Page"])
async def test_downloads_are_said(recording: Recording, domain: str) -> None:
    """Libraries let either of them be reported, or both."""
    recording.say(f"{domain}.downloadWillBegin", guid="1", url="https://a.example/f")
    recording.say(f"{domain}.downloadProgress", guid="1", state="inProgress")
    recording.say(f"{domain}.downloadProgress", guid="1", state="completed")
    assert recording.notes == ["download"]
    recording.say(f"{domain}.downloadProgress", guid="2", state="canceled")
    assert recording.notes == ["download", "download_canceled"]


@pytest.mark.parametrize("session", ["S" * 65, "S T", "\u0660", ""])
async def test_a_page_is_not_remembered_for_what_is_no_session(
    recording: Recording, session: str
) -> None:
    recording.say("Target.attachedToTarget", sessionId=session, targetInfo={"targetId": "P"})
    assert recording.look.target_of(session) == ""


async def test_console_messages_and_errors_are_lines(recording: Recording) -> None:
    say = recording.say
    frames = {"callFrames": [{"url": "https://a.example/app.js", "lineNumber": 11}]}
    for session in ("S", "T"):  # a second session hears the same
        say("Runtime.consoleAPICalled", session, type="log", timestamp=1.5, stackTrace=frames,
            args=[{"type": "string", "value": "found"}, {"type": "number", "value": 3},
                  {"type": "object", "description": "Array(2)"},
                  {"type": "undefined"}])  # fmt: skip
        say("Runtime.consoleAPICalled", session, type="warning", timestamp=2.5, args=[])
        say("Log.entryAdded", session, entry={
            "level": "error", "text": "Failed to load resource", "timestamp": 3.5,
            "url": "https://a.example/x"})  # fmt: skip
        say("Runtime.exceptionThrown", session, timestamp=4.5, exceptionDetails={
            "text": "Uncaught", "url": "https://a.example/", "lineNumber": 0,
            "exception": {"type": "object",
                          "description": "TypeError: x is null\n  at f"}})  # fmt: skip
        say("Log.entryAdded", session, entry={"level": "verbose", "text": "slow", "timestamp": 5.5})
    activity = recording.now()
    assert activity.console == {"info": 1, "warning": 1, "error": 2, "debug": 1}
    found, _, resource, thrown, slow = activity.lines
    assert (found.level, found.text) == (ConsoleLevel.INFO, "found 3 Array(2) undefined")
    assert found.source == "https://a.example/app.js:12"
    assert (resource.text, resource.source) == ("Failed to load resource", "https://a.example/x")
    assert thrown.text == "TypeError: x is null\n  at f"
    assert thrown.source == "https://a.example/:1"
    assert slow.level is ConsoleLevel.DEBUG


@pytest.mark.parametrize(
    "message",
    [
        b'{"id":1,"result":{}}',
        b'{"method":"Network.dataReceived","params":{}}',
        b'{"method":"Network.requestWillBeSent","params":{}}',
        b'{"method":"Network.requestWillBeSent","params":[' + b"[" * 10_000,
        b'{"method":"Log.entryAdded","params":{"entry":{"level":"info","text":"\xff"}}}',
        b'{"method":"Log.entryAdded","params":{"entry":{"level":"info","text":"\\ud800"}}}',
        b'{"method":"Network.responseReceived","params":{"requestId":"1","response":{"status":"x"}}}',
        b'{"method":"' + b"x" * 1000,
        b"no JSON",
        b"",
    ],
)
async def test_other_messages_pass_and_count_nothing(recording: Recording, message: bytes) -> None:
    assert recording.look(message)
    recording.recorder.flush()
    assert not recording.reports
