"""Lists in a browser: filters while typing, live rows, selecting many rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from fyke.domain.runs.service import StartRequest
from fyke.domain.workers.page import PageChange
from fyke.model.run import Origin, Outcome, RunFilter
from support.browser import PHONE, tab
from support.pages import sign_in
from support.served import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("lists"), templates, rate_limit=0) as server:
        yield server


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    return server.do(sign_in(server.app.services.sessions, server.app))


@pytest.fixture(scope="module")
def worker(server: Served) -> Any:
    return server.do(server.app.publish())


def request(worker: Any) -> StartRequest:
    wanted = {"parameters": {"system": {}, "custom": {"urls": [{"url": "https://a.example"}]}}}
    return StartRequest(worker.id, None, wanted, "", Origin.WEB)


def start(server: Served, worker: Any) -> str:
    return server.do(server.app.services.runs.start(server.app.owner, request(worker))).id


def clear(server: Served) -> None:
    """End and delete every run."""
    app = server.app
    server.do(app.execute([]))
    listed = server.do(app.services.runs.list(app.owner, RunFilter(), offset=0, limit=100))
    for view in listed[1]:
        server.do(app.services.runs.delete(app.owner, view.run.id))


def test_the_list_is_filtered_while_typing_and_the_field_keeps_the_focus(
    browser: Browser, server: Served, token: str, worker: Any
) -> None:
    clear(server)
    start(server, worker)
    server.do(server.app.execute([], Outcome.EXIT_CODE, "KeyError: 'price'"))
    start(server, worker)
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto("/runs")
        rows = page.locator(".run-table tbody tr")
        expect(rows).to_have_count(2)
        field = page.get_by_role("searchbox", name="Error message contains")
        field.press_sequentially("keyerr", delay=20)
        expect(rows).to_have_count(1)
        expect(page).to_have_url(f"{server.base_url}/runs?error=keyerr")
        expect(field).to_be_focused()
        page.get_by_label("State").select_option("failed")
        expect(page).to_have_url(f"{server.base_url}/runs?state=failed&error=keyerr")
        held: list[Route] = []
        page.route("**/runs?**nothing**", lambda route: held.append(route))
        with page.expect_request("**/runs?**nothing**"):
            field.fill("nothing like it")
        expect(page.locator("#results.htmx-request")).to_be_attached()
        expect(rows).to_have_count(1)  # the old list stays until the new one has loaded
        held[0].continue_()
        expect(page.get_by_text("No runs match")).to_be_visible()
        expect(field).to_have_value("nothing like it")
        page.unroute_all()
        page.reload()
        expect(field).to_have_value("nothing like it")
        expect(page.get_by_label("State")).to_have_value("failed")
        page.get_by_label("Time", exact=True).select_option("custom")
        page.get_by_label("From", exact=True).press_sequentially("02282026")  # dates can be typed
        expect(page.get_by_label("From", exact=True)).to_have_value("2026-02-28")
        assert (watch.errors, watch.foreign) == ([], [])


def test_rows_are_updated_live_and_the_selection_is_kept(
    browser: Browser,
    server: Served,
    token: str,
    worker: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also across the ends of streams, after which the browser reconnects."""
    monkeypatch.setattr("fyke.console.pages.run_lists.MAX_UPDATES", 2)
    clear(server)
    run = start(server, worker)
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto("/runs")
        state = page.locator(f"#r-{run}-state")
        expect(state).to_have_text("Waiting")
        page.get_by_label(f"Select run {run}").check()
        expect(page.get_by_text("1 selected")).to_be_visible()
        [lease] = server.do(server.app.begin())
        expect(state).to_have_text("Running")
        server.do(server.app.push(lease, [{"n": 1}, {"n": 2}]))
        expect(page.locator(f"#r-{run}-results")).to_have_text("2")
        server.do(server.app.end(lease, Outcome.TIMEOUT, "Timeout: too slow"))
        expect(state).to_contain_text("Failed")
        expect(state).to_contain_text("Timeout: too slow")
        expect(page.get_by_label(f"Select run {run}")).to_be_checked()
        start(server, worker)
        page.get_by_role("link", name="One new run").click()
        expect(page.locator(".run-table tbody tr")).to_have_count(2)
        assert (watch.errors, watch.foreign) == ([], [])


def test_an_update_waits_until_a_pressed_link_is_released(
    browser: Browser, server: Served, token: str, worker: Any
) -> None:
    clear(server)
    run = start(server, worker)
    [lease] = server.do(server.app.begin())
    server.do(server.app.push(lease, [{"n": 0}]))
    with tab(browser, server.base_url, token, bypass_csp=True) as (page, watch):
        page.goto(f"/runs/{run}?sort=n")  # sorted rows are announced
        page.evaluate("""() => {
          window.updates = [];
          addEventListener("htmx:before:swap", (event) => updates.push(event.defaultPrevented));
          addEventListener("dragstart", (event) => event.preventDefault());
        }""")
        server.do(server.app.push(lease, [{"n": 1}]))
        link = page.locator("#fresh a")
        expect(link).to_have_text("Show 1 new row")
        link.hover()
        page.mouse.down()
        page.evaluate("window.updates = []")
        server.do(server.app.push(lease, [{"n": 2}]))
        page.wait_for_function("updates.length > 0")
        expect(link).to_have_text("Show 1 new row")
        page.mouse.move(4, 4)  # released elsewhere, it is no click
        page.mouse.up()
        expect(link).to_have_text("Show 2 new rows")
        assert page.url.endswith(f"/runs/{run}?sort=n")
        link.hover()
        page.mouse.down()
        page.evaluate("window.updates = []")
        server.do(server.app.push(lease, [{"n": 3}]))
        page.wait_for_function("updates.length > 0")
        page.mouse.up()
        expect(page.locator("#rows tbody tr")).to_have_count(4)
        server.do(server.app.end(lease))
        assert (watch.errors, watch.foreign) == ([], [])


def test_bulk_actions_work_with_the_keyboard(
    browser: Browser, server: Served, token: str, worker: Any
) -> None:
    clear(server)
    for _ in range(3):
        start(server, worker)
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto("/runs")
        abort = page.get_by_role("button", name="Abort")
        expect(abort).to_be_disabled()
        page.get_by_label("All on this page").focus()
        page.keyboard.press("Space")
        expect(page.get_by_text("3 selected")).to_be_visible()
        abort.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Abort 3 runs?")).to_be_visible()
        page.locator("main").get_by_role("button", name="Abort").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text("3 runs were aborted.")).to_be_visible()
        expect(page.locator(".run-table .state", has_text="Aborted")).to_have_count(3)
        assert (watch.errors, watch.foreign) == ([], [])


def test_the_columns_fit_beside_the_sidebar(
    browser: Browser, server: Served, token: str, worker: Any
) -> None:
    start(server, worker)
    said = "TimeoutError: https://shop.example/catalogue/category/books did not answer within 30 s"
    server.do(server.app.execute([], Outcome.EXIT_CODE, said))
    with tab(browser, server.base_url, token) as (page, _):
        for address in ("/runs", f"/w/{worker.path}/runs"):
            page.goto(address)
            region = page.locator(".region:not(details .region)")
            assert region.evaluate("e => e.scrollWidth - e.clientWidth") == 0, address


def test_a_button_that_opens_filters_stays_in_place(
    browser: Browser, server: Served, token: str, worker: Any
) -> None:
    start(server, worker)
    with tab(browser, server.base_url, token) as (page, _):
        page.goto("/runs")
        button, panel = page.locator(".run-more > summary"), page.locator(".run-more > .panel")
        before = button.bounding_box()
        button.click()
        assert button.bounding_box() == before
        place, form = panel.bounding_box(), page.locator(".run-filters").bounding_box()
        assert place and form and place["width"] > form["width"] * 0.9


def test_on_a_phone_rows_are_cards_without_horizontal_scrolling(
    browser: Browser, server: Served, token: str, worker: Any
) -> None:
    start(server, worker)
    with tab(browser, server.base_url, token, size=PHONE) as (page, _):
        for address in ("/runs", "/queue", "/usage", "/"):
            page.goto(address)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= PHONE["width"], address
        page.goto("/runs")
        cell = page.locator(".run-table tbody td[data-label='Input']").first
        assert cell.evaluate("e => getComputedStyle(e, '::before').content") == '"Input"'


def test_failures_have_room_on_a_narrow_screen_and_with_large_text(
    browser: Browser, server: Served
) -> None:
    app = server.app
    for name, times in (("often", 3), ("once", 1)):
        failing = server.do(app.publish(name))
        long_name = PageChange(f"{name}: prices of all the books in the shop")
        server.do(app.services.workers.change_page(app.owner, failing.id, long_name))
        for _ in range(times):
            start(server, failing)
            server.do(app.execute([], Outcome.TIMEOUT, "Timeout: the shop was slow"))
    token = server.do(sign_in(app.services.sessions, app))
    left = "all => all.map(e => Math.round(e.getBoundingClientRect().left))"
    with tab(browser, server.base_url, token) as (page, _):
        page.goto("/")
        failures = page.locator(".failures li", has_text="all the books")
        errors, names = failures.locator(".run-error"), failures.locator("a")
        expect(errors).to_have_count(2)
        assert len(set(errors.evaluate_all(left))) == 1
        error, name = errors.first.bounding_box(), names.first.bounding_box()
        assert error and name and error["width"] > 400 and error["x"] > name["x"] + name["width"]
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        for width in (1280, 320):
            page.set_viewport_size({"width": width, "height": 800})
            card = page.locator("#card-day .failures").bounding_box()
            for part in (errors, names):
                place = part.first.bounding_box()
                assert card and place and place["width"] > card["width"] / 2, width
    with tab(browser, server.base_url, token, size={"width": 320, "height": 800}) as (page, _):
        page.goto("/runs")
        name = page.locator(".run-worker").first
        frame = page.locator(".run-table tr").nth(1)
        inner, outer = name.bounding_box(), frame.bounding_box()
        assert inner and outer and inner["x"] + inner["width"] <= outer["x"] + outer["width"]
    clear(server)


def test_a_queue_reports_items_that_have_left_it(
    browser: Browser, server: Served, token: str, worker: Any
) -> None:
    app = server.app
    first, second = [
        str(server.do(app.services.queue.enqueue(app.owner, request(worker))).number)
        for _ in range(2)
    ]
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto("/queue")
        page.get_by_label(f"Select item {second}").check()
        server.do(app.services.queue.activate(app.owner, [first]))
        gone = page.locator(f"#item-{first}")
        expect(gone).to_contain_text("Left the queue")
        expect(gone.get_by_role("link", name="Open run")).to_be_visible()
        expect(page.get_by_label(f"Select item {second}")).to_be_checked()
        expect(page.locator("#held-count")).to_have_text("1")
        page.get_by_role("button", name="Discard").click()
        page.get_by_role("dialog").get_by_role("button", name="Discard").click()
        expect(page.get_by_text("One item was discarded.")).to_be_visible()
        assert (watch.errors, watch.foreign) == ([], [])


def test_usage_is_printed_without_buttons(
    browser: Browser, server: Served, token: str, worker: Any
) -> None:
    start(server, worker)
    server.do(server.app.execute([{"n": 1}]))
    with tab(browser, server.base_url, token) as (page, _):
        page.goto("/usage")
        page.emulate_media(media="print")
        expect(page.get_by_role("heading", name="Usage", exact=True)).to_be_visible()
        expect(page.locator(".chart svg")).to_be_visible()
        expect(page.locator("tfoot").first).to_be_visible()
        for pressed in ("nav", "form", ".button", ".side"):
            for item in page.locator(pressed).all():
                expect(item).to_be_hidden()


def test_a_chosen_range_of_time_is_shown_whole(
    browser: Browser, server: Served, token: str, worker: Any
) -> None:
    with tab(browser, server.base_url, token) as (page, _):
        page.goto("/runs?from=2026-11-24T09:30&until=2026-11-30T12:45")
        state = page.get_by_label("State", exact=True).bounding_box()
        for name in ("From", "Until"):
            field = page.get_by_label(name, exact=True)
            area = field.bounding_box()
            assert state and area and area["width"] >= 200 and area["height"] == state["height"]
            label = page.locator(f"label[for={field.get_attribute('id')}]").bounding_box()
            assert label and area["y"] <= label["y"] < area["y"] + area["height"]


def test_the_error_of_a_run_has_one_line_and_the_key_r_asks_or_says_why_it_cannot_run(
    browser: Browser, server: Served, token: str, worker: Any
) -> None:
    clear(server)
    start(server, worker)
    server.do(server.app.execute([], Outcome.EXIT_CODE, "KeyError: 'price' " * 8))
    run = start(server, worker)
    with tab(browser, server.base_url, token) as (page, _):
        page.goto("/runs")
        error = page.locator(".run-error").bounding_box()
        pill = page.locator("tr:has(.run-error) .state").bounding_box()
        assert error and pill and error["width"] > 700 and error["height"] < 24
        assert error["y"] >= pill["y"] + pill["height"] - 1
        page.keyboard.press("j")
        expect(page.locator(":focus")).to_have_text(f"…{run[-8:]}")
        page.keyboard.press("r")
        expect(page.locator("#notices")).to_contain_text("This run is still active")
        assert page.url.endswith("/runs")
        chosen = page.get_by_label(f"Select run {run}")
        chosen.check()
        page.keyboard.press("Tab")  # a key in a field does nothing
        page.keyboard.press("j")
        expect(page.locator(":focus")).not_to_have_text(f"…{run[-8:]}")
        page.keyboard.press("r")
        expect(page.get_by_role("heading", name="Rerun one run?")).to_be_visible()
        expect(page.locator(".run-table, table").get_by_text(f"…{run[-8:]}")).to_have_count(0)
        page.keyboard.press("Enter")
        expect(page.get_by_text("One run was started.")).to_be_visible()
        assert page.url.endswith("/runs")


def test_a_folded_list_of_reasons_counts_the_chosen_ones(
    browser: Browser, server: Served, token: str
) -> None:
    with tab(browser, server.base_url, token) as (page, watch):
        page.goto("/alerts/rules/new")
        number = page.locator("#f-reasons [data-checked]")
        expect(number).to_be_hidden()
        page.get_by_text("Only for these reasons").click()
        page.get_by_label("Timeout", exact=True).check()
        page.get_by_label("Exit code").check()
        expect(number).to_have_text("2")
        page.get_by_label("Timeout", exact=True).uncheck()
        expect(number).to_have_text("1")
        assert watch.errors == []
