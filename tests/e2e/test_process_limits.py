"""The limits of the processes of a platform."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.booted import booted


@pytest.fixture
def usual_limit() -> Iterator[None]:
    """As systemd leaves it to services."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_every_role_may_open_as_many_files_as_the_machine_allows(usual_limit: None) -> None:
    with booted() as platform:
        for role in ("server", "runner", "egress"):
            soft, hard = open_files(platform.role(role))
            assert soft == hard != "1024", role


def open_files(pid: int) -> tuple[str, str]:
    """The soft and the hard limit."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    return soft, hard
