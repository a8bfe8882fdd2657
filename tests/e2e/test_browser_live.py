"""The live view on a whole platform of two server processes: Workers that connect and Selenium."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from support.booted import Booted, booted
from support.live_streams import CONNECTS, PAGE, PASSWORD, click, events, first_picture
from support.projects import python_project
from zoo.bundles import DEVTOOLS

pytestmark = [pytest.mark.needs("bwrap", "chromium", "driver"), pytest.mark.timeout(600)]
NAMES = ("server", "server-2")
SUCCEEDED = 3
SELENIUM = f"""
import os
from sdk import CoreSDK
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

address = f"http://{{os.environ['PROXY_AUTH']}}@{{os.environ['ChromeHttp']}}"
driver = webdriver.Remote(command_executor=address, options=webdriver.ChromeOptions())
try:
    driver.get({PAGE!r})
    WebDriverWait(driver, 300).until(lambda page: page.title == "Bought")
    CoreSDK.Result.push_data({{"title": driver.title}})
finally:
    driver.quit()
"""
PROJECTS: dict[str, Callable[[], bytes]] = {
    "connects": lambda: python_project(CONNECTS, **{"devtools.py": DEVTOOLS.read_text()}),
    "selenium": lambda: python_project(SELENIUM, requirements="selenium\n"),
}


@pytest.fixture(scope="module")
def two() -> Iterator[Booted]:
    with booted(start=False) as platform:
        platform.start("--servers", "2")
        for name in NAMES:
            platform.role(name)
        token = platform.setup_link().partition("/setup?token=")[2]
        form = {"token": token, "password": PASSWORD}
        headers = {"origin": platform.url}
        answer = httpx2.post(f"{platform.url}/setup", data=form, headers=headers)
        assert answer.status_code == 303
        yield platform


def signed_in(platform: Booted) -> httpx2.Cookies:
    """A new session of the owner."""
    with httpx2.Client(base_url=platform.url, headers={"origin": platform.url}) as browser:
        answer = browser.post("/login", data={"name": "owner", "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return browser.cookies


def server_of(platform: Booted, answer: httpx2.Response) -> str:
    """The name of the process that an answer comes from, by its end of the connection."""
    ours = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
    theirs = urlsplit(platform.url).port
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(one.partition(":")[2], 16) for one in fields[1:3]]
        if ports == [theirs, ours]:
            link = f"socket:[{fields[9]}]"
            break
    for name in NAMES:
        for descriptor in Path(f"/proc/{platform.role(name)}/fd").iterdir():
            with suppress(FileNotFoundError):
                if os.readlink(descriptor) == link:
                    return name
    raise AssertionError("no server has the connection")


@contextmanager
def connected(platform: Booted, cookies: httpx2.Cookies, name: str) -> Iterator[httpx2.Client]:
    """A client whose only connection is with the server of this name."""
    while True:
        one = httpx2.Client(
            base_url=platform.url,
            headers={"origin": platform.url},
            cookies=cookies,
            timeout=120,
            limits=httpx2.Limits(max_connections=1),
        )
        with one as client:
            if server_of(platform, client.get("/healthz")) == name:
                yield client
                return


def post(platform: Booted, cookies: httpx2.Cookies, name: str, path: str, **body: Any) -> int:
    """Send a request to the server of this name; return the status."""
    with connected(platform, cookies, name) as client:
        answer = client.post(path, **body)
        assert server_of(platform, answer) == name
        return answer.status_code


@pytest.mark.parametrize("project", ["connects", pytest.param("selenium", marks=pytest.mark.long)])
def test_a_browser_is_watched_at_one_server_and_taken_over_at_the_other(
    two: Booted, project: str
) -> None:
    run = two.start_run(two.push(PROJECTS[project](), f"live-{project}"))
    at = f"/runs/{run}/browser"
    watching, acting = signed_in(two), signed_in(two)
    with (
        connected(two, watching, NAMES[0]) as viewer,
        viewer.stream("GET", f"{at}/live") as answer,
    ):
        assert server_of(two, answer) == NAMES[0]
        stream = events(answer)
        state, shown = first_picture(stream, "Shop")
        page, picture = shown["page"], shown["number"]
        body = {"attempt": state["attempt"], "page": page, "inputs": click()}

        def act(number: int) -> int:
            sent = body | {"picture": number}
            return post(two, acting, NAMES[1], f"{at}/input", json=sent)

        assert act(picture) == 400  # not taken over
        form = {"attempt": state["attempt"]}
        assert post(two, acting, NAMES[1], f"{at}/take-over", data=form) == 303
        while not (state := next(data for kind, data in stream if kind == "state"))["taken_by"]:
            pass
        assert (state["taken_by"], state["yours"]) == ("owner", False)
        assert act(0) == 409
        assert act(picture) == 204
        assert [kind for kind, _ in stream][-1] == "end"
    detail = two.ended(run, 200)
    assert detail["status"] == SUCCEEDED, two.log_text(run)
    assert two.rows(run) == [{"title": "Bought"}]
    log = two.log_text(run)
    assert "owner has taken over the browser" in log
    assert "owner has given the browser back: the Worker has ended." in log
