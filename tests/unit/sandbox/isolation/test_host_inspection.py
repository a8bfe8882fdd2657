"""Inspecting a process from outside; the integration tests inspect a real sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fyke.sandbox.isolation import host_inspection as outside
from fyke.sandbox.isolation.host_inspection import HostView

SLEEPER = "import sys; print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-I", "-c", SLEEPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"NAME": "value"},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.terminate()


def test_the_visible_state_of_a_process_is_inspected(sleeper: int) -> None:
    view = outside.inspect_host(sleeper, sleeper, [sleeper, os.getpid()])
    assert view.environment == len(b"NAME=value\0")
    assert view.command_line == (sys.executable, "-I", "-c", SLEEPER)
    assert view.in_cgroup
    assert not outside.inspect_host(sleeper, sleeper, []).in_cgroup


def test_a_process_without_a_sandbox_does_not_count_as_isolated(sleeper: int) -> None:
    """No process can enter the user namespace that it is in already."""
    assert outside.inspect_host(sleeper, sleeper, []).nesting == "setns: EINVAL"


def test_an_ended_process_is_an_error() -> None:
    with pytest.raises(OSError):
        outside.inspect_host(2**22 + 1, 2**22 + 1, [])


def test_a_host_view_round_trips_through_a_message() -> None:
    view = HostView(3, ("a", "b"), "ENOSPC", True)
    assert HostView.of_message(view.to_message() | {"command_line": ["a", "b"]}) == view


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_process_is_viewed_as_the_user_of_its_sandbox(sleeper: int) -> None:
    """That one may not read what belongs to us."""
    view = outside.inspect_host(sleeper, sleeper, [], user=65534)
    assert view.environment == 0
    assert "Permission denied" in view.nesting
