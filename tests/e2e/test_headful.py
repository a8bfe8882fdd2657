"""Runs that ask for a browser with windows, or for a program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fyke.reasons import ReasonCode
from support.booted import Booted, booted
from support.projects import python_project
from support.reasons import reaches

pytestmark = [
    pytest.mark.needs("bwrap", "chromium", "driver", "display"),
    pytest.mark.timeout(600),
]
SUCCEEDED = 3
# what a page sees of its window, with each way to get a browser
FACTS = """
() => ({
    agent: navigator.userAgent,
    framed: window.outerHeight > window.innerHeight,
    screen: `${screen.width}x${screen.height}`,
})
"""
CONNECTS = f"""
import os

from playwright.sync_api import sync_playwright
from sdk import CoreSDK

with sync_playwright() as playwright:
    browser = playwright.chromium.connect_over_cdp(os.environ["BROWSER_WS"], timeout=90_000)
    page = browser.contexts[0].new_page()
    CoreSDK.Result.push_data(page.evaluate({FACTS!r}))
"""
LAUNCHES = f"""
from playwright.sync_api import sync_playwright
from sdk import CoreSDK

with sync_playwright() as playwright:
    for headless in (False, True):
        browser = playwright.chromium.launch(headless=headless)
        page = browser.new_context(no_viewport=True).new_page()
        CoreSDK.Result.push_data(page.evaluate({FACTS!r}))
        browser.close()
"""
DRIVES = f"""
from sdk import CoreSDK
from selenium import webdriver

driver = webdriver.Chrome()
CoreSDK.Result.push_data(driver.execute_script("return (" + {FACTS!r}.strip() + ")()"))
driver.quit()
"""
ASKS = """
import os
import urllib.request

from sdk import CoreSDK

with urllib.request.urlopen(f"http://{os.environ['ChromeHttp']}/json/version") as answer:
    CoreSDK.Result.push_data({"text": answer.read().decode()})
"""
OPTIONAL = {"fyke.json": json.dumps({"browser": "optional"})}
LOG = "with windows, with up to"


@pytest.fixture(scope="module")
def platform() -> Iterator[Booted]:
    with booted(warm_browsers="1") as made:
        yield made


def rows_of(platform: Booted, slug: str, **asked: Any) -> tuple[str, list[dict[str, Any]]]:
    """The run that starts with these options, and its rows."""
    run = platform.start_run(slug, **asked)
    detail = platform.ended(run, 400)
    assert detail["status"] == SUCCEEDED, f"{detail['err_msg']}\n{platform.log_text(run)[-3000:]}"
    return run, platform.rows(run)


@pytest.mark.parametrize(
    ("source", "package"),
    [
        pytest.param(CONNECTS, "playwright", id="connects"),
        pytest.param(LAUNCHES, "playwright", id="launches", marks=pytest.mark.long),
        pytest.param(DRIVES, "selenium", id="drives", marks=pytest.mark.long),
    ],
)
def test_pages_of_a_run_that_asks_for_windows_have_one(
    platform: Booted, request: pytest.FixtureRequest, source: str, package: str
) -> None:
    name = f"headful-{request.node.callspec.id}"
    slug = platform.push(python_project(source, requirements=f"{package}\n"), name)
    run, rows = rows_of(platform, slug, browser="headful")
    for row in rows:
        assert (row["framed"], row["screen"]) == (True, "1920x1080")
        assert "Headless" not in row["agent"]
    log = platform.log_text(run)
    assert "The browser has started: chromium " in log and LOG in log
    assert "without one" not in log
    report = platform.read(f"/api/fyke/runs/{run}/browser")
    assert (report["headful"], report["program"]) == (True, "chromium")
    kinds = {line["kind"] for line in platform.read(f"/api/fyke/runs/{run}/usage")["lines"]}
    assert not {kind for kind in kinds if "window" in kind}


def test_a_worker_that_launches_a_window_without_asking_is_told_how_to(platform: Booted) -> None:
    slug = platform.push(python_project(LAUNCHES, requirements="playwright\n"), "headful-not-asked")
    run, rows = rows_of(platform, slug)
    assert [row["framed"] for row in rows] == [False, False]
    log = platform.log_text(run)
    assert log.count("The Worker asked for a browser with a window; it runs without one.") == 1
    assert LOG not in log


def test_browsers_with_windows_block_what_the_run_does_not_load(platform: Booted) -> None:
    source = (
        CONNECTS
        + """
    failed = []
    page.on("requestfailed", lambda request: failed.append(request.failure))
    page.set_content("<img src='http://127.0.0.1/picture.png'>")
    CoreSDK.Result.push_data({"failed": failed})
"""
    )
    slug = platform.push(python_project(source, requirements="playwright\n"), "headful-blocking")
    run, rows = rows_of(platform, slug, browser="headful", browser_block=["images"])
    assert rows[0]["framed"]
    [failure] = rows[1]["failed"]
    assert failure.startswith("net::ERR_BLOCKED_BY_CLIENT")
    assert LOG in platform.log_text(run)


def test_a_version_may_declare_windows_and_a_start_may_do_without(platform: Booted) -> None:
    declared = {"fyke.json": json.dumps({"browser": "headful"})}
    slug = platform.push(python_project(ASKS, **declared), "headful-declared")
    _, [row] = rows_of(platform, slug)
    assert "Headless" not in row["text"]
    _, [row] = rows_of(platform, slug, browser="headless")
    assert "Headless" in row["text"]


def test_a_run_gets_the_program_that_it_asks_for(platform: Booted) -> None:
    slug = platform.push(python_project(ASKS, **OPTIONAL), "headful-program")
    for program in ("chromium", "headless-shell"):
        run, _ = rows_of(platform, slug, browser_program=program)
        assert platform.read(f"/api/fyke/runs/{run}/browser")["program"] == program


@reaches(ReasonCode.BROWSER_CHOICE_MISSING)
def test_windows_are_refused_where_no_runner_has_a_display(platform: Booted) -> None:
    slug = platform.push(python_project(ASKS, **OPTIONAL), "headful-refused")
    system = {"browser": "headful"}
    body = {
        "scraper_slug": slug,
        "input": {"parameters": {"system": system, "custom": {}}},
    }

    def refused() -> Any:
        # as the runner of a machine without a display reports it, until this one's next heartbeat
        platform.change_state("UPDATE runners SET browser_display = ?", False)
        answer = platform.raw("/api/v1/scraper/run", body).json()
        return answer if answer["code"] else None

    answer = platform.wait_for(refused, "a refusal")
    assert answer["code"] == 50002
    assert "no virtual display was found (apt install xvfb)" in answer["message"]
