"""Forks and forked processes when the preload process dies or is stopped."""

from __future__ import annotations

import gc
import os
import socket
from pathlib import Path

import pytest

from fyke.cli.preload_client import fork_first_preload
from support.preload import run_scenario

pytestmark = pytest.mark.slow


def test_forked_processes_survive_a_restart_of_the_preload_process() -> None:
    found = run_scenario("preload_killed")
    assert found["alive"]
    assert found["parents"] == [found["supervisor"]] * 2
    assert found["ended"] == 1
    assert found["statuses"] == [-15, -15]


def test_a_frozen_preload_process_is_replaced() -> None:
    found = run_scenario("preload_frozen")
    assert "did not answer for 0.2 s" in found["refused"]
    assert found["first"] == -9
    assert found["alive"]
    assert found["statuses"] == [-9, -9]


def test_after_a_stop_forks_are_refused_and_processes_continue() -> None:
    found = run_scenario("stopped")
    assert found["alive"]
    assert found["status"] == -9
    assert found["refused"]


@pytest.mark.parametrize(("module", "name"), [(socket, "socketpair"), (os, "fork")])
def test_without_a_free_process_or_file_the_supervisor_starts_alone(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    def opened() -> list[str]:
        return sorted(file.name for file in Path("/proc/self/fd").iterdir())

    def refuse(*_: object) -> None:
        raise BlockingIOError("no more")

    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(module, name, refuse)
    before = opened()
    assert fork_first_preload() is None
    assert opened() == before
