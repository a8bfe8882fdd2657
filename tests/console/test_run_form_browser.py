"""The run form in a browser: pasting, switching views, errors, keyboard, an ended session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from fyke.model.run import RunFilter
from support import all_editors
from support.axe import sideways, violations
from support.browser import PHONE, tab
from support.pages import sign_in
from support.served import Served, served

FORM = "/w/owner/places"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("form"), templates, rate_limit=0) as server:
        for main in ("print(1)\n", "print(2)\n"):
            server.do(server.app.publish("places", schema=all_editors.SCHEMA, main=main))
        yield server


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    return server.do(sign_in(server.app.services.sessions, server.app))


def paste(page: Page, text: str) -> None:
    """Paste into the focused element, as users do."""
    page.evaluate(
        """text => {
            const data = new DataTransfer();
            data.setData("text/plain", text);
            const event = new ClipboardEvent("paste",
                { clipboardData: data, bubbles: true, cancelable: true });
            document.activeElement.dispatchEvent(event);
        }""",
        text,
    )


def newest(server: Served) -> Any:
    async def look() -> Any:
        app = server.app
        _, found = await app.storage.read(
            lambda tx: tx.runs.page(app.owner.account_id, RunFilter(), offset=0, limit=1)
        )
        return json.loads(found[0].input_json) if found else None

    return server.do(look())


def test_many_lines_and_columns_can_be_pasted(browser: Browser, server: Served, token: str) -> None:
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto(FORM)
        page.get_by_label("Pages, line 1", exact=True).focus()
        paste(page, "https://a.example/1\r\nhttps://a.example/2\r\n\r\nhttps://a.example/3\r\n")
        expect(page.get_by_label("Pages, line 3", exact=True)).to_have_value("https://a.example/3")
        expect(page.locator("#outlook dd").first).to_have_text("5")  # with two keywords
        page.keyboard.press("Enter")
        page.keyboard.type("https://a.example/4")
        page.get_by_label("Remove line 2", exact=True).last.click()

        page.get_by_label("Address, row 2", exact=True).focus()
        paste(page, 'https://b.example/1\t3\tShop\tTRUE\n"two\twords"\t4\tbar\t\n')
        expect(page.get_by_label("Address, row 3", exact=True)).to_have_value("two\twords")
        expect(page.get_by_label("Kind, row 2", exact=True)).to_have_value("shop")
        page.get_by_role("button", name="Start", exact=True).click()
        page.wait_for_url("**/runs/*")
        given = newest(server)
        assert [item["url"][-1] for item in given["pages"]] == ["1", "3", "4"]
        assert given["places"][1:] == [
            {"url": "https://b.example/1", "depth": 3, "kind": "shop", "photos": True},
            {"url": "two\twords", "depth": 4, "kind": "bar", "photos": False},
        ]
        assert (watch.errors, watch.foreign) == ([], [])


def test_a_double_click_sends_a_form_once(browser: Browser, server: Served, token: str) -> None:
    with tab(browser, server.base_url, token) as (page, _):
        posts: list[str] = []
        page.on("request", lambda request: request.method == "POST" and posts.append(request.url))
        page.goto(FORM)
        page.get_by_role("button", name="Save default").dblclick()
        expect(page.get_by_text("The form now starts with these values.")).to_be_visible()
        page.get_by_role("button", name="Start", exact=True).dblclick()
        page.wait_for_url("**/runs/*")
        assert [url.removeprefix(server.base_url) for url in posts] == [FORM, FORM]


@pytest.mark.long
def test_a_list_of_many_lines_is_shown_as_text(
    browser: Browser, server: Served, token: str
) -> None:
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto(FORM)
        page.get_by_label("Pages, line 1", exact=True).focus()
        paste(page, "\n".join(f"https://a.example/{n}" for n in range(990)))
        expect(page.locator("textarea[name='f:pages']")).to_be_visible()
        expect(page.locator("#outlook dd").first).to_have_text("992")
        assert watch.errors == []


def test_switching_views_keeps_every_value(browser: Browser, server: Served, token: str) -> None:
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto(FORM)
        page.get_by_label("City").fill(" Graz <b> ")
        page.get_by_text("Further countries").locator("xpath=ancestor::fieldset").locator(
            "summary"
        ).click()
        page.get_by_label("Search in Further countries").fill("aus")
        page.get_by_label("Austria", exact=True).check()
        page.get_by_role("button", name="JSON", exact=True).click()
        expect(page.locator(".json-editor")).to_be_visible()
        typed = json.loads(page.locator("#json").input_value())
        assert typed["city"] == " Graz <b> "
        assert typed["countries"] == ["it", "de", "at"]
        assert '"x-count": 12345678901234567890' in page.locator("#json").input_value()
        editor = page.locator(".json-editor").get_by_label("Input as JSON")
        editor.focus()
        page.keyboard.press("Control+a")
        changed = {**typed, "speed": 2, "extra": {"kept": None}}
        page.keyboard.insert_text(json.dumps(changed))
        page.get_by_role("button", name="Form", exact=True).click()
        expect(page.get_by_label("City")).to_have_value(" Graz <b> ")
        expect(page.get_by_role("button", name="Form", exact=True)).to_be_focused()
        expect(page.get_by_label("Speed")).to_have_value("2")
        page.locator("summary", has_text="Run options").click()
        page.get_by_label("Version", exact=True).select_option("v1.0.1")
        expect(page.locator("input[name='drawn']")).to_have_value("v1.0.1")
        expect(page.get_by_label("Version", exact=True)).to_be_focused()
        expect(page.get_by_label("Speed")).to_have_value("2")
        page.get_by_role("button", name="JSON", exact=True).click()
        expect(page.locator("#json")).to_have_value(json.dumps(changed, indent=2))
        assert (watch.errors, watch.foreign) == ([], [])


def test_an_error_takes_the_focus_and_links_to_its_control(
    browser: Browser, server: Served, token: str
) -> None:
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto(FORM)
        page.get_by_label("Maximum results").fill("1,5")
        page.locator("summary", has_text="More").first.click()  # a closed section opens again
        page.get_by_label("Note").evaluate("note => note.value = 'kept'")
        page.get_by_role("button", name="Start", exact=True).click()
        summary = page.locator("#faults")
        expect(summary).to_be_focused()
        expect(summary).to_contain_text("without commas")
        assert page.url.endswith(FORM)
        expect(page.locator("textarea[name='f:keywords']")).to_be_hidden()
        expect(page.get_by_label("Keywords, line 2", exact=True)).to_have_value("tea shop")
        summary.get_by_role("link").click()
        expect(page.get_by_label("Maximum results")).to_be_focused()
        page.keyboard.press("Control+a")
        page.keyboard.type("15")
        page.keyboard.press("Control+Enter")
        page.wait_for_url("**/runs/*")
        given = newest(server)
        assert (given["max_results"], given["note"]) == (15, "kept")
        assert (watch.errors, watch.foreign) == ([], [])


def test_the_end_of_a_session_keeps_the_form_on_the_page(browser: Browser, server: Served) -> None:
    short = server.do(sign_in(server.app.services.sessions, server.app))
    with tab(browser, server.base_url, short) as (page, _):
        page.goto(FORM)
        page.get_by_label("City").fill("Linz")
        page.context.clear_cookies(name="fyke_session")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.locator("#notices").get_by_role("link")).to_be_visible()
        expect(page.get_by_label("City")).to_have_value("Linz")
        again = server.do(sign_in(server.app.services.sessions, server.app))
        page.context.add_cookies([{"name": "fyke_session", "value": again, "url": server.base_url}])
        page.get_by_role("button", name="Start", exact=True).click()
        page.wait_for_url("**/runs/*")
        assert newest(server)["city"] == "Linz"


def test_leaving_a_changed_form_asks_first(browser: Browser, server: Served, token: str) -> None:
    server.do(server.app.publish("left", schema=all_editors.SCHEMA))
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto("/w/owner/left")
        page.get_by_label("City").fill("Linz")
        page.get_by_role("button", name="JSON", exact=True).click()  # draws the form again
        expect(page.locator(".json-editor")).to_be_visible()
        page.get_by_role("button", name="Form", exact=True).click()
        expect(page.get_by_label("City")).to_have_value("Linz")
        page.locator("h1").click()
        for leave in (
            page.get_by_role("link", name="Runs", exact=True).first.click,
            lambda: page.keyboard.press("?"),
            lambda: page.evaluate("location.reload()"),
        ):
            with page.expect_event("dialog") as asked:
                leave()
            assert asked.value.type == "beforeunload"
        expect(page.get_by_label("City")).to_have_value("Linz")
        page.get_by_role("button", name="Save default").click()
        expect(page.get_by_text("The form now starts with these values.")).to_be_visible()
        page.reload()
        page.get_by_label("City").fill("Graz")
        page.get_by_role("button", name="Start", exact=True).click()
        page.wait_for_url("**/runs/*")
        assert len(watch.dialogs) == 3
        assert watch.errors == []


def test_what_is_selected_before_the_json_editor_is_loaded_is_replaced(
    browser: Browser, server: Served, token: str
) -> None:
    with tab(browser, server.base_url, token) as (page, watch):
        held: list[Route] = []
        page.route("**/ace.js", lambda route: held.append(route))
        page.goto(f"{FORM}?view=json")
        area = page.locator("#json")
        with page.expect_request("**/ace.js"):
            area.focus()
        area.select_text()
        for route in held:
            route.continue_()
        expect(page.locator(".json-editor .ace_selection").first).to_be_visible()
        page.keyboard.insert_text('{"city": "Linz", "extra": {"a":')
        expect(area).to_have_value('{"city": "Linz", "extra": {"a":')
        assert (watch.errors, watch.foreign) == ([], [])


def test_typing_replaces_all_that_is_selected_in_the_json_editor(
    browser: Browser, server: Served, token: str
) -> None:
    typed = '{"city": "Linz", "keywords": [{"keyword": "tea"}]}'
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto(f"{FORM}?view=json")
        editor = page.locator(".json-editor").get_by_label("Input as JSON")
        editor.focus()
        page.keyboard.press("Control+a")
        page.keyboard.type(typed)
        expect(page.locator("#json")).to_have_value(typed)
        assert (watch.errors, watch.foreign) == ([], [])


def test_the_snippet_is_updated_with_the_input(
    browser: Browser, server: Served, token: str
) -> None:
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto(FORM)
        page.get_by_label("City").fill("Wels")
        page.get_by_role("button", name="Use this input by API").click()
        program = page.get_by_role("region", name="Program")
        expect(program).to_contain_text('"city": "Wels"')
        page.get_by_role("button", name="Python").click()
        expect(program).to_contain_text("urllib.request")
        field = page.get_by_label("Edit the body to update the program")
        field.fill(field.input_value().replace("Wels", "Steyr"))
        expect(program).to_contain_text('"city": "Steyr"')
        expect(program).to_contain_text("urllib.request")
        assert (watch.errors, watch.foreign) == ([], [])


@pytest.mark.parametrize("address", [FORM, f"{FORM}?view=json"])
def test_the_pages_meet_the_accessibility_guidelines(
    browser: Browser, server: Served, token: str, address: str
) -> None:
    with tab(browser, server.base_url, token, size=PHONE, dark=True) as (page, _):
        page.goto(address)
        for closed in page.locator("details:not([open]) > summary").all():
            if closed.is_visible():
                closed.click()
        if address == FORM:
            page.get_by_label("City").fill("")
            page.get_by_label("Maximum results").fill("x")
            page.get_by_role("button", name="Start", exact=True).click()
            expect(page.locator("#faults")).to_be_focused()
        page.set_viewport_size({"width": 320, "height": 800})
        assert violations(page) == []
        assert not sideways(page)
