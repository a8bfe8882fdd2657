"""The limits of a run in the kernel, read from its control group while it runs."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from fyke.sandbox.isolation.cgroup_v1 import GroupsV1
from fyke.sandbox.isolation.cgroups import detect
from support.booted import Booted
from support.projects import python_project

CALLS_LATE = """
import time
from sdk import CoreSDK

time.sleep(1.2)
CoreSDK.Result.push_data({"n": 1})
time.sleep(60)
"""
NEVER_CALLS = "import time\ntime.sleep(60)\n"
SPINS = """
import time
from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
time.sleep(0.2)
started, used = time.monotonic(), time.process_time()
while time.monotonic() < started + 3:
    pass
CoreSDK.Result.push_data({"share": (time.process_time() - used) / 3})
"""


def group(platform: Booted, controller: str) -> Path:
    """The control group of the only sandbox of this platform, for a controller."""

    def look() -> Path | None:
        found = [path for machine in platform.machines() for path in look_on(machine)]
        return found[0] if found else None

    def look_on(machine: Booted) -> list[Path]:
        scope = os.fsencode((machine.home / "work").absolute())
        parent = "fyke-" + hashlib.sha256(scope).hexdigest()[:12]
        found = [*Path("/sys/fs/cgroup").glob(f"{controller}/**/{parent}/*/")]
        return [*found, *Path("/sys/fs/cgroup").glob(f"**/{parent}/*/cpu.max")]

    place: Path = platform.wait_for(look, f"a control group for {controller}", 10)
    return place.parent if place.name == "cpu.max" else place


def number(folder: Path, v1: str, v2: str) -> int:
    """A limit, in control groups v1 or v2; -1 when there is none."""
    path = folder / v1
    text = path.read_text() if path.exists() else (folder / v2).read_text()
    word = text.split()[0]
    return -1 if word == "max" else int(word)


def quota(platform: Booted) -> int:
    return number(group(platform, "cpu"), "cpu.cfs_quota_us", "cpu.max")


@pytest.fixture
def limited(platform: Booted) -> Booted:
    if platform.isolation() != "full":
        pytest.skip("this machine cannot limit hard")
    return platform


def test_the_cpu_quota_applies_from_the_first_call(limited: Booted) -> None:
    run = limited.start_run(limited.push(python_project(CALLS_LATE), "limits-late"), cpus=0.5)
    assert quota(limited) == -1
    limited.wait_for(lambda: limited.detail(run)["results"], "the first row", 10)
    limited.wait_for(lambda: quota(limited) == 50_000, "the quota", 5)
    memory = number(group(limited, "memory"), "memory.limit_in_bytes", "memory.max")
    assert memory == 512 * 2**20
    own = 2 if isinstance(detect(limited.home), GroupsV1) else 1  # see their OWN_PROCESSES
    assert number(group(limited, "pids"), "pids.max", "pids.max") == 128 + own
    limited.call("/api/v1/scraper/abort", {"run_slug": run})
    limited.ended(run)


def test_a_worker_that_never_calls_is_limited_after_two_seconds(limited: Booted) -> None:
    run = limited.start_run(limited.push(python_project(NEVER_CALLS), "limits-never"), cpus=0.25)
    assert quota(limited) == -1
    started = time.monotonic()
    limited.wait_for(lambda: quota(limited) == 25_000, "the quota", 5)
    assert time.monotonic() - started > 1
    limited.call("/api/v1/scraper/abort", {"run_slug": run})
    limited.ended(run)


@pytest.mark.long
def test_a_cpu_quota_is_enforced(limited: Booted) -> None:
    run = limited.start_run(limited.push(python_project(SPINS), "limits-spins"), cpus=0.25)
    assert limited.ended(run)["status"] == 3
    rows: list[dict[str, Any]] = limited.rows(run)
    assert 0.05 < rows[-1]["share"] < 0.35


FILLS = """
import os, signal, time
from sdk import CoreSDK

signal.signal(signal.SIGTERM, signal.SIG_IGN)
CoreSDK.Result.push_data({"n": 1})
with open("x", "wb", buffering=0) as file:
    for _ in range(80):
        file.write(bytes(1 << 20))
for _ in range(80):
    print("tick", flush=True)
    time.sleep(0.1)
"""


def test_a_worker_that_fills_the_disk_is_killed_immediately(platform: Booted) -> None:
    """Other Workers get five seconds after SIGTERM, which would be fifty ticks."""
    run = platform.start_run(platform.push(python_project(FILLS), "limits-fills"))
    detail = platform.ended(run, 30)
    assert detail["err_msg"] == "Stopped: the Worker's files went over 64 MB"
    assert detail["results"] == 1
    assert platform.log_text(run).count("tick") < 30
