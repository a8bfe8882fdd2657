"""A run of a hundred thousand lines and a million rows: the content and the size of its pages. How
long the pages take is measured by ``bench/console_pages.py`` and ``bench/console_typing.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser

from fyke.model.runner import Lease
from support.browser import heap_mb, tab
from support.large_run import addresses, begin_run, grow
from support.pages import sign_in
from support.served import Served, served

BROWSER_MB = 200
PAGE_KB = 300
ROWS, LINES = 50, 500  # of one page


class LargeRun:
    """An active run with that many lines and rows, and a user who watches it."""

    def __init__(self, server: Served, lines: int, rows: int) -> None:
        self.server, self.lines, self.rows = server, lines, rows
        self.token = server.do(sign_in(server.app.services.sessions, server.app))
        self.lease: Lease = server.do(begin_run(server.app))
        self.run = self.lease.run.id
        server.do(grow(server.app, self.lease, lines, rows), 300)


@pytest.fixture(params=[(2_000, 2_000), pytest.param((100_000, 1_000_000), marks=pytest.mark.long)])
def large(request: pytest.FixtureRequest, tmp_path: Path, templates: Path) -> Iterator[LargeRun]:
    with served(tmp_path, templates, rate_limit=0) as server:
        yield LargeRun(server, *request.param)


def test_pages_of_a_large_run_show_a_part_of_it_and_stay_small(large: LargeRun) -> None:
    lines, rows = large.lines, large.rows
    texts = {}
    with httpx2.Client(
        base_url=large.server.base_url, cookies={"fyke_session": large.token}, timeout=30
    ) as http:
        for name, address in addresses(large.run, lines, rows).items():
            answer = http.get(address)
            assert answer.status_code == 200, name
            assert len(answer.content) < PAGE_KB * 1000, name
            texts[name] = answer.text
    row_of = re.compile(rf"/runs/{large.run}/rows/(\d+)")
    rows_on = {name: sorted({int(n) for n in row_of.findall(text)}) for name, text in texts.items()}
    assert rows_on["rows"] == list(range(1, ROWS + 1))
    assert rows_on["rows, last page"] == list(range(rows - ROWS + 1, rows + 1))
    lines_on = {
        name: [int(n) for n in re.findall(r'<li id="l-(\d+)"', text)]
        for name, text in texts.items()
    }
    assert lines_on["log"] == list(range(lines - LINES + 1, lines + 1))
    assert lines_on["log, middle"] == list(range(lines // 2 + 1, lines // 2 + LINES + 1))
    assert lines_on["log, one line found"] == [lines - 4]
    errors = range(1, lines, 500)
    assert lines_on["log, errors"] == list(errors)[-LINES:]


@pytest.mark.long
def test_the_page_of_a_large_run_stays_small_while_it_grows(
    large: LargeRun, browser: Browser
) -> None:
    with tab(browser, large.server.base_url, large.token) as (page, watch):
        page.goto(f"/runs/{large.run}/log")
        page.wait_for_selector(f"#l-{large.lines}", state="attached")
        session = page.context.new_cdp_session(page)
        for _ in range(8):
            for n in range(4):
                lines = [f"more {large.lines + n}" for n in range(100)]
                large.server.do(large.server.app.push(large.lease, [{"n": 1}], log=lines))
            page.locator("#f-search").press("a")
        assert page.locator("#f-search").input_value() == "a" * 8
        assert page.locator("#log-lines > *").count() <= 2000
        megabytes = heap_mb(session)
        print("heap", megabytes, "MB")
        assert megabytes < BROWSER_MB
        page.goto(f"/runs/{large.run}?all=1")
        assert heap_mb(session) < BROWSER_MB
        page.locator(".rows-choices summary").click()
        page.locator("#f-field").press("a")
        assert page.locator("#f-field").input_value() == "a"
        assert watch.errors == []
