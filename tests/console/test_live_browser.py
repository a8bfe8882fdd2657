"""The live picture of a run's browser in a browser: pictures, choices, mouse and keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from support.axe import sideways, violations
from support.browser import PHONE, WIDE, tab
from support.live_browser_run import LiveBrowserRun, live_browser_run
from support.pages import sign_in

IMAGE = ".live-stage img"
SEEN = "document.querySelector('live-browser').seen"  # a picture is drawn


@pytest.fixture
def live(tmp_path: Path, templates: Path, browser: Browser) -> Iterator[LiveBrowserRun]:
    drawing = browser.new_page(viewport={"width": 800, "height": 600})
    drawing.set_content("<body style='background: linear-gradient(gold, teal)'><h1>A shop</h1>")
    picture = drawing.screenshot(type="jpeg", quality=50)
    drawing.close()
    with live_browser_run(tmp_path, templates) as live:
        live.place.first = picture
        yield live


@pytest.fixture
def page(browser: Browser, live: LiveBrowserRun) -> Iterator[Page]:
    token = live.server.do(sign_in(live.server.app.services.sessions, live.server.app))
    with tab(browser, live.server.base_url, token, bypass_csp=True) as (page, watch):
        yield page
        assert watch.errors == watch.foreign == []


def sent(live: LiveBrowserRun, method: str) -> list[Any]:
    return [params for one in live.place.viewing for _, params in one.sent(method)]


def wait_for(page: Page, live: LiveBrowserRun, method: str, count: int) -> list[Any]:
    """The parameters of the first commands of a method, once they have arrived."""
    for _ in range(600):
        found = sent(live, method)
        if len(found) >= count:
            return found
        page.wait_for_timeout(20)
    raise AssertionError(f"{method}: {found}")


def assert_fine(page: Page) -> None:
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of its literals
        assert violations(page) == [], theme
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a dict with these two keys
    assert sideways(page) == ""
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")


def test_the_picture_appears_with_the_browser_and_the_pages_can_be_chosen(
    live: LiveBrowserRun, page: Page
) -> None:
    page.goto(live.at)
    status = page.locator("[data-part=status]")
    expect(status).to_have_text("No browser is open. Its picture appears when one is opened.")
    live.place.pages["T2"] = ("Two", "https://a.example/2")
    live.open_browser()
    expect(page.locator(IMAGE)).to_be_visible()
    assert page.locator(IMAGE).evaluate("image => image.decode().then(() => image.naturalWidth)")
    page.get_by_label("Page").select_option("One")
    expect(page.locator("[data-part=address]")).to_have_text("https://a.example/1")
    expect(page.locator(IMAGE)).to_have_attribute("alt", "Live picture of the page One")
    assert_fine(page)
    live.server.do(live.server.app.end(live.lease))
    live.server.loop.call_soon_threadsafe(
        lambda: live.place.gateway.close(live.attempt, final=True)
    )
    expect(status).to_have_text("The run is over.")
    expect(page.locator(IMAGE)).to_be_hidden()


def test_an_owner_acts_with_mouse_keyboard_and_texts(live: LiveBrowserRun, page: Page) -> None:
    live.open_browser()
    page.goto(live.at)
    image = page.locator(IMAGE)
    expect(image).to_be_visible()
    image.click()
    assert sent(live, "Input.dispatchMouseEvent") == []
    page.get_by_role("button", name="Take over").first.click()
    assert_fine(page)
    page.get_by_role("dialog").get_by_role("button", name="Take over").click()
    expect(page.locator("[data-part=status]")).to_contain_text("Shift+Esc leaves the picture")
    expect(image).to_be_visible()
    assert_fine(page)
    page.wait_for_function(SEEN)
    place = image.bounding_box()
    assert place is not None
    image.click(position={"x": place["width"] / 4, "y": place["height"] / 2})
    events = list(wait_for(page, live, "Input.dispatchMouseEvent", 3))
    press = next(one for one in events if one["type"] == "mousePressed")
    assert (press["button"], press["clickCount"]) == ("left", 1)
    assert press["x"] == pytest.approx(200, abs=3) and press["y"] == pytest.approx(300, abs=3)
    page.keyboard.type("aB")
    page.keyboard.press("Enter")
    keys = list(wait_for(page, live, "Input.dispatchKeyEvent", 6))
    assert [one["text"] for one in keys if "text" in one] == ["a", "B", "\r"]
    page.mouse.wheel(0, 120)
    wheel = wait_for(page, live, "Input.dispatchMouseEvent", len(events) + 1)
    assert [one["deltaY"] for one in wheel if one["type"] == "mouseWheel"] == [120]
    page.evaluate(
        """() => {
  const data = new DataTransfer();
  data.setData("text/plain", "pasted");
  const options = { clipboardData: data, bubbles: true, cancelable: true };
  document.querySelector(".live-stage").dispatchEvent(new ClipboardEvent("paste", options));
}"""
    )
    page.get_by_label("Text to type").fill("typed below")
    page.get_by_role("button", name="Type text").click()
    texts = [one["text"] for one in wait_for(page, live, "Input.insertText", 2)]
    assert texts == ["pasted", "typed below"]
    page.get_by_role("button", name="Backspace").click()
    assert wait_for(page, live, "Input.dispatchKeyEvent", len(keys) + 2)[-1]["key"] == "Backspace"
    page.locator(".live-stage").focus()
    page.keyboard.press("Shift+Escape")
    assert page.evaluate("document.activeElement === document.body")
    page.get_by_role("button", name="Give back").click()
    expect(page.get_by_role("button", name="Take over").first).to_be_visible()
    assert [line.split(" has ")[1][:5] for line in live.place.log] == ["taken", "given"]


def test_input_goes_to_the_page_that_was_shown_when_it_was_made(
    live: LiveBrowserRun, page: Page
) -> None:
    live.open_browser()
    page.goto(live.at)
    expect(page.locator(IMAGE)).to_be_visible()
    posted = page.evaluate(
        """async () => {
  const live = document.querySelector("live-browser");
  const bodies = [];
  live.post = async (body) => void bodies.push(JSON.parse(body));
  const state = (shown) => ({ ...live.state, attempts: [], attempt: "a", shown, yours: true });
  const draw = (page, number) => {
    live.coming = { page, number };
    live.drawn();
  };
  const type = (text) => live.add({ kind: "text", text });
  live.setState(state("0.T1"));
  draw("0.T1", 1);
  type("one");
  live.showState(state("0.T1"));
  type("two");
  draw("0.T1", 2);
  type("three");
  live.showState(state("0.T2"));
  type("for the picture of the page before");
  draw("0.T2", 3);
  type("four");
  live.showNotice("");
  type("for no picture");
  await live.sent;
  return bodies.map((body) => [body.page, body.picture, body.inputs.map((input) => input.text)]);
}"""
    )
    assert posted == [["0.T1", 1, ["one", "two"]], ["0.T1", 2, ["three"]], ["0.T2", 3, ["four"]]]


def test_a_page_that_has_changed_is_said(live: LiveBrowserRun, page: Page) -> None:
    live.open_browser()
    page.goto(live.at)
    page.get_by_role("button", name="Take over").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Take over").click()
    page.wait_for_function(SEEN)
    page.evaluate("document.querySelector('live-browser').seen.number -= 1")
    page.locator(IMAGE).click()
    status = page.locator("[data-part=status]")
    expect(status).to_have_text("The page has changed: the input was not sent.")
    assert sent(live, "Input.dispatchMouseEvent") == []


def test_a_tap_is_a_click_and_dragging_scrolls(live: LiveBrowserRun, browser: Browser) -> None:
    live.open_browser()
    token = live.server.do(sign_in(live.server.app.services.sessions, live.server.app))
    with tab(browser, live.server.base_url, token, size=PHONE, has_touch=True) as (page, watch):
        page.goto(live.at)
        page.get_by_role("button", name="Take over").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Take over").click()
        image = page.locator(IMAGE)
        expect(page.locator(".live-stage.taken")).to_be_visible()
        page.wait_for_function(SEEN)
        image.scroll_into_view_if_needed()
        image.tap()
        events = wait_for(page, live, "Input.dispatchMouseEvent", 2)
        assert [one["type"] for one in events] == ["mousePressed", "mouseReleased"]
        page.wait_for_timeout(100)
        assert len(sent(live, "Input.dispatchMouseEvent")) == 2  # no mouse events besides
        assert watch.errors == watch.foreign == []


def test_without_a_script_there_is_a_picture(live: LiveBrowserRun, browser: Browser) -> None:
    live.open_browser()
    token = live.server.do(sign_in(live.server.app.services.sessions, live.server.app))
    base_url = live.server.base_url
    with tab(browser, base_url, token, java_script_enabled=False) as (page, watch):
        page.goto(live.at)
        picture = page.get_by_alt_text("Picture of the page")
        expect(picture).to_be_visible()
        size = picture.bounding_box()
        assert size is not None and size["width"] > 300
        assert watch.errors == watch.foreign == []


def test_a_hidden_tab_takes_no_pictures(live: LiveBrowserRun, page: Page) -> None:
    live.open_browser()
    page.goto(live.at)
    expect(page.locator(IMAGE)).to_be_visible()
    assert live.place.live.watchers == 1
    page.evaluate(
        """() => {
  Object.defineProperty(document, "hidden", { value: true, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
    )
    expect(page.locator("[data-part=status]")).to_have_text(
        "Paused while this page is not visible."
    )
    for _ in range(600):
        if not live.place.live.watchers:
            break
        page.wait_for_timeout(20)
    assert live.place.live.watchers == 0
    page.evaluate(
        """() => {
  Object.defineProperty(document, "hidden", { value: false, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
    )
    expect(page.locator("[data-part=status]")).to_have_text("")
    assert live.place.live.watchers == 1
