"""A platform with a low limit of open files and little disk space."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.booted import Booted, booted
from support.projects import zoo


@pytest.fixture(scope="module")
def small() -> Iterator[Booted]:
    """Started with the default limit of open files of systemd services, on a nearly full disk."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    try:
        with booted(disk_floor_mb=str(10**9)) as platform:
            yield platform
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_every_role_raises_its_limit_of_open_files(small: Booted) -> None:
    for role in ("server", "runner", "egress"):
        soft, hard = open_files(small.role(role))
        assert soft == hard != "1024", role


def open_files(pid: int) -> tuple[str, str]:
    """The soft and the hard limit of open files."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    return soft, hard


def test_a_nearly_full_disk_refuses_new_runs_with_the_reason(small: Booted) -> None:
    slug = small.push(zoo("upserts"), "upserts")
    body = {"scraper_slug": slug, "input": {"parameters": {"custom": {}}}}
    answer = small.raw("/api/v1/scraper/run", body)
    assert answer.status_code == 503
    assert answer.json()["code"] == 5000
    assert "FYKE_DISK_FLOOR_MB" in answer.text
    assert small.call("/api/v1/run/list")["count"] == 0
