"""What the browser of a Worker costs, and what it is refused for."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from support.booted import Booted, booted
from support.projects import python_project

pytestmark = pytest.mark.needs("chromium")
SUCCEEDED = 3
ASKS = """
import os
import time
import urllib.error
import urllib.request

from sdk import CoreSDK

try:
    with urllib.request.urlopen(f"http://{os.environ['ChromeHttp']}/json/version") as answer:
        CoreSDK.Result.push_data({"status": answer.status, "text": answer.read().decode()})
    time.sleep(2)
except urllib.error.HTTPError as error:
    CoreSDK.Result.push_data({"status": error.code, "text": error.read().decode()})
"""


@pytest.fixture(scope="module")
def priced() -> Iterator[Booted]:
    with booted(price_cpu_hour="3600") as platform:  # a dollar a second and core
        name = platform.read("/api/fyke/account")["name"]
        platform.call(f"/api/fyke/accounts/{name}/credit", {"usd": "100", "traffic_mb": "0"})
        yield platform


@pytest.fixture(scope="module")
def asks(priced: Booted) -> str:
    return priced.push(python_project(ASKS), "browser-asks", public=True)


def test_a_browser_is_shown_and_charged_while_it_is_there(priced: Booted, asks: str) -> None:
    run = priced.start_run(asks, execute_limit_time_seconds=60)
    assert priced.ended(run)["status"] == SUCCEEDED
    [row] = priced.rows(run)
    assert row["status"] == 200 and "webSocketDebuggerUrl" in row["text"]
    usage = priced.read(f"/api/fyke/runs/{run}/usage")
    browser = usage["browser"]
    assert browser["version"].startswith("headless-shell ")
    assert browser["ms"] >= 2000 and browser["cpu_ms"] > 0 and browser["memory_peak"] > 2**20
    lines = {line["kind"]: Decimal(line["cost"]) for line in usage["lines"]}
    assert lines["browser_cpu"] > 2  # one core, besides the eighth of the Worker
    assert lines["cpu"] < lines["browser_cpu"] / 3
    events = priced.read(f"/api/fyke/runs/{run}/events")["list"]
    [reserved] = [event for event in events if event["kind"] == "BrowserReserved"]
    assert reserved["detail"] == "1 CPU and 1024 MB for each attempt; 60 USD more are set aside"
    log = priced.call("/api/v1/run/last/log", {"run_slug": run})["list"]
    assert sum("The browser has started: headless-shell" in entry["content"] for entry in log) == 1
    [subtask] = priced.read(f"/api/fyke/runs/{run}/subtasks")["list"]
    assert subtask["attempts"][0]["browser_ms"] == browser["ms"]
