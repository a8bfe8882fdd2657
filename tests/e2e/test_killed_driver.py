"""Chromedriver is killed in the middle of a session of Selenium: the Worker learns it at once and
may go on with another session, and nothing is left of the first one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from support.booted import Booted
from support.javascript_site import FILES, JavascriptSite, javascript_site
from support.left_over import nothing_is_left
from support.projects import python_project

pytestmark = [pytest.mark.needs("bwrap", "chromium", "driver"), pytest.mark.timeout(300)]
SUCCEEDED, FAILED = 3, 4
ENDED = "chromedriver has ended, and its sessions with it"
WORKER = """
import os

from sdk import CoreSDK
from selenium import webdriver
from selenium.common.exceptions import WebDriverException

given = CoreSDK.Parameter.get_input_json_dict()
address = f"http://{os.environ['PROXY_AUTH']}@{os.environ['ChromeHttp']}"


def session():
    options = webdriver.ChromeOptions()
    if given["local"]:
        options.add_argument("--headless=new")
        return webdriver.Chrome(options=options)
    return webdriver.Remote(command_executor=address, options=options)


def attempt(command):
    try:
        CoreSDK.Result.push_data({"value": command()})
    except WebDriverException as error:
        CoreSDK.Result.push_data({"error": type(error).__name__, "text": error.msg})


def waits():
    driver.execute_async_script("fetch('/waiting')")  # it never calls back


driver = session()
driver.set_script_timeout(120)
driver.get(given["url"])
if not given["again"]:
    waits()
attempt(waits)
attempt(lambda: driver.title)
driver.quit()
driver = session()
driver.get(given["url"])
attempt(lambda: driver.execute_script("return document.URL"))
driver.quit()
"""


@pytest.fixture
def site() -> Iterator[JavascriptSite]:
    with javascript_site({**FILES, "/waiting": ("text/plain", b"")}) as made:
        yield made


@pytest.fixture(scope="module")
def slug(platform: Booted) -> str:
    return platform.push(python_project(WORKER, requirements="selenium\n"), "killed-driver")


def drivers(platform: Booted) -> list[int]:
    return [
        pid
        for pid, words in platform.tree().items()
        if os.path.basename(words[0]) == "chromedriver"
    ]


def killed_driver(platform: Booted, slug: str, site: JavascriptSite, **given: bool) -> str:
    """A run whose chromedriver was killed while a script of its session ran."""
    custom = {"url": site.url, **given}
    run = platform.start_run(slug, custom, egress_allow=[site.target])
    platform.wait_for(lambda: "/waiting" in site.requests, "the script", 120)
    [driver] = drivers(platform)
    os.kill(driver, signal.SIGKILL)
    return run


def test_a_worker_goes_on_with_another_session(
    platform: Booted, slug: str, site: JavascriptSite
) -> None:
    run = killed_driver(platform, slug, site, local=False, again=True)
    detail = platform.ended(run, 100)
    log = platform.log_text(run)
    assert detail["status"] == SUCCEEDED, f"{detail['err_msg']}\n{log[-3000:]}"
    first, second, third = platform.rows(run)
    assert first["error"] == second["error"] == "InvalidSessionIdException"
    assert first["text"].startswith(ENDED)
    assert third["value"] == site.url
    assert f"{ENDED}." in log
    nothing_is_left(platform, run)


@pytest.mark.long
def test_a_worker_that_does_not_expect_it_fails_with_the_cause(
    platform: Booted, slug: str, site: JavascriptSite
) -> None:
    run = killed_driver(platform, slug, site, local=True, again=False)
    detail = platform.ended(run, 100)
    assert detail["status"] == FAILED, detail
    assert f"InvalidSessionIdException: Message: {ENDED}" in detail["err_msg"]
    nothing_is_left(platform, run)
