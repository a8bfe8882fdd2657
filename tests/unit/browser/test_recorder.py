"""What is counted of the events of Chromium, and how little a hostile one can make of it."""

from __future__ import annotations

import asyncio

import pytest

from fyke.browser import recorder as module
from fyke.browser.dialogs import MAX_TEXT
from fyke.browser.messages import Acted, encode
from fyke.browser.page_keeper import PageKeeper
from fyke.kit.channel import MAX_MESSAGE
from fyke.model.browser import MAX_LINES, MAX_READ_TEXT, OTHER_HOSTS
from support.recordings import Recording, Say, answered, finished, sent

pytestmark = pytest.mark.anyio


@pytest.fixture
async def recording() -> Recording:
    return Recording()


async def test_requests_count_by_type_and_status_with_their_bytes(recording: Recording) -> None:
    say = recording.say
    sent(say, "1", "https://a.example/")
    answered(say, "1", 200)
    finished(say, "1", 1500.5)
    sent(say, "2", "https://a.example/x.png", "Image")
    answered(say, "2", 404)
    finished(say, "2", 300)
    sent(say, "3", "http://a.example/y.png", "Image")
    say("Network.loadingFailed", "S", requestId="3", errorText="net::ERR_FAILED")
    sent(say, "4", "https://a.example/later", "Fetch")
    sent(say, "5", "data:text/plain,none of the network", "Fetch")
    sent(say, "6", "https://a.example/new", "SomethingNew")
    activity = recording.now()
    assert activity.requests == {"document": 1, "image": 2, "fetch": 1, "other": 1}
    assert activity.received == {"document": 1500, "image": 300}
    assert activity.statuses == {"2xx": 1, "4xx": 1, "failed": 1}


async def test_what_a_cache_answered_counts_once_and_by_type(recording: Recording) -> None:
    say, other = recording.say, recording.client()
    for number in "12":
        for client in (say, other):  # a second client hears of the same requests
            sent(client, number, f"https://a.example/{number}.js", "Script")
    for client in (say, other):
        response = {"status": 200, "fromDiskCache": True}
        client("Network.responseReceived", "S", requestId="1", response=response)
        client("Network.requestServedFromCache", "S", requestId="2")
        answered(client, "2", 200)
    sent(say, "3", "https://a.example/3.png", "Image")
    say(
        "Network.responseReceived", "S", requestId="3",
        response={"status": 200, "fromDiskCache": False},
    )  # fmt: skip
    say("Network.requestServedFromCache", "S", requestId="unknown")
    activity = recording.now()
    assert activity.cached == {"script": 2}
    assert activity.requests == {"script": 2, "image": 1}


async def test_blocked_requests_count_by_type(recording: Recording) -> None:
    for kind in ("Image", "Image", "Font", "SomethingNew"):
        recording.recorder.blocked(0, kind, "")
    activity = recording.now()
    assert activity.blocked == {"image": 2, "font": 1, "other": 1}
    assert activity.requests == {}


@pytest.mark.parametrize("told_first", [True, False])
async def test_blocked_requests_are_no_errors_of_the_page(told_first: bool) -> None:
    recording = Recording()
    recorder, say = recording.recorder, recording.say
    recorder.keeper = PageKeeper()
    say("Log.entryAdded", "S", entry={"level": "error", "text": "REAL", "timestamp": 0.5})
    for number in range(MAX_LINES + 10):
        steps = [
            lambda one: sent(say, one, f"https://a.example/{one}.png", "Image"),
            lambda one: recorder.blocked(0, "Image", one),
        ]
        for step in steps if told_first else reversed(steps):
            step(f"{number}")
        failed = {"requestId": f"{number}", "errorText": "net::ERR_BLOCKED_BY_CLIENT.Inspector"}
        say("Network.loadingFailed", "S", **failed)
        text = "Failed to load resource: net::ERR_BLOCKED_BY_CLIENT.Inspector"
        for session in "ST":
            entry = {"level": "error", "text": text, "timestamp": float(number + 1)}
            say("Log.entryAdded", session, entry=entry | {"networkRequestId": f"{number}"})
    sent(say, "other", "https://a.example/x.png", "Image")
    entry = {"level": "error", "text": text, "timestamp": 99.5, "networkRequestId": "other"}
    say("Log.entryAdded", "S", entry=entry)  # the client of the Worker may block too
    activity = recording.now()
    assert [line.text for line in activity.lines] == ["REAL", text]
    assert activity.console == {"error": 2} and activity.statuses == {}
    kept = await recorder.keeper.finish(None)
    assert kept is not None and len(kept.console) == 2
    assert [one.url for one in kept.requests] == ["https://a.example/x.png"]


async def test_a_redirect_is_a_request_of_its_own(recording: Recording) -> None:
    say, other = recording.say, recording.client()
    moved = {"status": 302, "encodedDataLength": 200}
    sent(say, "1", "https://a.example/")
    sent(other, "1", "https://a.example/")  # a second client hears of the same request
    sent(
        say, "1", "https://a.example/", redirectResponse=moved
    )  # to the same address, with a cookie
    sent(other, "1", "https://a.example/", redirectResponse=moved)
    for client in (say, other):
        answered(client, "1", 200)
        finished(client, "1", 1000)
    activity = recording.now()
    assert activity.requests == {"document": 2}
    assert activity.statuses == {"3xx": 1, "2xx": 1}
    assert activity.received == {"document": 1200}


async def test_the_same_number_in_another_chromium_is_another_request(recording: Recording) -> None:
    for instance in (0, 1):
        sent(recording.client(instance), "1", "https://a.example/")
    assert recording.now().requests == {"document": 2}


async def test_an_answer_in_the_session_of_another_process_counts(recording: Recording) -> None:
    """A frame of another site is requested in the session of its parent."""
    sent(recording.say, "1", "https://frame.example/", session="PARENT")
    answered(recording.say, "1", 200, "CHILD")
    finished(recording.say, "1", 10, "CHILD")
    activity = recording.now()
    assert (activity.statuses, activity.received) == ({"2xx": 1}, {"document": 10})


async def test_web_sockets_are_requests(recording: Recording) -> None:
    say = recording.say
    for number, status in (("1", 101), ("2", 0)):
        say("Network.webSocketCreated", "S", requestId=number, url="wss://a.example/")
        if status:
            method = "Network.webSocketHandshakeResponseReceived"
            say(method, "S", requestId=number, response={"status": status})
        say("Network.webSocketClosed", "S", requestId=number)
    activity = recording.now()
    assert activity.requests == {"websocket": 2}
    assert activity.statuses == {"1xx": 1, "failed": 1}


async def test_pages_are_the_documents_of_tabs(recording: Recording) -> None:
    say = recording.say

    def navigated(loader: str, url: str, **frame: str) -> None:
        frame |= {"id": "F", "loaderId": loader, "url": url}
        for session in ("S", "T"):  # both sessions name it
            say("Page.frameNavigated", session, frame=frame)

    navigated("0", "about:blank")
    for number in range(7):
        navigated(f"L{number}", f"https://a.example/{number}")
    navigated("M", "https://advertisement.example/", parentId="F")
    activity = recording.now()
    assert activity.pages == 7
    assert activity.urls == tuple(f"https://a.example/{number}" for number in range(2, 7))


async def test_a_crash_counts_once_until_the_page_loads_again(recording: Recording) -> None:
    say, direct = recording.say, recording.client(page="P")
    say("Target.attachedToTarget", sessionId="S", targetInfo={"targetId": "P", "type": "page"})
    say("Inspector.targetCrashed", "S")
    say("Target.targetCrashed", targetId="P", status="crashed", errorCode=5)
    direct("Inspector.targetCrashed")
    assert recording.now().crashes == 1
    sent(say, "1", "https://a.example/")
    say("Inspector.targetCrashed", "S")
    assert recording.now().crashes == 2


async def test_a_dialog_is_a_line_that_counts_nowhere(recording: Recording) -> None:
    say = recording.say
    for session in "ST":  # both of one page
        say("Target.attachedToTarget", sessionId=session, targetInfo={"targetId": "P"})
    for end in (
        "Page.javascriptDialogClosed",
        "Page.javascriptDialogClosed",
        "Page.frameNavigated",
    ):
        for session in "ST":
            say("Page.javascriptDialogOpening", session, type="alert", message="Hi", url="")
        for session in "ST":
            say(end, session, result=True, frame={"loaderId": "L"})
    recording.look.ended()
    for _ in range(2):
        say = recording.client()
        for session in ("one", "another"):  # of pages that are not known
            say("Page.javascriptDialogOpening", session, type="alert", message="Hi", url="")
        recording.look.ended()
    activity = recording.now()
    assert [line.text for line in activity.lines] == ["dialog alert: Hi"] * 7
    assert activity.console == {}


async def test_a_report_has_all_numbers_and_the_new_lines(recording: Recording) -> None:
    recording.recorder.flush()
    assert not recording.reports, "nothing has happened"
    for number in range(2):
        recording.say("Log.entryAdded", "S", entry={"level": "info", "text": f"{number}"})
        assert [line.text for line in recording.now().lines] == [f"{number}"]
    assert recording.now().console == {"info": 2}
    assert len(recording.reports) == 2, "unchanged"


async def test_changes_are_reported_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.0)
    recording = Recording()
    reported = asyncio.Event()
    recording.recorder._report = lambda _: reported.set()
    recording.say("Log.entryAdded", "S", entry={"level": "info", "text": "x"})
    assert not reported.is_set()
    await asyncio.wait_for(reported.wait(), 30)


async def test_a_report_fits_into_a_message_and_memory_is_limited(recording: Recording) -> None:
    say = recording.say
    for number in range(3000):
        url = f"https://a.example/{number}" + "\x01" * 5000
        sent(say, f"{number}" + "x" * 1000, url, "Image", session="S" * 5000)
        name = f"of-{number}"
        sent(say, name, f"https://{number}.{'long.' * 45}example/", "Fetch")
        answered(say, name, 200 + number % 300)
        say("Target.attachedToTarget", sessionId=f"{number}", targetInfo={"targetId": "P"})
        say("Target.targetCrashed", targetId=f"{number}", status="", errorCode=0)
        if number % 10 == 0:
            entry = {"level": "info", "text": "\x01" * 20_000, "timestamp": number, "url": url}
            say("Log.entryAdded", "S", entry=entry)
            frame = {"id": "F", "loaderId": f"{number}", "url": url}
            say("Page.frameNavigated", "S", frame=frame)
    activity = recording.now()
    assert activity.requests == {"image": 3000, "fetch": 3000}
    assert sum(sum(counts.values()) for counts in activity.sites.values()) == 3000
    assert activity.pages == 300
    assert 0 < len(activity.lines) < MAX_LINES
    assert len(activity.lines[-1].text) == MAX_READ_TEXT
    assert activity.urls[-1].startswith("https://a.example/2990")
    assert len(encode(Acted("01ATTEMPT", 1, activity))) < MAX_MESSAGE
    recorder = recording.recorder
    for memory in (recorder._known, recorder._once, recorder._crashed):
        assert len(memory) <= 1000
    assert all(len(str(key)) < 200 for key in (*recorder._known, *recorder._once))


async def test_answers_of_the_network_are_counted_by_host(recording: Recording) -> None:
    say, other = recording.say, recording.client()
    for client in (say, other):  # a second client hears of the same requests
        sent(client, "1", "http://A.example:8080/")
        redirect = {"status": 301}
        sent(client, "1", "https://user@b.example/x?y", redirectResponse=redirect)
        answered(client, "1", 403)
        sent(client, "2", "https://b.example/2", "Script")
        say_cached = {"status": 200, "fromDiskCache": True}
        client("Network.responseReceived", "S", requestId="2", response=say_cached)
    sent(say, "3", "https://b.example/3", "Fetch")
    say("Network.loadingFailed", "S", requestId="3", errorText="net::ERR_FAILED")
    sent(say, "4", "https://" + "x" * 300 + "/", "Fetch")
    answered(say, "4", 200)
    assert recording.now().sites == {
        "a.example": {"301": 1}, "b.example": {"403": 1}, OTHER_HOSTS: {"200": 1},
    }  # fmt: skip


async def test_impossible_numbers_count_as_nothing(recording: Recording) -> None:
    sent(recording.say, "1", "https://a.example/")
    answered(recording.say, "1", -7)
    finished(recording.say, "1", 1e300)
    activity = recording.now()
    assert activity.statuses == {"failed": 1}
    assert activity.received == {"document": 0}


async def test_sums_end_at_a_limit(recording: Recording) -> None:
    for number in range(9):
        sent(recording.say, f"{number}", "https://a.example/")
        finished(recording.say, f"{number}", 2**50 - 1)
    assert recording.now().received == {"document": 2**53}


async def test_nothing_is_reported_after_the_end(recording: Recording) -> None:
    sent(recording.say, "1", "https://a.example/")
    recording.recorder.close()
    assert len(recording.reports) == 1
    sent(recording.say, "2", "https://a.example/")
    recording.recorder.flush()
    assert len(recording.reports) == 1


def ask(say: Say, session: str, message: str = "Hi") -> None:
    say("Page.javascriptDialogOpening", session, type="confirm", message=message)


async def test_dialogs_are_open_until_they_are_closed_or_their_clients_have_gone(
    recording: Recording,
) -> None:
    dialogs = recording.recorder.dialogs
    one, look_one = recording.client(), recording.look
    two = recording.client()
    attached = {"targetInfo": {"targetId": "T"}}
    one("Target.attachedToTarget", sessionId="one", **attached)
    two("Target.attachedToTarget", sessionId="two", **attached)
    for say, session in ((one, "one"), (two, "two")):
        ask(say, session, "m" * 5000)
    dialog = dialogs.of((0, "T"))
    assert dialog is not None and (dialog.kind, dialog.text) == ("confirm", "m" * MAX_TEXT)
    two("Target.detachedFromTarget", sessionId="two")
    dialog.answer("", accept=False)
    two("Target.attachedToTarget", sessionId="again", **attached)
    ask(two, "again", "m" * 5000)
    dialog.answer("text", accept=True)
    method = "Page.handleJavaScriptDialog"
    assert recording.asked == [
        ("client 1", method, {"accept": False, "promptText": ""}, "one"),
        ("client 2", method, {"accept": True, "promptText": "text"}, "again"),
    ]
    look_one.ended()
    assert dialogs.of((0, "T")) is dialog
    two("Target.detachedFromTarget", sessionId="again")
    assert dialogs.of((0, "T")) is None
    two("Target.attachedToTarget", sessionId="two", **attached)
    for end in ("Page.javascriptDialogClosed", "Page.frameNavigated"):
        ask(two, "two")
        assert dialogs.of((0, "T")) is not None
        two(end, "two", frame={"loaderId": "L"})
        assert dialogs.of((0, "T")) is None
    ask(two, "unknown")
    ask(one, "one", "of a client that has gone")
    assert dialogs.of((0, "T")) is dialogs.of((0, "")) is None
