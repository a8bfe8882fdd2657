"""What a hijacked Chromium may send to a live view, and what is made of it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from fyke.browser.viewed_browser import MAX_PAGES, MAX_TITLE, MAX_URL
from fyke.contracts.browser_view import (
    MAX_PICTURE,
    PageTrouble,
    PointerInput,
    TextInput,
    ViewRefused,
)
from support.browser_hosts import until
from support.browser_place import ATTEMPT
from support.browser_views import next_picture, next_state, viewed_place
from support.jpegs import jpeg

pytestmark = pytest.mark.anyio


async def test_texts_of_pages_are_lines_of_limited_length(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        place.pages["T1"] = ("a\nb\x1b" + "x" * 5000, "https://a.example/" + "y" * 5000)
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        while not (state := await next_state(watch)).pages:
            pass
        [page] = state.pages
        assert page.title == ("a b " + "x" * MAX_TITLE)[:MAX_TITLE]
        assert len(page.url) == MAX_URL


async def test_only_pages_of_possible_names_are_listed_and_not_too_many(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        await next_picture(watch)
        [viewing] = place.viewing
        good = {"targetId": "T2", "type": "page", "title": "Two", "url": ""}
        for wrong in (
            good | {"targetId": "../T"},
            good | {"targetId": "T" * 65},
            good | {"type": "worker"},
            good | {"subtype": "prerender"},
            {"type": "page"},
        ):
            viewing.say("Target.targetCreated", targetInfo=wrong)
        viewing.say("Target.targetCreated", "S-T1", targetInfo=good)  # not of the browser
        for number in range(MAX_PAGES + 50):
            name = {"targetId": f"M{number}", "title": "\u00e4" * MAX_TITLE}
            viewing.say("Target.targetCreated", targetInfo=good | name)
        while len((state := await next_state(watch)).pages) < 20:
            pass
        assert all(page.id.startswith(("0.M", "0.T1")) for page in state.pages)
        viewed = place.live._views[ATTEMPT]._browsers
        [browser] = viewed.values()
        await until(lambda: len(browser.pages) == MAX_PAGES)
        viewing.say("Target.targetDestroyed", targetId="M0")
        await until(lambda: len(browser.pages) == MAX_PAGES - 1)
        assert "0.T2" not in browser.pages


async def test_what_is_no_picture_is_not_shown_and_the_next_one_is(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        await next_picture(watch)
        [viewing] = place.viewing

        async def acknowledged(count: int) -> None:
            await until(lambda: len(viewing.sent("Page.screencastFrameAck")) == count)

        await acknowledged(1)
        wrong = (
            ("no base64 \u00e4", 800, 600),
            (base64.b64encode(b"<svg onload=alert(1)>").decode(), 800, 600),
            (base64.b64encode(jpeg("x" * MAX_PICTURE)).decode(), 800, 600),
            (base64.b64encode(jpeg("large", 65_000, 65_000)).decode(), 800, 600),
            (base64.b64encode(jpeg("wide", 1281, 1)).decode(), 800, 600),
            (base64.b64encode(jpeg("high", 1, 801)).decode(), 800, 600),
            (base64.b64encode(jpeg("no size")).decode(), 0, 600),
            (base64.b64encode(jpeg("too wide")).decode(), 1e300, 600),
        )
        for count, (data, width, height) in enumerate(wrong, 2):
            viewing.raw_frame("T1", data, width, height)
            await acknowledged(count)
        viewing.frame("T1", "good")
        assert (await next_picture(watch)).jpeg == jpeg("good")
    assert place.log == [
        "The live view leaves out pictures of the browser; the first one is not in base64."
    ]


async def test_the_log_has_the_size_of_a_picture_that_is_too_large(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        place.first = jpeg("large", 4000, 4000)
        await place.open_browser()
        await place.views.watch(ATTEMPT)
        await until(lambda: place.log)
        [line] = place.log
        assert line.endswith("the first one has 4000 x 4000 pixels, which is too large.")


async def test_more_pictures_than_asked_for_are_dropped_unread(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        await next_picture(watch)
        [viewing] = place.viewing
        await until(lambda: viewing.sent("Page.screencastFrameAck"))
        viewing.frame("T1", "asked for")
        for number in range(50):
            viewing.frame("T1", f"flood {number}")
        viewing.say("Page.screencastFrame", "S-other", data="", sessionId=1)
        assert (await next_picture(watch)).jpeg == jpeg("asked for")
        await until(lambda: len(viewing.sent("Page.screencastFrameAck")) == 2)
        viewing.frame("T1", "the next one")
        assert (await next_picture(watch)).jpeg == jpeg("the next one")


async def test_a_page_that_cannot_be_cast_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.browser.viewed_browser._RETRY_SECONDS", 0.01)
    async with viewed_place(tmp_path) as place:
        place.results["Page.startScreencast"] = "Internal error"
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        await until(lambda: place.viewing)
        [viewing] = place.viewing
        await until(lambda: len(viewing.sent("Target.detachFromTarget")) > 1)
        assert len(viewing.sent("Target.attachToTarget")) <= 3  # at most one is open
        del place.results["Page.startScreencast"]
        await next_picture(watch)


async def test_no_input_is_sent_while_chromium_does_not_read(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT, holder="H")
        seen = (await next_picture(watch)).number
        await place.views.take_over(ATTEMPT, "H", "Ada")
        [browser] = place.live._views[ATTEMPT]._browsers.values()
        assert browser._session is not None
        stream = browser._session._stream
        stream.pause_writing()
        with pytest.raises(ViewRefused, match="away"):
            await place.views.act(ATTEMPT, "H", "0.T1", seen, [TextInput("one")])
        stream.resume_writing()
        await place.views.act(ATTEMPT, "H", "0.T1", seen, [TextInput("two")])
        [viewing] = place.viewing
        await until(lambda: viewing.sent("Input.insertText"))
        assert [params["text"] for _, params in viewing.sent("Input.insertText")] == ["two"]


@pytest.mark.parametrize("how", ["address", "document"])
async def test_input_for_what_a_page_shows_no_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("fyke.browser.viewed_browser._RECAST_SECONDS", 60.0)
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT, holder="H")
        picture = await next_picture(watch)
        await place.views.take_over(ATTEMPT, "H", "Ada")
        [viewing] = place.viewing

        async def act(number: int) -> None:
            await place.views.act(ATTEMPT, "H", "0.T1", number, [TextInput(f"{number}")])

        await act(picture.number)
        viewing.moved("T1", "https://a.example/1#part")  # the same document
        viewing.frame("T1", "part")
        newer = await next_picture(watch)
        assert newer.number > picture.number
        await act(picture.number)  # one that was shown a moment ago
        [browser] = place.live._views[ATTEMPT]._browsers.values()
        before = browser._document("0.T1")
        if how == "address":
            viewing.moved("T1", "https://a.example/2")
        else:  # of the same address, which the client of the Worker hears of
            worker = place.connections[0]
            info = {"targetId": "T1", "type": "page", "title": "", "url": ""}
            worker.say("Target.attachedToTarget", sessionId="W", targetInfo=info)
            frame = {"id": "F", "loaderId": "L2", "url": "https://a.example/1"}
            worker.say("Page.frameNavigated", "W", frame=frame)
        await until(lambda: browser._document("0.T1") != before)
        with pytest.raises(ViewRefused, match="replaced"):
            await act(newer.number)
        monkeypatch.setattr("fyke.browser.viewed_browser._RECAST_SECONDS", 0.0)
        latest = await next_picture(watch)  # of another screencast, though nothing was drawn
        for number in (picture.number, newer.number, latest.number + 1, 0):
            with pytest.raises(ViewRefused, match="replaced"):
                await act(number)
        await act(latest.number)
        await until(lambda: len(viewing.sent("Input.insertText")) == 3)
        texts = [params["text"] for _, params in viewing.sent("Input.insertText")]
        assert texts == [f"{one}" for one in (picture.number, picture.number, latest.number)]


async def test_input_for_an_old_picture_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.browser.viewed_browser.SEEN_SECONDS", 0.0)
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT, holder="H")
        old = await next_picture(watch)
        await place.views.take_over(ATTEMPT, "H", "Ada")
        [viewing] = place.viewing
        await until(lambda: viewing.sent("Page.screencastFrameAck"))
        viewing.frame("T1", "new", 400, 300)
        new = await next_picture(watch)
        with pytest.raises(ViewRefused, match="replaced"):
            await place.views.act(ATTEMPT, "H", "0.T1", old.number, [TextInput("old")])
        press = PointerInput("press", 0.5, 0.5, "left", 1)
        await place.views.act(ATTEMPT, "H", "0.T1", new.number, [press])
        await until(lambda: viewing.sent("Input.dispatchMouseEvent"))
        [(_, event)] = viewing.sent("Input.dispatchMouseEvent")
        assert (event["x"], event["y"]) == (200, 150)


async def test_a_connection_that_breaks_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.browser.live_view._RETRY_SECONDS", 0.01)
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        await next_picture(watch)
        place.viewing[0].close()
        await until(lambda: len(place.viewing) == 2)
        assert await next_picture(watch)


async def test_a_page_that_does_not_answer_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.browser.viewed_browser.LOOK_SECONDS", 0.01)
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        await next_picture(watch)
        [viewing] = place.viewing
        question = "Page.getFrameTree"

        def asked() -> list[dict[str, object]]:
            return [command for command in viewing.commands if command["method"] == question]

        await until(lambda: len(asked()) > 1)
        viewing.unanswered.add(question)
        before = len(asked())
        await until(lambda: len(asked()) > before)
        monkeypatch.setattr("fyke.browser.viewed_browser.SILENT_SECONDS", 0.0)
        while (state := await next_state(watch)).trouble is not PageTrouble.SILENT:
            assert state.trouble is None
        viewing.unanswered.clear()
        viewing.answer(asked()[-1])
        while (await next_state(watch)).trouble is not None:
            pass
        await until(lambda: len(asked()) > before + 1)  # it is asked again


async def test_a_crashed_page_is_said_until_it_is_there_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.browser.viewed_browser._RECAST_SECONDS", 0.0)
    monkeypatch.setattr("fyke.browser.viewed_browser._LATE_SECONDS", 60.0)
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        await next_picture(watch)
        [viewing] = place.viewing
        viewing.say("Target.targetCrashed", targetId="T1", status="crashed", errorCode=5)
        while (await next_state(watch)).trouble is not PageTrouble.CRASHED:
            pass
        await until(lambda: viewing.sent("Page.screencastFrameAck"))
        viewing.frame("T1", "of before the crash")
        await until(lambda: len(viewing.sent("Page.screencastFrameAck")) == 2)
        [browser] = place.live._views[ATTEMPT]._browsers.values()
        assert browser.trouble("0.T1") is PageTrouble.CRASHED
        viewing.say("Inspector.targetReloadedAfterCrash", "S-T1")
        while (await next_state(watch)).trouble is not None:
            pass
        await until(lambda: len(viewing.sent("Page.startScreencast")) == 2)
        viewing.say("Target.targetCrashed", targetId="T1", status="crashed", errorCode=5)
        while (await next_state(watch)).trouble is not PageTrouble.CRASHED:
            pass
        monkeypatch.setattr("fyke.browser.viewed_browser._LATE_SECONDS", -1.0)
        await until(lambda: len(viewing.sent("Page.screencastFrameAck")) == 3)
        viewing.frame("T1", "after it")  # though nothing said that it is there again
        while (await next_state(watch)).trouble is not None:
            pass


async def test_titles_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fyke.browser.viewed_browser.LOOK_SECONDS", 0.01)
    async with viewed_place(tmp_path) as place:
        info = {"targetId": "T1", "type": "page", "title": "Later", "url": "https://a.example/1"}
        place.results["Target.getTargets"] = {"targetInfos": [info, info | {"type": "worker"}]}
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT)
        titles = [[page.title for page in (await next_state(watch)).pages]]
        while titles[-1] != ["Later"]:
            titles.append([page.title for page in (await next_state(watch)).pages])
        assert titles[0] != ["Later"]


async def test_pages_are_in_the_order_in_which_clients_heard_of_them(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        del place.pages["T1"]
        for name in ("B", "A", "D", "C"):  # as Chromium lists them
            place.pages[name] = (name, f"https://a.example/{name}")
        place.pages["0"] = ("about:blank", "about:blank")
        await place.open_browser()
        [worker] = place.connections
        for name in ("0", "A", "B", "C"):
            target = {"targetId": name, "type": "page", "title": "", "url": ""}
            worker.say("Target.attachedToTarget", sessionId=f"W{name}", targetInfo=target)
        browser = place.gateway.find(ATTEMPT).browser
        await until(lambda: len(browser.recorder._order) == 4)
        watch = await place.views.watch(ATTEMPT)
        while len((state := await next_state(watch)).pages) < 4:
            pass
        # the unused first page of Chromium is left out
        assert [page.title for page in state.pages] == ["A", "B", "C", "D"]
        chosen = await place.views.watch(ATTEMPT, "0.0")
        while len((state := await next_state(chosen)).pages) < 5:
            pass
        assert (state.pages[0].id, state.shown) == ("0.0", "0.0")


async def test_the_newest_pages_that_fit_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.browser.live_view.MAX_LIST", 250)
    async with viewed_place(tmp_path) as place:
        place.pages |= {f"T{n}": (f"Title {n}", f"https://a.example/{n}") for n in range(2, 9)}
        await place.open_browser()
        watch = await place.views.watch(ATTEMPT, "0.T2")
        while (state := await next_state(watch)).more == 0 or state.shown != "0.T2":
            pass
        ids = [page.id for page in state.pages]
        assert ids == ["0.T2", "0.T6", "0.T7", "0.T8"]
        assert state.more == 4
