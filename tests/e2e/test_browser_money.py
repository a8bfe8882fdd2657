"""What the browser of a Worker costs, and why there may be none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from fyke.reasons import HintCode, ReasonCode
from support.booted import Booted, booted
from support.projects import python_project
from support.reasons import reaches

pytestmark = pytest.mark.needs("chromium")
SUCCEEDED, ABORTED = 3, 5


def declaring(need: str) -> dict[str, str]:
    """The file that declares the need of a browser."""
    return {"fyke.json": json.dumps({"browser": need})}


OPTIONAL = declaring("optional")  # reserved by the first connection
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
    return priced.push(python_project(ASKS, **OPTIONAL), "browser-asks", public=True)


@pytest.mark.long
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


def test_a_required_browser_is_reserved_at_the_start(priced: Booted) -> None:
    """60 s of a core and an eighth, of which no more than the balance may be used."""
    project = python_project(ASKS, **declaring("required"))
    slug = priced.push(project, "browser-required")
    [version] = priced.read(f"/api/fyke/workers/{slug}/versions")["list"]
    assert (version["browser"], version["browser_declared"]) == ("required", True)
    before = Decimal(priced.read("/api/fyke/account")["held"])
    run = priced.start_run(slug, execute_limit_time_seconds=60)
    assert Decimal(priced.read("/api/fyke/account")["held"]) - before == Decimal("67.5")
    assert priced.ended(run)["status"] == SUCCEEDED
    assert [row["status"] for row in priced.rows(run)] == [200]
    assert priced.read(f"/api/fyke/runs/{run}/usage")["browser"]["ms"] >= 2000
    events = priced.read(f"/api/fyke/runs/{run}/events")["list"]
    assert "BrowserReserved" not in [event["kind"] for event in events]


NEEDS = """
import os
import urllib.request

urllib.request.urlopen(f"http://{os.environ['ChromeHttp']}/json/version")
"""


@reaches(ReasonCode.BROWSER_FAILED, HintCode.BROWSER_FAILED)
def test_a_browser_that_cannot_be_paid_is_refused_with_the_reason(priced: Booted) -> None:
    slug = priced.push(python_project(NEEDS, **OPTIONAL), "browser-unpaid")
    run = priced.start_run(slug, execute_limit_time_seconds=200, max_total_charge=0)
    ended = priced.ended(run)
    assert "Worker asked for a browser and got none" in ended["err_msg"]
    assert "the run may cost up to 225 USD" in ended["err_msg"]
    assert priced.summary(run)["reason_code"] == "browser_failed"
    usage = priced.read(f"/api/fyke/runs/{run}/usage")
    assert usage["browser"] is None
    kinds = [line["kind"] for line in usage["lines"]]
    assert kinds[:3] == ["cpu", "memory", "traffic"] and not {*kinds[3:]} - {"rounding"}


@reaches(ReasonCode.BROWSER_NOT_DECLARED, HintCode.BROWSER_NOT_DECLARED)
def test_a_worker_that_declares_to_use_no_browser_gets_none(priced: Booted) -> None:
    declared = declaring("none")
    asks = priced.push(python_project(ASKS, **declared), "browser-declined")
    run = priced.start_run(asks, execute_limit_time_seconds=60)
    assert priced.ended(run)["status"] == SUCCEEDED
    text = "fyke.json of this Worker declares that it uses no browser"
    assert [(row["status"], row["text"]) for row in priced.rows(run)] == [(403, f"{text}\n")]
    needs = priced.push(python_project(NEEDS, **declared), "browser-declined-too")
    run = priced.start_run(needs, execute_limit_time_seconds=60)
    assert "but its fyke.json declares that it uses none" in priced.ended(run)["err_msg"]
    assert priced.summary(run)["reason_code"] == "browser_not_declared"


# --- room and memory --------------------------------------------------------------------------

HOLDS = """
import os
import time
import urllib.request

from sdk import CoreSDK

with urllib.request.urlopen(f"http://{os.environ['ChromeHttp']}/json/version"):
    CoreSDK.Result.push_data({"browser": True})
time.sleep(600)
"""
FILLS = """
import os
import time
import urllib.parse
import urllib.request

script = "const all = []; for (;;) all.push(new Uint8Array(2 ** 23).fill(1));"
page = urllib.parse.quote(f"data:text/html,<script>{script}</script>")
url = f"http://{os.environ['ChromeHttp']}/json/new?{page}"
urllib.request.urlopen(urllib.request.Request(url, method="PUT"))
time.sleep(10)
raise SystemExit("the page has crashed")
"""


@pytest.fixture(scope="module")
def small() -> Iterator[Booted]:
    with booted(browser_memory_mb="256", runner_browsers="1") as platform:
        yield platform


@pytest.mark.long
@reaches(ReasonCode.BROWSER_OUT_OF_MEMORY, HintCode.BROWSER_OUT_OF_MEMORY)
def test_a_page_over_the_memory_is_the_reason_of_a_failed_run(small: Booted) -> None:
    slug = small.push(python_project(FILLS), "browser-fills")
    for asked, memory in (({}, 256), ({"browser_memory": 300}, 300)):
        run = small.start_run(slug, **asked)
        assert small.ended(run, 120)["err_msg"].startswith(
            f"The browser went over its {memory} MB; the Worker exited with code 1"
        )
        assert small.summary(run)["reason_code"] == "browser_out_of_memory"


@pytest.mark.long
@pytest.mark.timeout(240)
@reaches(ReasonCode.BROWSER_BUSY, HintCode.BROWSER_BUSY)
def test_without_room_for_another_browser_a_connection_is_refused_in_time(small: Booted) -> None:
    holds = small.start_run(small.push(python_project(HOLDS, **OPTIONAL), "browser-holds"))
    small.wait_for(lambda: small.rows(holds), "a browser")
    run = small.start_run(small.push(python_project(NEEDS, **OPTIONAL), "browser-waits"))
    assert "none was free within 55 s" in small.ended(run, 150)["err_msg"]
    assert small.summary(run)["reason_code"] == "browser_busy"
    small.call("/api/v1/scraper/abort", {"run_slug": holds})
    assert small.ended(holds)["status"] == ABORTED
