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
SEEN = "document.querySelector('live-browser')?.seen"  # a picture is drawn


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


def take_over(page: Page) -> None:
    page.get_by_role("button", name="Take over").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Take over").click()
    expect(page.locator(".live-stage.taken")).to_be_visible()


def assert_fine(page: Page) -> None:
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of its literals
        assert violations(page) == [], theme
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a dict with these two keys
    assert sideways(page) == []
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
    page.locator("main").get_by_role("combobox", name="Page").select_option("One")
    expect(page.locator("[data-part=address]")).to_have_text("https://a.example/1")
    expect(page.locator(IMAGE)).to_have_attribute("alt", "Live picture of the page One")
    assert_fine(page)
    live.server.do(live.server.app.end(live.lease))
    live.server.loop.call_soon_threadsafe(
        lambda: live.place.gateway.close(live.attempt, final=True)
    )
    expect(status).to_have_text("The run is over.")
    expect(page.locator("[data-part=hint]")).to_be_hidden()
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
    take_over(page)
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
        take_over(page)
        image = page.locator(IMAGE)
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


def test_the_chosen_page_stays_when_it_is_taken_over_and_given_back(
    live: LiveBrowserRun, page: Page
) -> None:
    live.place.pages["T2"] = ("Two", "https://a.example/2")
    live.open_browser()
    page.goto(live.at)
    choice = page.locator("[data-part=pages] select")
    choice.select_option("One")
    address = page.locator("[data-part=address]")
    expect(address).to_have_text("https://a.example/1")
    page.reload()
    expect(address).to_have_text("https://a.example/1")
    page.goto(live.at)
    expect(address).to_have_text("https://a.example/2")
    choice.select_option("One")
    expect(address).to_have_text("https://a.example/1")
    take_over(page)
    expect(address).to_have_text("https://a.example/1")
    page.wait_for_function(SEEN)
    assert page.locator("#live-browser").evaluate("one => one.getBoundingClientRect().top") < 200
    page.get_by_role("button", name="Give back").click()
    expect(page.get_by_role("button", name="Take over").first).to_be_visible()
    expect(address).to_have_text("https://a.example/1")


def test_a_page_that_opens_meanwhile_is_offered(live: LiveBrowserRun, page: Page) -> None:
    live.open_browser()
    page.goto(live.at)
    expect(page.locator(IMAGE)).to_be_visible()
    take_over(page)
    live.place.pages["T2"] = ("Pop-up", "https://a.example/2")
    live.server.loop.call_soon_threadsafe(lambda: live.place.viewing[-1].tell("T2"))
    newer = page.locator("[data-part=newer]")
    expect(newer).to_contain_text("A newer page is open: Pop-up")
    assert_fine(page)
    newer.get_by_role("button", name="Show it").click()
    expect(page.locator("[data-part=address]")).to_have_text("https://a.example/2")
    expect(newer).to_be_hidden()
    assert page.locator("[data-part=pages] option").all_inner_texts() == [
        "Pop-up",
        "One",
    ]


def test_a_dialog_of_the_page_is_answered(live: LiveBrowserRun, page: Page) -> None:
    live.open_browser()
    [worker] = live.place.connections

    def say(method: str, **params: object) -> None:
        live.server.loop.call_soon_threadsafe(lambda: worker.say(method, "W", **params))

    target = {"targetId": "T1", "type": "page", "title": "", "url": ""}
    live.server.loop.call_soon_threadsafe(
        lambda: worker.say("Target.attachedToTarget", sessionId="W", targetInfo=target)
    )
    page.goto(live.at)
    opening = "Page.javascriptDialogOpening"
    say(opening, type="prompt", message="Which shop?", defaultPrompt="north", url="")
    dialog = page.locator("[data-part=dialog]")
    expect(dialog).to_contain_text("The page asks")
    expect(dialog).to_contain_text("Which shop?")
    expect(dialog).to_contain_text("Take over the browser to answer")
    expect(dialog.get_by_role("button")).to_have_count(0)
    assert_fine(page)
    take_over(page)
    expect(dialog.get_by_label("Answer")).to_have_value("north")
    assert_fine(page)
    dialog.get_by_label("Answer").fill("south")
    dialog.get_by_role("button", name="OK").click()
    for _ in range(600):
        if handled := worker.sent("Page.handleJavaScriptDialog"):
            break
        page.wait_for_timeout(20)
    assert handled == [("W", {"accept": True, "promptText": "south"})]
    say("Page.javascriptDialogClosed", result=True, userInput="south")
    expect(dialog).to_be_hidden()
    say(opening, type="alert", message="Hi", url="")
    expect(dialog).to_contain_text("The page says")
    expect(dialog.get_by_role("button")).to_have_count(1)


def test_a_page_without_new_pictures_says_why(
    live: LiveBrowserRun, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.browser.viewed_browser.SILENT_SECONDS", 0.0)
    monkeypatch.setattr("fyke.browser.viewed_browser.LOOK_SECONDS", 0.05)
    live.open_browser()
    page.goto(live.at)
    expect(page.locator(IMAGE)).to_be_visible()
    expect(page.locator("[data-part=age]")).to_contain_text("Unchanged for ", timeout=20_000)
    live.place.viewing[-1].unanswered.add("Page.getFrameTree")
    status = page.locator("[data-part=status]")
    expect(status).to_contain_text("The page does not answer.")
    assert_fine(page)
    live.server.loop.call_soon_threadsafe(
        lambda: live.place.viewing[-1].say("Target.targetCrashed", targetId="T1")
    )
    expect(status).to_have_text("The page has crashed.")


def test_pages_of_one_title_differ_and_missing_ones_are_counted(
    live: LiveBrowserRun, page: Page
) -> None:
    live.open_browser()
    page.goto(live.at)
    expect(page.locator(IMAGE)).to_be_visible()
    names = page.evaluate(
        """() => {
  const live = document.querySelector("live-browser");
  const made = [["1", "Shop", "https://a.example/1"], ["2", "Shop", "https://a.example/2"],
    ["3", "", "https://a.example/3"], ["4", "Tab", "about:blank"], ["5", "Tab", "about:blank"]];
  const pages = made.map(([id, title, url]) => ({ id, title, url }));
  live.close();
  live.showState({ ...live.state, pages, shown: "1", more: 12 });
  return [...live.piece("pages").querySelector("select").options].map((one) => one.text);
}"""
    )
    assert names == [
        "5: Tab (about:blank)",
        "4: Tab (about:blank)",
        "https://a.example/3",
        "Shop (a.example/2)",
        "Shop (a.example/1)",
        "Older pages that are not listed: 12",
    ]


def test_releases_are_sent_however_much_waits(live: LiveBrowserRun, page: Page) -> None:
    live.open_browser()
    page.goto(live.at)
    expect(page.locator(IMAGE)).to_be_visible()
    page.wait_for_function(SEEN)
    posted = page.evaluate(
        """async () => {
  const live = document.querySelector("live-browser");
  const bodies = [];
  live.post = async (body) => void bodies.push(JSON.parse(body).inputs);
  live.state = { ...live.state, yours: true };
  const key = (down, key) => live.add({ kind: "key", down, key, code: "", modifiers: 0 });
  live.add({ kind: "scroll", x: 0, y: 0, right: 0, down: 9 });
  for (let i = 0; i < 99; i += 1) key(true, "a");
  key(true, "Shift"); // in place of the wheel
  key(true, "b"); // is too much
  key(false, "Shift");
  const said = live.piece("status").textContent;
  live.flush();
  await live.sent;
  return [said, bodies.map((one) => one.length), bodies.flat().filter((one) => one.key !== "a")];
}"""
    )
    shift = {"kind": "key", "key": "Shift", "code": "", "modifiers": 0}
    assert posted == [
        "The input was not sent.",
        [100, 1],
        [{**shift, "down": True}, {**shift, "down": False}],
    ]


def test_the_picture_fills_the_screen(live: LiveBrowserRun, page: Page) -> None:
    live.open_browser()
    page.goto(live.at)
    page.wait_for_function(SEEN)
    image = page.locator(IMAGE)
    before = image.bounding_box()
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement?.localName === 'live-browser'")
    size = image.bounding_box()
    view = page.viewport_size
    assert before is not None and size is not None and view is not None
    assert size["width"] / size["height"] == pytest.approx(800 / 600, rel=0.01)
    assert size["width"] <= view["width"] and size["height"] <= view["height"]
    assert size["height"] == pytest.approx(view["height"] - 13 * 16, abs=2)
    page.keyboard.press("Escape")


def test_after_too_many_failures_no_picture_looks_live(live: LiveBrowserRun, page: Page) -> None:
    live.open_browser()
    page.goto(live.at)
    expect(page.locator(IMAGE)).to_be_visible()
    page.evaluate(
        """() => {
  const live = document.querySelector("live-browser");
  for (let i = 0; i < 8; i += 1) live.failed({ readyState: EventSource.CONNECTING });
}"""
    )
    expect(page.locator("[data-part=status]")).to_contain_text("The live picture is off.")
    expect(page.locator(IMAGE)).to_be_hidden()
