"""Reasons and hints of a running platform that no other test covers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fyke.reasons import HintCode, ReasonCode
from support.booted import Booted
from support.projects import python_project, zoo
from support.reasons import reaches

FAILED = 4
# writes the line of its input as an error, and fails
COMPLAINS = """
import sys
from sdk import CoreSDK

CoreSDK.Log.error(CoreSDK.Parameter.get_input_json_dict()["line"])
sys.exit(1)
"""
ASKS = """
import os, sys, urllib.request

for host in sys.argv[1:] or {hosts!r}:
    try:
        urllib.request.urlopen(f"http://{host}/", timeout=5)
    except OSError:
        pass
"""


PUSHES = """
import time
from sdk import CoreSDK

asked = CoreSDK.Parameter.get_input_json_dict()
time.sleep(asked["seconds"])
for number in range(asked["rows"]):
    CoreSDK.Result.push_data({"price": number})
"""


@pytest.fixture(scope="module")
def guest(platform: Booted) -> str:
    """The key of an account with the plan free, which allows two runs at once."""
    return str(platform.call("/api/fyke/accounts", {"name": "reasons-guest"})["key"]["key"])


@pytest.fixture(scope="module")
def forever(platform: Booted) -> str:
    return platform.push(zoo("never_exits"), "reasons-never-exits", public=True)


def quick(platform: Booted, name: str) -> str:
    """A public Worker with one version, whose files are unique."""
    return platform.push(python_project(f"print({name!r})\n"), name, public=True)


def start_v2(platform: Booted, slug: str, key: str) -> Any:
    body = {"input": {"parameters": {"system": {}, "custom": {}}}}
    return platform.raw(f"/api/v2/workers/{slug}/runs", body, key=key).json()


def hold(platform: Booted, slug: str, key: str) -> str:
    body = {"input": {"parameters": {"system": {}, "custom": {}}}}
    path = f"/api/v2/workers/{slug}/queued-runs"
    return str(platform.call(path, body, key=key)["queue_ref"])


def abort(platform: Booted, key: str, *runs: str) -> None:
    for run in runs:
        platform.call("/api/v1/scraper/abort", {"run_slug": run}, key=key)
        platform.ended(run, key=key)


@reaches(ReasonCode.NO_LABELS)
def test_a_run_waits_for_a_machine_with_its_labels(platform: Booted) -> None:
    run = platform.start_run(quick(platform, "reasons-labels"), labels={"gpu": "yes"})
    assert platform.waits(run)["code"] == "no_labels"
    assert "has the labels gpu=yes" in platform.waits(run)["reason"]
    abort(platform, platform.key, run)


# --- hints from the log and from the sites ------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        pytest.param(
            "ModuleNotFoundError: No module named 'bs4'",
            HintCode.MODULE_MISSING,
            marks=reaches(HintCode.MODULE_MISSING),
        ),
        pytest.param("HTTP 429", HintCode.BLOCKED, marks=reaches(HintCode.BLOCKED)),
        pytest.param(
            "getaddrinfo failed", HintCode.UNKNOWN_HOST, marks=reaches(HintCode.UNKNOWN_HOST)
        ),
        pytest.param(
            "connection refused", HintCode.UNREACHABLE, marks=reaches(HintCode.UNREACHABLE)
        ),
        pytest.param(
            "Page.click: Timeout 1000ms exceeded.",
            HintCode.ELEMENT_MISSING,
            marks=reaches(HintCode.ELEMENT_MISSING),
        ),
        pytest.param("HTTP 404", HintCode.PAGE_MISSING, marks=reaches(HintCode.PAGE_MISSING)),
        pytest.param("KeyError: 'price'", HintCode.OTHER_PAGE, marks=reaches(HintCode.OTHER_PAGE)),
    ],
)
def test_the_log_explains_a_failure(platform: Booted, line: str, code: HintCode) -> None:
    slug = platform.push(python_project(COMPLAINS), "reasons-complains")
    run = platform.start_run(slug, {"line": line})
    assert platform.ended(run)["status"] == FAILED
    assert platform.summary(run)["hint"]["code"] == code


@reaches(HintCode.UNDECLARED_SITES, HintCode.REFUSED_SITES)
def test_refused_sites_explain_a_run_without_rows(platform: Booted) -> None:
    declares = {"fyke.json": json.dumps({"egress": ["declared.example"]})}
    asks = python_project(ASKS.format(hosts=["undeclared.example"], host="{host}"), **declares)
    run = platform.start_run(platform.push(asks, "reasons-undeclared"))
    platform.ended(run)
    hint = platform.summary(run)["hint"]
    assert (hint["code"], hint["params"]) == ("undeclared_sites", {"sites": ["undeclared.example"]})
    inside = python_project(ASKS.format(hosts=["10.1.2.3"], host="{host}"))
    run = platform.start_run(platform.push(inside, "reasons-inside"))
    platform.ended(run)
    hint = platform.summary(run)["hint"]
    assert (hint["code"], hint["params"]) == (
        "refused_sites",
        {"sites": ["10.1.2.3"], "private": ["10.1.2.3"]},
    )


# --- runs that wait for their plan --------------------------------------------------------------


@reaches(
    ReasonCode.PLAN,
    ReasonCode.PLAN_FULL,
    ReasonCode.WORKER_DELETED,
    HintCode.WORKER_DELETED,
    ReasonCode.VERSION_MISSING,
)
def test_a_run_that_waits_for_its_plan_shows_the_reason(
    platform: Booted, guest: str, forever: str
) -> None:
    busy = [platform.start_run(forever, key=guest) for _ in range(2)]
    assert start_v2(platform, forever, guest)["code"] == 30003
    doomed = quick(platform, "reasons-doomed")
    waiting = platform.start_run(doomed, key=guest)
    assert platform.waits(waiting, key=guest)["params"] == {"plan": "free", "most": 2}
    platform.raw(f"/api/fyke/workers/{doomed}", method="DELETE")
    platform.ended(waiting, key=guest)
    assert platform.summary(waiting, key=guest)["reason_code"] == "worker_deleted"

    lost = quick(platform, "reasons-lost")
    waiting = platform.start_run(lost, key=guest)
    for table in ("version_facts", "version_environments"):
        of_version = "version_id IN (SELECT id FROM versions WHERE worker_id = ?)"
        platform.change_state(f"DELETE FROM {table} WHERE {of_version}", lost)
    platform.change_state("DELETE FROM versions WHERE worker_id = ?", lost)
    abort(platform, guest, *busy)
    platform.ended(waiting, key=guest)
    assert platform.summary(waiting, key=guest)["reason_code"] == "version_missing"


# --- refusals -----------------------------------------------------------------------------------


@reaches(
    ReasonCode.VERSION_UNKNOWN,
    ReasonCode.VERSION_DRAFT,
    ReasonCode.VERSION_WITHDRAWN,
    ReasonCode.NO_VERSION,
)
def test_versions_that_cannot_be_started_have_a_reason(platform: Booted) -> None:
    slug = quick(platform, "reasons-versions")
    one = f"/api/fyke/workers/{slug}/versions"
    [number] = [item["version"] for item in platform.read(one)["list"]]
    body = {"scraper_slug": slug, "input": {"parameters": {"custom": {}}}}
    unknown = platform.raw("/api/v1/scraper/run", {**body, "version": "v9.9.9"}).json()
    assert unknown["message"] == (
        f"Invalid request parameters: version 'v9.9.9' does not exist; the latest is {number}"
    )
    state = "UPDATE versions SET state = ? WHERE worker_id = ?"
    platform.change_state(state, "draft", slug)
    assert platform.raw(f"{one}/{number}/withdraw", {}).json()["code"] == 50003
    platform.change_state(state, "published", slug)
    platform.call(f"{one}/{number}/withdraw", {"reason": "it leaks"})
    withdrawn = platform.raw("/api/v1/scraper/run", {**body, "version": number}).json()
    assert withdrawn["message"] == (
        f"Worker version unavailable: version {number} was withdrawn (it leaks)"
    )
    none = platform.raw("/api/v1/scraper/run", body).json()
    assert none["message"] == "Worker version unavailable: no version is published"


@reaches(ReasonCode.VERSION_FILES_MISSING, ReasonCode.RUN_ENDED)
def test_missing_files_and_ended_runs_have_a_reason(platform: Booted) -> None:
    bundles = platform.home / "blobs" / "bundles"
    before = set(bundles.rglob("*"))
    slug = quick(platform, "reasons-files")
    made = [path for path in set(bundles.rglob("*")) - before if path.is_file()]
    platform.push(python_project("print('newer')\n"), "reasons-files")
    run = platform.start_run(slug)
    platform.ended(run)
    over = platform.raw("/api/v1/scraper/abort", {"run_slug": run}).json()
    assert over["message"] == "Run abort failed: the run has already succeeded"
    for path in made:
        Path(path).unlink()
    oldest = platform.read(f"/api/fyke/workers/{slug}/versions")["list"][-1]["version"]
    path = f"/api/fyke/workers/{slug}/versions/{oldest}/rollback"
    assert platform.raw(path, {}).json()["code"] == 50003


# --- alerts -------------------------------------------------------------------------------------


@reaches(
    ReasonCode.ZERO_ROWS,
    ReasonCode.FEWER_ROWS,
    ReasonCode.SLOWER,
    ReasonCode.FIELD_MISSING,
    ReasonCode.EXIT_CODE,
)
def test_alert_rules_report_the_reason(platform: Booted) -> None:
    slug = platform.push(python_project(PUSHES), "reasons-alerts")
    for _ in range(3):
        platform.ended(platform.start_run(slug, {"rows": 4, "seconds": 0}))
    for kind, more in {
        "failed": {},
        "zero_rows": {},
        "fewer_rows": {"factor": "0.5"},
        "slower": {"factor": "3"},
        "missing_field": {"field": "title", "percent": "0"},
    }.items():
        platform.call("/api/fyke/alerts/rules", {"name": kind, "kind": kind, "worker": slug} | more)
    inputs = ({"rows": 1, "seconds": 3}, {"rows": 0, "seconds": 0}, {"rows": "none"})
    slow, empty, failed = (platform.start_run(slug, custom) for custom in inputs)
    for run in (slow, empty, failed):
        platform.ended(run)

    def alerts_of(run: str, *codes: str) -> Any:
        def found() -> Any:
            alerts = platform.alerts(run)
            return alerts if alerts.keys() >= set(codes) else None

        return platform.wait_for(found, f"the alerts {', '.join(codes)}")

    assert (
        alerts_of(empty, "zero_rows")["zero_rows"]["sentence"] == "The run succeeded without rows"
    )
    assert alerts_of(failed, "exit_code")["exit_code"]["kind"] == "failed"
    alerts = alerts_of(slow, "fewer_rows", "slower", "field_missing")
    assert alerts["fewer_rows"]["reason_params"]["usual_rows"] == 4
    assert alerts["slower"]["reason_params"]["duration_ms"] >= 3000
    assert alerts["field_missing"]["reason_params"]["field"] == "title"


# --- the run queue ------------------------------------------------------------------------------


@reaches(
    ReasonCode.ACTIVATION,
    ReasonCode.ACTIVATED,
    ReasonCode.RELEASED,
    ReasonCode.ITEM_UNKNOWN,
    ReasonCode.ITEM_NOT_WAITING,
    ReasonCode.WORKER_NOT_FOUND,
    ReasonCode.INPUT_REFUSED,
)
def test_items_of_the_run_queue_end_with_a_reason(platform: Booted, guest: str) -> None:
    slug, doomed = quick(platform, "reasons-queue"), quick(platform, "reasons-queue-doomed")
    first, second, third = (hold(platform, slug, guest) for _ in range(3))
    fourth = hold(platform, doomed, guest)
    assert platform.queued(key=guest)[first] == "waits for activation"
    [done] = platform.change_queue("activate", first, key=guest)
    platform.ended(done["run_slug"], key=guest)
    platform.change_queue("release", second, key=guest, reason="too late")
    platform.raw(f"/api/fyke/workers/{doomed}", method="DELETE")
    broken = json.dumps({"parameters": {"system": {"memory": "much"}, "custom": {}}})
    platform.change_state(
        "UPDATE queue_items SET input_json = ? WHERE number = ?", broken, int(third)
    )
    results = platform.change_queue("activate", third, fourth, first, "999999999", key=guest)
    assert [result["success"] for result in results] == [False] * 4
    texts = platform.queued(key=guest)
    assert texts[first] == f"activated as run {done['run_slug']}"
    assert texts[second] == "released: too late"
    assert texts[fourth] == results[1]["error"] == "the Worker does not exist"
    assert texts[third] == results[0]["error"] and "memory" in texts[third]
    assert results[2]["error"] == "item is not in waiting state"


@reaches(ReasonCode.QUEUE_FULL)
def test_a_full_run_queue_is_refused(platform: Booted) -> None:
    key = str(platform.call("/api/fyke/accounts", {"name": "reasons-full"})["key"]["key"])
    slug = quick(platform, "reasons-full")
    ref = hold(platform, slug, key)
    platform.change_state(
        "INSERT INTO queue_items (id, account_id, worker_id, version, input_json, callback_url,"
        " waiting, reason_code, reason_params, reason_text, run_id, created_at, ended_at)"
        " WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted"
        " WHERE n < 9999)"
        " SELECT id || '-' || n, account_id, worker_id, version, input_json, callback_url,"
        " waiting, '', '', '', '', created_at, 0 FROM queue_items, counted WHERE number = ?",
        int(ref),
    )
    body = {"input": {"parameters": {"system": {}, "custom": {}}}}
    full = platform.raw(f"/api/v2/workers/{slug}/queued-runs", body, key=key).json()
    assert full["code"] == 11000 and "10000 items wait" in full["message"]


@pytest.mark.long
@pytest.mark.timeout(600)
@reaches(ReasonCode.ROW_CAP, HintCode.ROW_CAP)
def test_a_run_with_a_gibibyte_of_rows_is_full(platform: Booted) -> None:
    pushes = (
        "from sdk import CoreSDK\n"
        "while True:\n"
        "    CoreSDK.Result.push_data({'text': 'x' * (8 * 2**20 - 1000)})\n"
    )
    run = platform.start_run(platform.push(python_project(pushes), "reasons-full-of-rows"))
    assert platform.ended(run, 500)["status"] == FAILED
    assert platform.summary(run)["reason_params"] == {"max_bytes": 2**30}
    assert platform.raw(f"/api/fyke/runs/{run}", method="DELETE").status_code == 200
