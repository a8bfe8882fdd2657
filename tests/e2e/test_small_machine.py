"""A platform on a machine with little: open files for its processes, room on its disk."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.booted import Booted, booted
from support.projects import zoo


@pytest.fixture(scope="module")
def small() -> Iterator[Booted]:
    """Started with as few open files as systemd leaves to services, on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    try:
        with booted(disk_floor_mb=str(10**9)) as platform:
            yield platform
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_every_role_may_open_as_many_files_as_the_machine_allows(small: Booted) -> None:
    for role in ("server", "runner", "egress"):
        soft, hard = open_files(small.role(role))
        assert soft == hard != "1024", role


def open_files(pid: int) -> tuple[str, str]:
    """The soft and the hard limit."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    return soft, hard


def test_a_disk_that_is_nearly_full_takes_no_new_run_and_says_so(small: Booted) -> None:
    slug = small.push(zoo("upserts"), "upserts")
    body = {"scraper_slug": slug, "input": {"parameters": {"custom": {}}}}
    answer = small.raw("/api/v1/scraper/run", body)
    assert answer.status_code == 503
    assert answer.json()["code"] == 5000
    assert "FYKE_DISK_FLOOR_MB" in answer.text
    assert small.call("/api/v1/run/list")["count"] == 0
