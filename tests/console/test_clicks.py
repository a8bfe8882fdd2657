"""What people do most, with as few clicks as promised: by mouse and by keyboard alone, in Chromium
and in Firefox.

``user.clicks`` is compared with the promise; the key presses are in the properties of the report.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from fyke.domain.runs.service import StartRequest
from fyke.model.billing import UsageKey, UsageSums
from fyke.model.run import Origin, Outcome
from fyke.model.worker import Worker
from support.chromium_screen import chromium_screen
from support.clicks import WAYS, Screen, Visit
from support.firefox_screen import firefox, firefox_screen
from support.pages import sign_in
from support.projects import python_project
from support.served import Served, served

FIREFOX = [pytest.mark.long, pytest.mark.needs("node", "npm")]
SCHEMA: dict[str, Any] = {
    "description": "Pages to read",
    "b": "start_urls",
    "properties": [
        {"name": "start_urls", "type": "array", "editor": "requestList", "required": True},
        {"name": "max_results", "type": "integer", "editor": "number"},
        {"name": "max_depth", "type": "integer", "editor": "number"},
    ],
}
NO_INPUT: dict[str, Any] = {"description": "", "properties": []}
HOURS = count(100)  # each slow Worker is slower than those before
SAID = "KeyError: 'price' is missing on page 7"

pytestmark = pytest.mark.needs("{engine}")
Opened = Callable[[str], AbstractContextManager[Screen]]  # with the token of a session


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("clicks"), templates, rate_limit=0) as server:
        server.do(server.app.publish("website-content-crawler", schema=SCHEMA))
        yield server


@pytest.fixture(scope="module", params=["chromium", pytest.param("firefox", marks=FIREFOX)])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def opened(
    request: pytest.FixtureRequest,
    engine: str,
    server: Served,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Opened]:
    if engine == "chromium":
        browser: Browser = request.getfixturevalue("browser")
        yield lambda token: chromium_screen(browser, server.base_url, token)
    else:
        with firefox(tmp_path_factory.mktemp("firefox")) as driver:
            yield lambda token: firefox_screen(driver, server.base_url, token)


@pytest.fixture(params=WAYS)
def user(
    request: pytest.FixtureRequest,
    server: Served,
    opened: Opened,
    record_property: Callable[[str, object], None],
) -> Iterator[Visit]:
    token = server.do(sign_in(server.app.services.sessions, server.app))
    with opened(token) as screen:
        visit = WAYS[request.param](screen)
        yield visit
        record_property("clicks", visit.clicks)
        record_property("key presses", visit.keys)
        print(f"{visit.clicks} clicks, {visit.keys} key presses", file=sys.stderr)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of a Worker that no other test has."""
    return re.sub("[^a-z]+", "-", request.node.name.removeprefix("test_")).strip("-")


def start(server: Served, worker: Worker) -> str:
    request = StartRequest(worker.id, None, {"parameters": {"custom": {}}}, "", Origin.WEB)
    return server.do(server.app.services.runs.start(server.app.owner, request)).id


def fail(server: Served, name: str) -> str:
    run = start(server, server.do(server.app.publish(name, schema=NO_INPUT)))
    server.do(server.app.execute([{"n": 1}], Outcome.EXIT_CODE, SAID))
    return run


def current(server: Served, worker: Worker) -> str:
    workers = server.app.services.workers
    return server.do(workers.find(server.app.owner, worker.id)).latest


def test_the_first_run_shows_its_rows(server: Served, user: Visit) -> None:
    user.screen.open("/welcome")
    user.press("main button", "Start example")
    user.see("main", "No rows yet")
    [lease] = server.do(server.app.begin())
    rows = [{"url": f"https://example.com/{n}", "title": f"Page {n}"} for n in range(3)]
    server.do(server.app.push(lease, rows))
    user.see("#rows tbody tr", "Page 2")
    assert user.in_first_screen("#rows tbody tr")
    server.do(server.app.end(lease))
    user.see("#run-figures dd", "Succeeded")
    assert user.clicks == 1


@pytest.mark.parametrize("page", ["/", "/runs"])
def test_why_a_run_failed(server: Served, user: Visit, name: str, page: str) -> None:
    run = fail(server, name)
    user.screen.open(page)
    user.press(f'main a[href="/runs/{run}"]')
    user.see("#run-ending", SAID)
    assert user.in_first_screen("#run-ending .note")
    assert user.clicks == 1


@pytest.mark.needs("git")
def test_a_new_version_is_promoted_and_rolled_back(
    server: Served, user: Visit, name: str, tmp_path: Path
) -> None:
    worker = server.do(server.app.publish(name, schema=NO_INPUT))
    project = tmp_path / "project.zip"
    project.write_bytes(python_project("print('better')\n", schema=NO_INPUT))
    user.screen.open(f"/w/{worker.path}")
    user.press("main a", "Upload a new version")
    user.choose_file("#f-scraper_file", project)
    user.press("main button", "Upload and check")
    user.press("main button", "Publish, but keep the current version")
    user.see("main", "v1.0.1 → v1.0.2")  # and what changes
    assert current(server, worker) == "v1.0.1"
    user.press("main button", "Make v1.0.2 current")
    user.see("main", "v1.0.2 is the current version.")
    assert current(server, worker) == "v1.0.2"
    user.press("main a", "Make current")
    user.see("main", "v1.0.2 → v1.0.1")
    user.press("main button", "Make v1.0.1 current")
    user.see("main", "v1.0.1 is the current version.")
    assert current(server, worker) == "v1.0.1"
    assert user.clicks <= 6


def test_the_slow_worker_of_the_week(server: Served, user: Visit, name: str) -> None:
    app = server.app
    run = fail(server, name)
    worker = server.do(app.services.runs.get(app.owner, run)).run.worker_id
    key = UsageKey(app.owner.account_id, int(f"{datetime.now(UTC):%Y%m%d}"), worker)
    slow = UsageSums(runs=1, run_ms=next(HOURS) * 3_600_000)
    server.do(app.storage.write(lambda tx: tx.usage.add(key, slow)))
    user.screen.open("/")
    user.press("#card-slow li:first-child a", name)
    user.see("#trends")
    user.see(".trends figcaption", "Duration")
    assert user.clicks <= 3


def test_a_schedule_with_an_alert(server: Served, user: Visit, name: str) -> None:
    app = server.app
    fail(server, name)  # it is on the overview now
    user.screen.open("/")
    user.press("#card-workers a", f"The {name}")
    user.press("main summary", "Save as task")
    user.press("main button", "Save task")
    user.press("main a", "Add a schedule")
    user.press('input[name="kind"][value="weekly"]')
    user.press('input[name="alert"][value="failed"]')
    user.press("main button", "Save schedule")
    user.see("main", "The schedule was saved.")
    user.see("main", "every Monday at 09:00")
    [rule] = [view.rule for view in server.do(app.services.alerts.rules(app.owner))]
    assert rule.enabled and rule.task_id
    server.do(app.services.alerts.remove_rule(app.owner, rule.id))
    assert user.clicks <= 8
