"""Who watches what, when pictures are taken, and who may send input, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from fyke.browser import live_view, view_sessions
from fyke.contracts.browser_view import (
    MAX_WATCHERS,
    MAX_WINDOWS,
    DialogInput,
    KeyInput,
    PointerInput,
    TakeoverEnd,
    TextInput,
    ViewedDialog,
    ViewedPage,
    ViewRefusal,
    ViewRefused,
    ViewState,
)
from support.browser_hosts import until
from support.browser_place import ATTEMPT
from support.browser_views import next_picture, next_state, viewed_place
from support.jpegs import jpeg

pytestmark = pytest.mark.anyio

ONE = ViewedPage("0.T1", "One", "https://a.example/1")
TWO = ViewedPage("0.T2", "Two", "https://a.example/2")
ADA, BOB = "session of Ada", "session of Bob"


async def test_pictures_are_taken_only_while_somebody_watches(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        await asyncio.sleep(0)
        assert not place.viewing
        watch = await place.views.watch(ATTEMPT)
        assert (await next_state(watch)).pages in ((), (ONE,))
        picture = await next_picture(watch)
        assert (picture.page, picture.jpeg) == ("0.T1", jpeg("first"))
        assert (picture.width, picture.height) == (800, 600)
        [viewing] = place.viewing
        [(session, cast)] = viewing.sent("Page.startScreencast")
        assert session == "S-T1"
        assert cast == {"format": "jpeg", "quality": 50, "maxWidth": 1280, "maxHeight": 800}
        watch.close()
        await until(lambda: viewing.sent("Page.stopScreencast"))
        await until(lambda: not place.live._views)
        assert place.live.watchers == 0


async def test_nothing_but_listing_and_a_screencast_is_asked_for(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        await next_picture(watch)
        [viewing] = place.viewing
        await until(lambda: viewing.sent("Page.screencastFrameAck"))
        assert {command["method"] for command in viewing.commands} == {
            "Target.setDiscoverTargets",
            "Target.attachToTarget",
            "Page.startScreencast",
            "Page.screencastFrameAck",
            "Page.getFrameTree",
        }


async def test_a_watcher_waits_for_the_browser_and_sees_the_next_one(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        watch = await place.views.watch(ATTEMPT)
        assert await next_state(watch) == ViewState()
        _, host = await place.open_browser()
        await next_picture(watch)
        host.end()
        while (state := await next_state(watch)).pages:
            pass
        assert state == ViewState()
        await place.open_browser()
        assert (await next_picture(watch)).page == "0.T1"


async def test_the_end_of_the_attempt_ends_the_watch(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watches = [await place.views.watch(ATTEMPT) for _ in range(MAX_WINDOWS)]
        await next_picture(watches[0])
        place.gateway.close(ATTEMPT, final=True)
        for watch in watches:
            while await watch.next(60) is not None:
                pass
            assert await watch.next(60) is None
        assert place.live.watchers == 0
        with pytest.raises(ViewRefused) as refused:
            await place.views.watch(ATTEMPT)
        assert refused.value.refusal is ViewRefusal.ELSEWHERE


async def test_the_page_that_appeared_last_is_shown_or_the_chosen_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "_STAY_SECONDS", 0.0)
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        newest, chosen = await place.views.watch(ATTEMPT), await place.views.watch(ATTEMPT, "0.T1")
        await next_picture(newest)
        await next_picture(chosen)
        [viewing] = place.viewing
        place.pages["T2"] = ("Two", "https://a.example/2")
        viewing.tell("T2")
        assert (await next_picture(newest)).page == "0.T2"
        while (state := await next_state(chosen)).pages != (ONE, TWO):
            pass
        assert state.shown == "0.T1"
        viewing.say("Target.targetDestroyed", targetId="T1")
        while (state := await next_state(chosen)).pages != (TWO,):
            pass
        assert state.shown == "0.T2"
        # both watch the same page now, and it is cast once
        assert [session for session, _ in viewing.sent("Page.startScreencast")] == ["S-T1", "S-T2"]
        assert (await next_picture(chosen)).jpeg == jpeg("first")


async def test_a_new_page_is_not_shown_to_the_user_who_has_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "_STAY_SECONDS", 0.0)
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        ada = await place.views.watch(ATTEMPT, "", ADA, "A")
        bob = await place.views.watch(ATTEMPT, "", BOB, "B")
        await next_picture(ada)
        await next_picture(bob)
        await place.views.take_over(ATTEMPT, ADA, "Ada")
        [viewing] = place.viewing
        place.pages["T2"] = ("Two", "https://a.example/2")
        viewing.tell("T2")
        while (state := await next_state(bob)).shown != "0.T2":
            pass
        while (state := await next_state(ada)).pages != (ONE, TWO):
            pass
        assert (state.shown, state.yours) == ("0.T1", True)
        viewing.say("Target.targetDestroyed", targetId="T1")
        while (state := await next_state(ada)).pages != (TWO,):
            pass
        assert state.shown == "0.T2"


def test_a_list_of_pages_is_sent_at_most_four_times_in_a_second() -> None:
    sent: list[ViewState] = []
    watcher = live_view.Watcher("", "", sent.append, lambda _: None, lambda: None)
    titles = [ViewState((ViewedPage("0.T1", f"Title {n}", ""),), shown="0.T1") for n in range(100)]
    for number, state in enumerate(titles):
        watcher.send_state(state, 50 + number / 64)
    assert sent == titles[::16]
    watcher.send_state(titles[99], 52.0)  # what was left out comes with a later look
    watcher.send_state(titles[99], 53.0)
    assert sent[7:] == [titles[99]]
    at_once = [
        replace(titles[0], taken_by="Ada"),
        replace(titles[1], taken_by="Ada", yours=True),
        replace(titles[2], taken_by="Ada", yours=True, shown=""),
    ]
    for state in at_once:
        watcher.send_state(state, 53.0)
    assert sent[8:] == at_once


def test_a_page_is_shown_that_was_known_before_the_one_shown() -> None:
    """A client opened it before its Chromium told of the page with which it had begun."""
    watcher = live_view.Watcher("", "", lambda state: None, lambda picture: None, lambda: None)
    shown = []
    for pages, now in ((["first"], 10), (["opened", "first"], 11), (["opened", "first"], 13)):
        watcher.choose(pages, pages[0], set(), now, stays=False)
        shown.append(watcher.shown)
    assert shown == ["first", "first", "opened"]
    watcher.choose(["opened", "first"], "first", set(), 20, stays=False)
    assert watcher.shown == "opened"


def test_a_blank_page_does_not_replace_one_that_is_used() -> None:
    """Chromium told of the page with which it had begun after a client had opened its own."""
    watcher = live_view.Watcher("", "", lambda state: None, lambda picture: None, lambda: None)
    watcher.choose(["opened"], "opened", set(), 10, stays=False)
    watcher.choose(["opened", "first"], "opened", {"first"}, 20, stays=False)
    assert watcher.shown == "opened"
    watcher.choose(["opened", "first"], "first", set(), 30, stays=False)  # it is used after all
    assert watcher.shown == "first"
    watcher.choose(["first"], "first", {"first"}, 40, stays=False)
    assert watcher.shown == "first"


async def test_a_page_named_before_the_blank_one_is_shown_and_listed_alone(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        place.pages |= {"T0": ("about:blank", "about:blank")}
        await place.open_browser()
        [worker] = place.connections
        target = {"targetId": "T1", "type": "page", "title": "", "url": ""}
        worker.say("Target.attachedToTarget", sessionId="W1", targetInfo=target)
        browser = place.gateway.find(ATTEMPT).browser
        await until(lambda: browser.recorder._order)
        watch = await place.views.watch(ATTEMPT)
        while (state := await next_state(watch)).pages != (ONE,):
            pass
        assert state.shown == "0.T1"


def test_an_older_page_of_another_browser_is_not_shown_instead() -> None:
    watcher = live_view.Watcher("", "", lambda state: None, lambda picture: None, lambda: None)
    for now in (10, 11, 14):
        pages = ["of the first", "of the second"] if now > 10 else ["of the second"]
        watcher.choose(pages, "of the second", set(), now, stays=False)
    assert watcher.shown == "of the second"


async def test_the_first_page_shown_is_the_one_with_the_last_document(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        place.pages |= {"T0": ("Zero", "about:blank"), "T2": ("Two", "https://a.example/2")}
        await place.open_browser()
        [worker] = place.connections
        target = {"targetId": "T1", "type": "page", "title": "", "url": ""}
        worker.say("Target.attachedToTarget", sessionId="W", targetInfo=target)
        frame = {"id": "F", "loaderId": "L", "url": "https://a.example/1"}
        worker.say("Page.frameNavigated", "W", frame=frame)
        browser = place.gateway.find(ATTEMPT).browser
        await until(lambda: browser.recorder.latest_page == (0, "T1"))
        watch = await place.views.watch(ATTEMPT)
        assert (await next_picture(watch)).page == "0.T1"


async def test_a_slow_watcher_gets_the_newest_picture(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        await next_picture(watch)
        [viewing] = place.viewing

        async def acknowledged(count: int) -> None:
            await until(lambda: len(viewing.sent("Page.screencastFrameAck")) == count)

        for number in (1, 2, 3):
            await acknowledged(number)
            viewing.frame("T1", f"frame {number}")
        await acknowledged(4)
        assert (await next_picture(watch)).jpeg == jpeg("frame 3")


async def refusal(watching: Awaitable[object]) -> ViewRefusal:
    """Why somebody may not watch."""
    with pytest.raises(ViewRefused) as refused:
        await watching
    return refused.value.refusal


async def test_viewers_are_counted_by_user_and_owners_have_a_place(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        watch = partial(place.views.watch, ATTEMPT, "")
        windows = [await watch("", "V1") for _ in range(MAX_WINDOWS)]
        assert await refusal(watch("", "V1")) is ViewRefusal.WINDOWS
        for number in range(2, MAX_WATCHERS + 1):
            await watch("", f"V{number}")
        assert await refusal(watch("", "V9")) is ViewRefusal.FULL
        await watch("", f"V{MAX_WATCHERS}")  # another window of theirs
        for owner in (ADA, BOB):
            await watch(owner, owner)
        windows[0].close()
        await until(lambda: place.live.watchers == MAX_WINDOWS + MAX_WATCHERS + 1)
        assert await refusal(watch("", "V9")) is ViewRefusal.FULL
        for window in windows[1:]:
            window.close()
        await until(lambda: place.live.watchers == MAX_WATCHERS + 2)
        await watch("", "V9")


async def test_the_watchers_of_a_machine_are_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_sessions, "MAX_MACHINE_WATCHERS", 1)
    monkeypatch.setattr(view_sessions, "MAX_MACHINE_WINDOWS", 3)
    async with viewed_place(tmp_path) as place:
        watch = partial(place.views.watch, ATTEMPT, "")
        await watch("", "V1")
        assert await refusal(watch("", "V2")) is ViewRefusal.MACHINE_FULL
        await watch("", "V1")
        await watch(ADA, "A")
        assert await refusal(watch(BOB, "B")) is ViewRefusal.MACHINE_FULL


async def test_only_the_user_who_has_taken_over_sends_input(tmp_path: Path) -> None:
    press = PointerInput("press", 0.5, 0.25, "left", 1)
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        ada = await place.views.watch(ATTEMPT, "", ADA, "A")
        bob = await place.views.watch(ATTEMPT, "", BOB, "B")
        seen = (await next_picture(ada)).number
        with pytest.raises(ViewRefused) as refused:
            await place.views.act(ATTEMPT, ADA, "0.T1", seen, [press])
        assert refused.value.refusal is ViewRefusal.NOT_TAKEN
        first = await place.views.take_over(ATTEMPT, ADA, "Ada")
        taken = await place.views.take_over(ATTEMPT, ADA, "Ada")  # again: in another tab
        assert await first.ended() is TakeoverEnd.TAKEN_AGAIN
        while not (state := await next_state(ada)).yours:
            pass
        assert state.taken_by == "Ada"
        while (state := await next_state(bob)).taken_by != "Ada":
            pass
        assert not state.yours
        for attempt in (
            place.views.take_over(ATTEMPT, BOB, "Bob"),
            place.views.act(ATTEMPT, BOB, "0.T1", seen, [press]),
        ):
            with pytest.raises(ViewRefused) as refused:
                await attempt
            expected = (ViewRefusal.TAKEN, "Ada"), (ViewRefusal.NOT_TAKEN, "")
            assert (refused.value.refusal, refused.value.name) in expected
        await place.views.act(ATTEMPT, ADA, "0.T1", seen, [press, KeyInput(True, "a", "KeyA")])
        with pytest.raises(ViewRefused) as refused:
            await place.views.act(ATTEMPT, ADA, "0.T9", seen, [TextInput("x")])
        assert refused.value.refusal is ViewRefusal.NO_PAGE
        [viewing] = place.viewing
        await until(lambda: viewing.sent("Input.dispatchKeyEvent"))
        [(session, event)] = viewing.sent("Input.dispatchMouseEvent")
        assert (session, event["type"], event["x"], event["y"]) == (
            "S-T1",
            "mousePressed",
            400,
            150,
        )
        for revoked in (False, True):
            await place.views.give_back(ATTEMPT, BOB, revoked=revoked)  # is not his
        await place.views.give_back(ATTEMPT, ADA)
        while (await next_state(bob)).taken_by:
            pass
        assert await taken.ended() is TakeoverEnd.BY_USER
        taken = await place.views.take_over(ATTEMPT, BOB, "Bob")
        await place.views.give_back(ATTEMPT, BOB, revoked=True)
        assert await taken.ended() is TakeoverEnd.REVOKED
        with pytest.raises(ViewRefused) as refused:
            await place.views.act(ATTEMPT, BOB, "0.T1", seen, [press])
        assert refused.value.refusal is ViewRefusal.NOT_TAKEN
        assert place.log == [
            "Ada has taken over the browser; the Worker keeps running.",
            "Ada has given the browser back.",
            "Bob has taken over the browser; the Worker keeps running.",
            "Bob has given the browser back: they may not act any more.",
        ]


async def test_a_browser_is_given_back_when_its_user_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT, "", ADA)
        taken = await place.views.take_over(ATTEMPT, ADA, "Ada")
        monkeypatch.setattr(live_view, "LEFT_SECONDS", 0.0)
        other = await place.views.watch(ATTEMPT, "", BOB)
        while not (await next_state(other)).taken_by:
            pass
        watch.close()
        while (await next_state(other)).taken_by:
            pass
        assert place.log[1:] == ["Ada has given the browser back: they left its page."]
        assert await taken.ended() is TakeoverEnd.LEFT
        other.close()
        await until(lambda: not place.live._views)
        await place.views.take_over(ATTEMPT, ADA, "Ada")  # in another view of this attempt
        await until(lambda: len(place.log) == 4)
        assert [line.split(" has ")[1][:5] for line in place.log] == ["taken", "given"] * 2


async def test_a_browser_is_given_back_without_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "TAKEN_SECONDS", 120.0)
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT, "", ADA)
        seen = (await next_picture(watch)).number
        hold = await place.views.take_over(ATTEMPT, ADA, "Ada")
        taken = place.live._views[ATTEMPT]._taken
        assert taken is not None
        while not (await next_state(watch)).taken_by:
            pass
        before = taken.until
        await place.views.act(ATTEMPT, ADA, "0.T1", seen, [TextInput("x")])
        assert taken.until > before  # input renews it
        taken.until = 0.0
        while (await next_state(watch)).taken_by:
            pass
        assert place.log[1:] == ["Ada has given the browser back: no input for 5 minutes."]
        assert await hold.ended() is TakeoverEnd.NO_INPUT
        with pytest.raises(ViewRefused):
            await place.views.act(ATTEMPT, ADA, "0.T1", seen, [TextInput("x")])


@pytest.mark.parametrize(
    ("final", "how", "why"),
    [
        (True, TakeoverEnd.ATTEMPT_OVER, "the Worker has ended"),
        (False, TakeoverEnd.LOST, "the connection to the browser was lost"),
    ],
)
async def test_the_end_of_the_attempt_gives_the_browser_back(
    tmp_path: Path, final: bool, how: TakeoverEnd, why: str
) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        await place.views.watch(ATTEMPT, "", ADA)
        taken = await place.views.take_over(ATTEMPT, ADA, "Ada")
        place.gateway.close(ATTEMPT, final=final)
        assert await taken.ended() is how
        assert place.log[1:] == [f"Ada has given the browser back: {why}."]


async def test_a_view_that_fails_gives_the_browser_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        await place.views.watch(ATTEMPT, "", ADA)
        taken = await place.views.take_over(ATTEMPT, ADA, "Ada")
        with monkeypatch.context() as broken:
            broken.setattr(live_view.AttemptView, "_update_watchers", lambda _: {}["page"])
            async with asyncio.timeout(30):
                assert await taken.ended() is TakeoverEnd.LOST
        assert place.log[1:] == [
            "Ada has given the browser back: the connection to the browser was lost."
        ]
        assert "the live view of attempt" in caplog.text
        await place.views.take_over(ATTEMPT, BOB, "Bob")  # in a new one


async def test_a_server_that_ends_gives_back_what_its_users_have_taken(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        bob = await place.views.watch(ATTEMPT, "", BOB)
        taken = await place.views.take_over(ATTEMPT, ADA, "Ada")
        while (await next_state(bob)).taken_by != "Ada":
            pass
        taken.close()
        assert await taken.ended() is TakeoverEnd.SERVER_GONE
        while (await next_state(bob)).taken_by:
            pass
        assert "the server process" in place.log[1]


async def test_the_windows_of_who_has_taken_over_are_counted(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        one = await place.views.watch(ATTEMPT, "", ADA)
        await place.views.watch(ATTEMPT, "", ADA)
        await place.views.take_over(ATTEMPT, ADA, "Ada")
        while (state := await next_state(one)).windows != 2:
            pass
        assert state.yours


async def test_a_dialog_is_shown_and_answered_by_who_has_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "_DIALOG_SECONDS", 0.0)
    async with viewed_place(tmp_path) as place:
        client, _ = await place.open_browser()
        [worker] = place.connections
        target = {"targetId": "T1", "type": "page", "title": "", "url": ""}
        worker.say("Target.attachedToTarget", sessionId="W", targetInfo=target)
        asked = {"type": "prompt", "message": "Your name?\n\x1b", "defaultPrompt": "Eve"}
        worker.say("Page.javascriptDialogOpening", "W", url="", **asked)
        watch = await place.views.watch(ATTEMPT, "", ADA)
        while (state := await next_state(watch)).dialog is None:
            pass
        number = state.dialog.number
        assert state.dialog == ViewedDialog(number, "prompt", "Your name?\n ", "Eve")
        answer = DialogInput(number, True, "Ada")
        act = partial(place.views.act, ATTEMPT, ADA, "0.T1", 0)
        with pytest.raises(ViewRefused, match="not_taken"):
            await act([answer])
        await place.views.take_over(ATTEMPT, ADA, "Ada")
        with pytest.raises(ViewRefused, match="replaced"):
            await act([DialogInput(number + 1, True)])
        await act([answer])
        await until(lambda: worker.sent("Page.handleJavaScriptDialog"))
        [handled] = worker.sent("Page.handleJavaScriptDialog")
        assert handled == ("W", {"accept": True, "promptText": "Ada"})
        worker.say("Page.javascriptDialogClosed", "W", result=True, userInput="Ada")
        while (await next_state(watch)).dialog is not None:
            pass
        # the client of the Worker heard of the dialog, and not of our command
        heard = [await client.hear() for _ in range(3)]
        assert [one.get("method", "")[-7:] for one in heard] == ["oTarget", "Opening", "gClosed"]


async def test_a_dialog_that_the_worker_answers_at_once_is_not_shown(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        [worker] = place.connections
        target = {"targetId": "T1", "type": "page", "title": "", "url": ""}
        worker.say("Target.attachedToTarget", sessionId="W", targetInfo=target)
        worker.say("Page.javascriptDialogOpening", "W", type="alert", message="Hi", url="")
        watch = await place.views.watch(ATTEMPT)
        while not (state := await next_state(watch)).pages:
            pass
        assert state.dialog is None
