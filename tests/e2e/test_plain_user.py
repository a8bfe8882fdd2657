"""A platform started by a plain user: isolation is enforced, but not hard limits of CPU and memory,
so only the operator's own Workers run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.reasons import HintCode, ReasonCode
from support.booted import Booted, booted
from support.projects import python_project, zoo
from support.reasons import reaches

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

SUCCEEDED, FAILED = 3, 4
# unique to this test run, so that every process of this user is one of ours
UID = 20_000 + os.getpid() % 10_000
LOOKS = """
import os
import socket
from sdk import CoreSDK

found = {"uid": os.getuid(), "processes": sum(name.isdigit() for name in os.listdir("/proc"))}
for path in ("/etc/shadow", "/root", HOME + "/owner.key", HOME + "/secret.key"):
    found[path.rpartition("/")[2]] = os.path.exists(path)
try:
    socket.create_connection(("127.0.0.1", PORT), 3)
    found["platform"] = "reached"
except OSError as error:
    found["platform"] = type(error).__name__
CoreSDK.Result.push_data(found)
"""


@pytest.fixture(scope="module")
def plain() -> Iterator[Booted]:
    with booted(uid=UID, review="off") as platform:
        yield platform


def _processes_of(uid: int) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    found.add(int(entry.name))
        except OSError:
            continue  # it has ended in the meantime
    return found


def _level(platform: Booted) -> dict[str, Any]:
    found: dict[str, Any]
    [found] = platform.read("/api/fyke/runners")["list"]
    return found


def test_the_runner_reports_missing_isolation(plain: Booted) -> None:
    runner = _level(plain)
    assert runner["isolation"] == "no-limits"
    assert "memory" in runner["reason"] or "cgroup" in runner["reason"]


def test_a_worker_of_the_operator_runs_with_a_warning(plain: Booted) -> None:
    run = plain.start_run(plain.push(zoo("upserts"), "plain-upserts"))
    detail = plain.ended(run)
    assert (detail["status"], detail["results"]) == (SUCCEEDED, 2)
    entries = plain.call("/api/v1/run/last/log", {"run_slug": run})["list"]
    [warning] = [entry for entry in entries if entry["type"] == 3]
    assert "This machine cannot limit cpu and memory hard: " in warning["content"]
    assert _level(plain)["reason"] in warning["content"]


def test_the_available_isolation_is_effective(plain: Booted) -> None:
    port = plain.url.rpartition(":")[2]
    script = LOOKS.replace("HOME", repr(str(plain.home))).replace("PORT", port)
    run = plain.start_run(plain.push(python_project(script), "plain-looks"))
    assert plain.ended(run)["status"] == SUCCEEDED
    [seen] = plain.rows(run)
    assert seen["processes"] < 10
    assert not seen["owner.key"]
    assert not seen["secret.key"]
    assert not seen["root"]
    assert seen["platform"] != "reached"


def test_a_timeout_ends_all_processes_of_a_worker(plain: Booted) -> None:
    before = _processes_of(UID)
    slug = plain.push(zoo("ignores_sigterm"), "plain-ignores-sigterm")
    run = plain.start_run(slug, {}, execute_limit_time_seconds=1)
    detail = plain.ended(run)
    assert detail["status"] == FAILED
    assert detail["err_msg"].startswith("Timeout: ")
    daemons = plain.start_run(plain.push(zoo("leaves_daemons"), "plain-leaves-daemons"))
    assert plain.ended(daemons)["status"] == SUCCEEDED
    plain.wait_for(lambda: _processes_of(UID) <= before, "an empty process table", 10)


@reaches(ReasonCode.LIMITS_MISSING)
def test_a_start_of_another_account_is_refused(plain: Booted) -> None:
    key = plain.new_account("guest")
    slug = plain.push(zoo("upserts"), "plain-guest", public=True, key=key)
    body = {"scraper_slug": slug, "input": {"parameters": {"custom": {}}}}
    for who in (key, plain.key):  # the owner of the Worker counts, not the caller
        answer = plain.raw("/api/v1/scraper/run", body, key=who)
        assert (answer.status_code, answer.json()["code"]) == (400, 50002)
        message = answer.json()["message"]
        assert message.startswith("Worker execution failed")
        assert "level no-limits" in message
        assert "fyke doctor" in message
        check, _, found = _level(plain)["reason"].partition(": ")
        assert f"because the isolation check '{check}' failed: {found}" in message
        assert plain.call("/api/v1/run/list", {"scraper_slug": slug}, key=who)["count"] == 0
    # the operator's public Worker runs for the guest
    own = plain.push(zoo("upserts"), "plain-public", public=True)
    body["scraper_slug"] = own
    run = plain.call("/api/v1/scraper/run", {**body, "is_async": False}, key=key)
    assert run["status"] == SUCCEEDED


@reaches(ReasonCode.LIMITS_MISSING, HintCode.LIMITS_MISSING)
def test_a_run_waits_for_a_runner_with_enough_isolation_and_no_other_executes_it(
    plain: Booted,
) -> None:
    key = plain.call("/api/fyke/accounts", {"name": "late-guest"})["key"]["key"]
    slug = plain.push(zoo("upserts"), "plain-late-guest", key=key)
    run = plain.start_over_isolation(slug, key=key)
    plain.wait_for(
        lambda: plain.waits(run, key=key)["code"] == "limits_missing", "the reason why it waits", 20
    )
    # should it ever get the run, it executes nothing
    plain.change_state("UPDATE runs SET operators_worker = true WHERE finished_at = 0")
    plain.ended(run, key=key)
    assert plain.summary(run, key=key)["outcome"] == "isolation_refused"


def test_no_process_or_file_belongs_to_root(plain: Booted) -> None:
    """The last test of this module: it stops the platform."""
    assert {path.lstat().st_uid for path in plain.home.rglob("*")} == {UID}
    for private in ("owner.key", "secret.key", "state.db", "rows.db"):
        assert (plain.home / private).stat().st_mode & 0o077 == 0, private
    assert plain.stop() == 0
    assert _processes_of(UID) == set()
    assert list((plain.home / "work").iterdir()) == []
