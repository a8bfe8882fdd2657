"""The page of a run in a browser: live, interrupted, flooded, and deleted while it is open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, LocatorAssertions, Page, Route
from playwright.sync_api import expect as expect_within

from fyke.console.pages import run_live
from fyke.domain.runs.service import StartRequest
from fyke.model.attempt import AttemptReport, SiteTraffic
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.run import Origin, UsageSample
from fyke.model.runner import AttemptUsage, Lease
from support.browser import tab
from support.pages import sign_in
from support.restarts import Restarts, restarts
from support.served import Served, served

WITHIN_MS = 20_000  # a disconnected page reconnects after a growing pause
IDS = "[...document.querySelectorAll('#log-lines [data-position]')].map(l => +l.dataset.position)"
MEGABYTE = "\x1b[31mred\x1b[0m \x1b]0;title\x07<img src=x onerror=alert(1)> " * 20_000


def expect(locator: Locator) -> LocatorAssertions:
    expect_within.set_options(timeout=WITHIN_MS)
    return expect_within(locator)


class LiveRun:
    """A served app with an active run, whose Worker is controlled by the test."""

    def __init__(self, server: Served, access: Restarts) -> None:
        self.server, self.access = server, access
        self.token = server.do(sign_in(server.app.services.sessions, server.app))
        self.worker = server.do(server.app.publish()).id
        self.said = self.pushed = 0
        self.run = ""
        self.lease: Lease

    def accept(self) -> str:
        app = self.server.app
        body = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}
        request = StartRequest(self.worker, None, body, "", Origin.WEB)
        self.run = self.server.do(app.services.runs.start(app.owner, request)).id
        self.said = self.pushed = 0
        return self.run

    def take(self) -> None:
        [self.lease] = self.server.do(self.server.app.begin())

    def begin(self) -> str:
        run = self.accept()
        self.take()
        return run

    def say(self, count: int, text: str = "line") -> None:
        lines = [f"{text} {n}" for n in range(self.said + 1, self.said + count + 1)]
        self.said += count
        self.server.do(self.server.app.push(self.lease, [], log=lines))

    def push(self, count: int) -> None:
        rows = [{"n": n} for n in range(self.pushed + 1, self.pushed + count + 1)]
        self.pushed += count
        self.server.do(self.server.app.push(self.lease, rows))

    def flood(self, count: int) -> None:
        """Add many lines in one commit."""
        number = self.lease.attempt.number
        lines = [NewLogEntry(2, number, f"flood {n}", 5) for n in range(count)]
        self.said += count
        batch = AttemptBatch(self.run, self.lease.attempt.id, log=lines)
        self.server.do(self.server.app.results.commit([batch]))
        self.say(1)  # signals the stream

    def end(self) -> None:
        self.server.do(self.server.app.end(self.lease))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[LiveRun]:
    with (
        served(tmp_path_factory.mktemp("live"), templates, rate_limit=0) as server,
        restarts(server) as access,
    ):
        yield LiveRun(server, access)


def wait_for_line(page: Page, last: int) -> None:
    page.wait_for_selector(f"#l-{last}", state="attached")


@pytest.mark.parametrize("trials", [1, pytest.param(6, marks=pytest.mark.long)])
def test_reconnects_neither_lose_nor_duplicate_log_lines(
    live: LiveRun, browser: Browser, trials: int
) -> None:
    run = live.begin()
    live.say(3)
    with (
        tab(browser, live.access.url, live.token) as (log, watch),
        tab(browser, live.access.url, live.token) as (output, _),
    ):
        log.goto(f"/runs/{run}/log")
        output.goto(f"/runs/{run}")
        wait_for_line(log, 3)
        for _ in range(trials):
            live.say(40)
            live.push(5)
            wait_for_line(log, live.said)
            output.wait_for_selector("#r-5")  # the first rows are inserted automatically
            live.access.cut()
            live.say(40)
            wait_for_line(log, live.said)
            live.access.stop()
            live.say(40)
            live.push(7)
            expect(log.locator(".run-live-state")).to_contain_text("reconnecting")
            live.access.start()
            wait_for_line(log, live.said)
        assert log.evaluate(IDS) == list(range(1, live.said + 1))
        expect(log.locator(".run-live-state")).to_have_text("")
        last = min(live.pushed, 50)  # of a page
        expect(output.locator(f"#rows-list > #r-{last}")).to_be_visible()
        assert ids_of_rows(output) == [f"r-{n}" for n in range(1, last + 1)]
        live.end()
        expect(log.locator("#run-figures")).to_contain_text("Succeeded")
        expect(log.locator("#run-actions")).to_contain_text("Rerun")
        # the browser itself reports each interruption as an error
        assert not [one for one in watch.errors if "sse:error" not in one and "ERR_" not in one]


def ids_of_rows(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all("#rows-list > tr", "rows => rows.map(r => r.id)")
    return found


def test_a_run_that_is_open_from_its_start_shows_its_rows_as_they_arrive(
    live: LiveRun, browser: Browser
) -> None:
    run = live.accept()
    with tab(browser, live.access.url, live.token) as (page, watch):
        page.goto(f"/runs/{run}")
        expect(page.locator("#run-figures")).to_contain_text("accepted")
        expect(page.locator("#run-rows")).to_contain_text("No rows yet")
        live.take()
        live.push(3)
        expect(page.locator("#r-3")).to_be_visible()
        assert ids_of_rows(page) == ["r-1", "r-2", "r-3"]
        expect(page.locator("#run-tally")).to_have_text("3")
        expect(page.locator("#run-figures")).to_contain_text("started")
        live.push(4)
        expect(page.locator("#r-7")).to_be_visible()
        assert ids_of_rows(page) == [f"r-{n}" for n in range(1, 8)]
        expect(page.locator("#rows-pager")).to_contain_text("1 to 7 of 7 rows")
        expect(page.locator("#fresh")).to_be_hidden()
        assert page.title().startswith("Running · ")
        live.end()
        expect(page.locator("#run-actions")).to_contain_text("Rerun")
        assert page.title().startswith("Succeeded · ")
        expect(page.locator("#fresh")).to_be_hidden()
        expect(page.locator("#run-tally")).to_have_text("7")
        page.locator("[data-dialog]").click()  # inserted elements work like the original ones
        expect(page.locator("#export-dialog")).to_contain_text("Download")
        assert watch.errors == watch.foreign == []


def test_new_rows_are_announced_and_not_inserted_while_a_row_is_open(
    live: LiveRun, browser: Browser
) -> None:
    run = live.begin()
    live.push(40)
    with tab(browser, live.access.url, live.token) as (page, _):
        page.goto(f"/runs/{run}")
        page.wait_for_selector("#r-40")
        page.mouse.wheel(0, 300)
        expect(page.locator("html")).not_to_have_js_property("scrollTop", 0)
        expect(page.locator("run-live[data-live]")).to_be_attached()
        live.push(2)
        live.end()
        expect(page.locator("#run-figures")).to_contain_text("Succeeded")
        expect(page.locator("#fresh")).to_contain_text("Show 2 new rows")
        # the end of the run was decided upon before the click scrolls to the link
        expect(page.locator("#fresh output-reload")).to_be_attached()
        assert page.locator("#rows-list > #r-42").count() == 0
        # at once: the stream may replace the link between the press and the release of a button
        page.locator("#fresh [data-more]").evaluate("link => link.click()")
        page.wait_for_selector("#rows-list > #r-42")


def test_a_page_is_live_even_if_the_stream_extension_loads_late(
    live: LiveRun, browser: Browser
) -> None:
    run = live.begin()
    live.say(3)
    with tab(browser, live.access.url, live.token) as (page, _):

        def late(route: Route) -> None:
            page.wait_for_timeout(400)  # a slow connection: the page is parsed long before
            route.continue_()

        page.route("**/hx-sse.min.js", late)
        page.goto(f"/runs/{run}/log")
        live.say(5)
        wait_for_line(page, live.said)
        assert page.evaluate(IDS) == list(range(1, live.said + 1))
    live.end()


@pytest.mark.long
def test_a_flood_of_lines_and_a_line_of_a_megabyte_do_not_fill_the_page(
    live: LiveRun, browser: Browser
) -> None:
    run = live.begin()
    live.say(10)
    with tab(browser, live.access.url, live.token) as (page, watch):
        page.goto(f"/runs/{run}/log")
        wait_for_line(page, 10)
        for _ in range(3):
            live.say(900, "many")
            wait_for_line(page, live.said)
        assert page.locator("#log-lines > *").count() <= 2000
        expect(page.locator("#log-earlier")).to_contain_text("Earlier lines were removed")
        live.flood(9_000)
        wait_for_line(page, live.said)
        expect(page.locator(".line-gap").last).to_contain_text("were skipped")
        assert page.locator("#log-lines > *").count() <= 2000
        live.say(1, MEGABYTE)
        wait_for_line(page, live.said)
        line = page.locator(f"#l-{live.said}")
        expect(line).to_contain_text("characters")
        assert len(line.text_content() or "") < 3_000
        assert line.locator(".ansi-red").first.text_content() == "red"
        page.locator("[data-follow]").uncheck()
        page.locator(".log-box").evaluate("element => element.scrollTop = 0")
        live.say(5)
        wait_for_line(page, live.said)
        assert page.locator(".log-box").evaluate("element => element.scrollTop") < 50
        page.locator(".log-box").focus()
        page.keyboard.press("f")
        expect(page.locator("[data-follow]")).to_be_checked()
        assert watch.errors == watch.dialogs == watch.foreign == []


@pytest.mark.long
def test_the_severity_filter_applies_to_live_lines(live: LiveRun, browser: Browser) -> None:
    run = live.begin()
    with tab(browser, live.access.url, live.token) as (page, _):
        page.goto(f"/runs/{run}/log?search=wanted")
        live.say(3, "other")
        live.say(2, "Wanted")
        wait_for_line(page, 5)
        assert page.evaluate(IDS) == [4, 5]


@pytest.mark.long
def test_a_run_that_is_deleted_while_its_page_is_open_is_reported(
    live: LiveRun, browser: Browser
) -> None:
    run = live.begin()
    with tab(browser, live.access.url, live.token) as (page, _):
        page.goto(f"/runs/{run}/usage")
        # the element itself has no layout: its parts are shown only with content
        page.wait_for_selector("run-live[data-live]", state="attached")
        live.server.do(live.server.app.services.runs.remove(run))
        expect(page.locator("#run-ending")).to_contain_text("This run was deleted")


def test_a_double_click_asks_and_the_notice_of_an_abort_goes_with_the_run(
    live: LiveRun, browser: Browser
) -> None:
    run = live.accept()
    with tab(browser, live.access.url, live.token) as (page, watch):
        page.goto(f"/runs/{run}")
        page.wait_for_selector("run-live[data-live]", state="attached")
        page.get_by_role("button", name="Abort", exact=True).dblclick()
        live.take()  # the question stays when the run starts
        expect(page.locator("#run-figures")).to_contain_text("Running")
        page.get_by_role("button", name="Abort run").click()
        expect(page.get_by_text("The run is stopping.")).to_be_visible()
        live.end()
        expect(page.get_by_role("button", name="Rerun")).to_be_visible()
        expect(page.get_by_text("The run is stopping.")).to_have_count(0)
        page.get_by_text("More", exact=True).click()
        page.get_by_role("button", name="Delete", exact=True).dblclick()
        expect(page.locator("#delete")).to_be_visible()
        expect(page.locator("#run-actions details")).not_to_have_attribute("open", "")
        expect(page.locator("#delete")).to_be_visible()
        assert watch.errors == []


@pytest.mark.long
def test_the_usage_curve_and_the_sites_are_updated_during_the_run(
    live: LiveRun, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_live, "USAGE_SECONDS", 0.0)
    run = live.begin()
    app = live.server.app

    def use(*seconds: int) -> None:
        def work(tx: Any) -> None:
            mega = 2**20
            tx.samples.add(
                [
                    UsageSample(
                        run, tx.now + n * 1000, n * 500, 9 * n * mega, n * mega, n, 99 * n * mega
                    )
                    for n in seconds
                ]
            )

        live.server.do(app.storage.write(work))
        sites = tuple(SiteTraffic(f"{n}.example", requests=n) for n in range(1, seconds[-1] + 1))
        usage = AttemptUsage(browser_ms=1, browser_version="headless-shell 1.2.3.4")
        live.server.do(
            app.attempts.report([AttemptReport(live.lease.attempt.key, usage, sites)], 60_000)
        )
        live.say(1)

    with (
        tab(browser, live.access.url, live.token) as (usage, watch),
        tab(browser, live.access.url, live.token) as (traffic, _),
    ):
        usage.goto(f"/runs/{run}/usage")
        traffic.goto(f"/runs/{run}/traffic?sort=-requests")
        for upto in (3, 5):
            use(*range(1 if upto == 3 else 4, upto + 1))
            expect(usage.locator("#use tr[data-at]")).to_have_count(
                upto + 1
            )  # the first is the start of the run
            expect(usage.locator("#use run-chart canvas")).to_have_count(4)
            keys = usage.locator("#use .run-chart-key")
            expect(keys).to_have_text(["Worker", "Browser"])
            colours = keys.evaluate_all("keys => keys.map(key => getComputedStyle(key).color)")
            assert len({*colours}) == 2
            rows = traffic.locator("#traffic tbody tr")
            expect(rows).to_have_count(upto)
            expect(rows.first).to_contain_text(f"{upto}.example")
        assert watch.errors == []
    live.end()


@pytest.mark.long
def test_the_end_of_a_session_stops_live_updates(live: LiveRun, browser: Browser) -> None:
    run = live.begin()
    sessions = live.server.app.services.sessions
    token = live.server.do(sign_in(sessions, live.server.app))
    with tab(browser, live.access.url, token) as (page, _):
        page.goto(f"/runs/{run}/log")
        live.say(1)
        wait_for_line(page, 1)
        page.context.clear_cookies()
        live.access.cut()
        state = page.locator(".run-live-state")
        expect(state).to_contain_text("Live updates are off")
        expect(state.locator("a")).to_have_text("Refresh")


@pytest.mark.long
def test_the_export_dialog_restores_the_focus_and_orders_fields(
    live: LiveRun, browser: Browser
) -> None:
    run = live.begin()
    app = live.server.app
    live.server.do(app.push(live.lease, [{"a": 1, "b": "=x"}]))
    live.end()
    with tab(browser, live.access.url, live.token) as (page, watch):
        page.goto(f"/runs/{run}")
        page.get_by_role("link", name="Export").click()
        dialog = page.locator("#export-dialog")
        expect(dialog).to_be_visible()
        page.set_viewport_size({"width": 800, "height": 480})
        expect(dialog.get_by_role("button", name="Download")).to_be_in_viewport(ratio=1)
        dialog.get_by_text("Fields and their order").click()
        for checkbox in dialog.locator("input[name=key]").all():
            checkbox.check()
        dialog.get_by_role("button", name="Move b up").click()
        with page.expect_download() as started:
            dialog.get_by_role("button", name="Download").click()
        assert Path(started.value.path()).read_bytes() == b"b,a\r\n'=x,1\r\n"
        expect(dialog).to_be_hidden()
        expect(page.locator("export-file")).to_contain_text("Saved, 12 B. Made on ")
        expect(page.get_by_role("link", name="Export")).to_be_focused()
        # the next file replaces the one that is saved
        page.get_by_role("link", name="Export").click()
        dialog.get_by_label("File name").fill("my prices")
        with page.expect_download():
            dialog.get_by_role("button", name="Download").click()
        expect(page.locator("export-file")).to_contain_text("my prices.csv")
        expect(page.locator("export-file")).to_contain_text("Saved, ")
        assert watch.errors == []


@pytest.mark.parametrize("tab_of_run", ["", "/log", "/usage"])
def test_a_run_is_printed_without_buttons(live: LiveRun, browser: Browser, tab_of_run: str) -> None:
    run = live.begin()
    live.say(120)
    live.push(12)
    live.end()
    with tab(browser, live.access.url, live.token, dark=True) as (page, watch):
        page.goto(f"/runs/{run}{tab_of_run}")
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator("#run-figures")).to_be_visible()
        for selector in ("nav.tabs", "form", ".button", ".side", "summary.button"):
            for item in page.locator(selector).all():
                expect(item).to_be_hidden()
        cut = page.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => e.scrollHeight > e.clientHeight"
            " + 8 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowY))"
            ".map(e => e.className)"
        )
        assert cut == [], "nothing on paper can be scrolled"
        assert watch.errors == []
