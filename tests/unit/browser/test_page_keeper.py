"""When the last page is taken, and that nothing waits for it for long."""

from __future__ import annotations

import asyncio
import time

import pytest

from fyke.browser import page_keeper as module
from fyke.model.browser import ConsoleLevel, ConsoleLine
from fyke.model.last_page import PageFileKind, PageGap
from support.browser_hosts import until
from support.pages_of_a_site import JPEG, shop
from support.pages_of_a_site import PICTURE_COMMAND as HOLD

pytestmark = pytest.mark.anyio
PICTURE, HTML = PageFileKind.SCREENSHOT, PageFileKind.HTML


async def test_the_page_is_taken_before_its_close_is_passed_on() -> None:
    async with shop() as one:
        await one.open()
        await one.say("Target.closeTarget", targetId="P")
        assert one.site.log[-1] == "Target.closeTarget"
        assert set(one.site.log[:-1]) == {
            "Target.attachToTarget", "Target.getTargetInfo", "DOM.getDocument",
            "DOM.getOuterHTML", HOLD,
        }  # fmt: skip
        page = await one.last()
    assert page is not None
    assert (page.url, page.title) == ("https://a.example/", "Shop")
    assert (page.screenshot, page.html, page.is_cut) == (JPEG, b"<html>shown</html>", False)
    assert page.gaps == {} and one.site.attached() == ["P"]


@pytest.mark.parametrize(
    ("method", "session", "params"),
    [
        ("Page.close", "SP", {}),
        ("Target.disposeBrowserContext", "", {"browserContextId": "C"}),
        ("Browser.close", "", {}),
    ],
)
async def test_whatever_ends_a_page_waits(
    method: str, session: str, params: dict[str, object]
) -> None:
    async with shop() as one:
        await one.open()
        await one.say(method, session, **params)
        assert one.site.log[-1] == method and HOLD in one.site.log
        assert one.site.attached() == ["P"]


async def test_a_page_that_is_closed_by_a_request_is_taken_before() -> None:
    async with shop() as one:
        await one.open()
        await one.gateway.get("/json/close/P")
        assert one.site.attached() == ["P"]


async def test_the_page_of_a_client_that_leaves_is_taken_while_it_is_there() -> None:
    async with shop() as one:
        await one.open()
        one.client.writer.close()
        await until(lambda: 0 in dict(one.site.ends))
        assert HOLD in one.site.log[: dict(one.site.ends)[0]]
        page = await one.last()
    assert page is not None and page.screenshot == JPEG
    assert one.site.attached() == ["P"]  # what is fresh is not taken again


async def test_at_the_end_the_page_that_is_open_is_taken() -> None:
    async with shop() as one:
        await one.open("X")
        await one.open()
        page = await one.last()
    assert page is not None and page.html == b"<html>shown</html>"
    assert one.site.attached() == ["P"]


async def test_nothing_is_asked_if_nothing_is_kept() -> None:
    async with shop(keep=False) as one:
        await one.open()
        await one.say("Target.closeTarget", targetId="P")
        assert one.site.log == ["Target.closeTarget"]
        assert await one.last() is None
        assert one.site.log == ["Target.closeTarget"]


async def test_a_page_that_does_not_answer_delays_its_close_only_briefly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HOLD_SECONDS", 2.0)
    monkeypatch.setattr(module, "END_SECONDS", 2.0)
    async with shop() as one:
        one.site.answers = {HOLD: None, "DOM.getDocument": None}
        await one.open()
        await one.say("Target.closeTarget", targetId="P")
        page = await one.last()
    assert page is not None and page.url == "https://a.example/"
    assert page.gaps == {PICTURE: PageGap.NO_ANSWER, HTML: PageGap.NO_ANSWER}


async def test_many_closed_pages_are_not_all_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(module, "SHARE", 0.0)
    async with shop() as one:
        await one.open("X")
        await one.say("Target.closeTarget", targetId="X")
        assert one.site.log == ["Target.closeTarget"]  # it may not delay
        response = {"status": 503, "headers": {}}
        request = {"url": "https://a.example/"}
        sent = {"requestId": "L2", "request": request, "type": "Document"}
        one.site.say("Network.requestWillBeSent", "SP", **sent)
        answered = {"requestId": "L2", "response": response, "type": "Document"}
        one.site.say("Network.responseReceived", "SP", **answered)
        for _ in range(2):
            await one.client.hear()
        await one.open("P", loader="L2")
        await one.say("Target.closeTarget", targetId="P")
        assert one.site.attached() == ["P"]  # but a page that has failed may
        await one.open("Q", loader="L2")
        await one.say("Target.closeTarget", targetId="Q")
        assert one.site.attached() == ["P"]  # not again so soon


async def test_a_page_that_was_open_for_long_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(module, "SHARE", 0.0)
    monkeypatch.setattr(module, "LONG_SECONDS", 0.0)
    async with shop() as one:
        await one.open()
        await one.say("Target.closeTarget", targetId="P")
        assert one.site.attached() == ["P"]


async def test_an_earlier_page_does_not_replace_a_later_one() -> None:
    async with shop() as one:
        await one.open("X", url="https://list.example/")
        await one.open()
        await one.say("Target.closeTarget", targetId="P")
        await one.say("Browser.close")
        page = await one.last()
        assert page is not None
    assert page.url == "https://a.example/" and one.site.attached() == ["P"]


@pytest.mark.parametrize("closing", [[], ["P", "A"], ["A", "P"]])
async def test_the_page_on_which_the_client_acts_is_kept_not_a_pop_up(closing: list[str]) -> None:
    async with shop() as one:
        one.site.named = {"A": "https://a.example/form", "P": "https://ads.example/"}
        await one.open("A", url="https://a.example/form")
        await one.say("Runtime.callFunctionOn", "SA", functionDeclaration="() => 1")
        await one.open("P", url="https://ads.example/")
        await one.say("Page.enable", "SP")  # which a library does on each page
        for target in closing:
            await one.say("Target.closeTarget", targetId=target)
        page = await one.last()
        assert page is not None and page.url == "https://a.example/form"


async def test_the_client_may_go_on_in_a_pop_up_and_back() -> None:
    async with shop() as one:
        for target in "AP":
            await one.open(target)
            await one.say("Input.insertText", f"S{target}", text="x")
        await one.say("Target.closeTarget", targetId="P")
        await one.say("Runtime.evaluate", "SA", expression="1")
        await one.last()
        assert one.site.attached() == ["P", "A"]


async def test_a_page_that_was_not_taken_in_time_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "END_SECONDS", 0.0)
    async with shop() as one:
        await one.open()
        page = await one.last()
    assert page is None  # nothing at all is known of it
    keeper = module.PageKeeper()
    keeper.navigated(module.PagePlace(1, 0, "P"), "L")
    keeper.wrote(ConsoleLine(1, ConsoleLevel.ERROR, "oh"))
    page = await keeper.finish(None)
    assert page is not None and page.gaps == {PICTURE: PageGap.GONE, HTML: PageGap.GONE}


@pytest.mark.parametrize(
    ("event", "params", "gap", "title"),
    [
        ("Inspector.targetCrashed", {}, PageGap.CRASHED, ""),
        ("Page.javascriptDialogOpening", {"type": "confirm", "message": "Sure?"}, PageGap.DIALOG,
         "Shop"),
    ],
)  # fmt: skip
async def test_a_page_that_cannot_answer_has_the_reason(
    event: str, params: dict[str, str], gap: PageGap, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "END_SECONDS", 2.0)
    async with shop() as one:
        one.site.answers = {HOLD: None, "DOM.getDocument": None}
        await one.open()
        one.site.say(event, "SP", **params)
        await one.client.hear()
        page = await one.last()
    assert page is not None and page.gaps == {PICTURE: gap, HTML: gap}
    assert page.title == title
    assert [line.text for line in page.console] == ["dialog confirm: Sure?"] * ("type" in params)


async def test_a_page_that_shows_another_document_has_no_dialog() -> None:
    async with shop() as one:
        await one.open()
        one.site.say("Page.javascriptDialogOpening", "SP", type="alert", message="Hi")
        await one.client.hear()
        [page] = one.keeper._opened.values()
        assert page.state is PageGap.DIALOG
        blank = {"loaderId": "B", "url": "about:blank"}
        one.site.say("Page.frameNavigated", "SP", frame=blank)
        await one.client.hear()
        assert page.state is None
        await one.say("Target.disposeBrowserContext", browserContextId="C")
        one.site.say("Page.frameNavigated", "SP", frame=blank)
        await one.client.hear()
        await one.last()
        assert one.site.attached() == ["P"]  # what was taken is fresh


async def test_who_leaves_second_waits_for_the_page_that_is_being_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A launched browser ends with either of two connections, which a killed Worker ends both."""
    async with shop() as one:
        keeper, browser = one.keeper, one.browser
        await one.open()
        first = asyncio.ensure_future(keeper.client_left(browser, 0))
        await until(lambda: HOLD in one.site.log)
        await keeper.client_left(browser, 0)
        assert first.done()
        page = await one.last()
    assert page is not None and page.screenshot == JPEG


async def test_requests_and_console_are_kept_without_a_page() -> None:
    async with shop() as one:
        request = {"url": "https://a.example/x", "method": "POST", "headers": {"Cookie": "a=b"}}
        sent = {"requestId": "1", "request": request, "type": "XHR", "wallTime": 5, "timestamp": 1}
        one.site.say("Network.requestWillBeSent", "S", **sent)
        failed = {"requestId": "1", "timestamp": 2, "errorText": "net::ERR_FAILED"}
        one.site.say("Network.loadingFailed", "S", **failed)
        arguments = [{"type": "string", "value": "oh"}]
        one.site.say("Runtime.consoleAPICalled", "S", type="error", args=arguments, timestamp=1)
        for _ in range(3):
            await one.client.hear()
        one.site.targets = one.site.targets[:1]
        page = await one.last()
        assert page is not None
    assert page.gaps == {PICTURE: PageGap.NO_PAGE, HTML: PageGap.NO_PAGE}
    [logged] = page.requests
    assert (logged.method, logged.url) == ("POST", "https://a.example/x")
    assert (logged.request_headers, logged.failure) == ((("Cookie", "***"),), "net::ERR_FAILED")
    assert (logged.wait_ms, logged.started) == (1000, 5)
    assert [line.text for line in page.console] == ["oh"]


async def test_what_was_kept_outlives_an_error_of_the_last_taking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object) -> None:
        raise ValueError

    async with shop() as one:
        await one.open()
        await one.say("Target.closeTarget", targetId="P")
        await one.open("Q")
        monkeypatch.setattr(module.PageTaking, "run", fail)
        page = await one.last()
    assert page is not None and page.html == b"<html>shown</html>"


async def test_the_end_waits_for_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEFT_SECONDS", 2.0)
    monkeypatch.setattr(module, "END_SECONDS", 3.0)
    async with shop() as one:
        one.site.answers = {HOLD: None, "DOM.getDocument": None}
        await one.open()
        one.client.writer.close()
        await until(lambda: HOLD in one.site.log)
        began = time.monotonic()
        page = await one.last()
        assert time.monotonic() - began < 20
    assert page is not None and page.url == "https://a.example/"
