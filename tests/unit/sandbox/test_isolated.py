"""The variables of a Worker, and a sandbox that cannot be removed."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.contracts.execution import SandboxFault, SandboxLimits
from fyke.sandbox.isolated import IsolatedSandbox, _environment, _rod_entries
from fyke.sandbox.isolation.relay_files import (
    PROGRAM_AT,
    PROGRAMS_AT,
    relay_environment,
    write_needs,
)
from fyke.sandbox.process.order import LaunchOrder
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.sandbox_process import ProcessPipes

pytestmark = pytest.mark.anyio


async def test_close_closes_the_descriptors_when_the_sandbox_does_not_end() -> None:
    control, other = socket.socketpair()
    listeners = [socket.socket() for _ in range(4)]
    (out, out_in), (err, err_in) = os.pipe(), os.pipe()

    async def close() -> None:
        raise SandboxStartFailed("the sandbox did not end")

    spawned = SimpleNamespace(ends=ProcessPipes(control, listeners, out, err), close=close)
    sandbox = IsolatedSandbox(cast(Any, spawned), cast(Any, None), SandboxLimits(1, 2**20, 2**20))
    with pytest.raises(SandboxFault):
        await sandbox.close()
    assert control.fileno() == -1
    for descriptor in (out, err):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    for rest in (out_in, err_in):
        os.close(rest)
    for end in (other, *listeners):
        end.close()


@pytest.mark.parametrize("kind", ["python", "node"])
def test_libraries_that_start_browsers_find_one(kind: str, tmp_path: Path) -> None:
    environment = tmp_path / "env"
    order = LaunchOrder("A", kind, None, environment, 1, 2**26, 10, 2**20, 2**20)
    plain = _environment(order, "156.0.1")
    (environment / "puppeteer").mkdir(parents=True)
    write_needs(environment)
    found = _environment(order, "156.0.1")
    assert found["PATH"] == f"{PROGRAMS_AT}:{plain['PATH']}"
    assert found.keys() - plain.keys() == relay_environment("").keys()
    assert found["FYKE_BROWSER_VERSION"] == "156.0.1"


@pytest.mark.parametrize("environment", [None, Path("/none/env")])
def test_go_programs_find_one_too(environment: Path | None) -> None:
    """What they contain is not known, whether they were built here or not."""
    order = LaunchOrder("A", "go", None, environment, 1, 2**26, 10, 2**20, 2**20)
    found = _environment(order, "156.0.1")
    assert found["PATH"].startswith(f"{PROGRAMS_AT}:")
    assert found["CHROME_PATH"] == PROGRAM_AT


def test_rod_finds_a_browser_where_it_would_download_one(tmp_path: Path) -> None:
    entries = list(_rod_entries(tmp_path))
    at = "/work/.cache/rod/browser/chromium-1321438/chrome"
    assert ("f", f'{at}=#!/bin/sh\nexec {PROGRAM_AT} "$@"\n') in entries
    assert entries.index(("x", at)) > 0
    assert list(_rod_entries(None)) == entries
    (tmp_path / ".cache" / "rod" / "browser").mkdir(parents=True)
    assert list(_rod_entries(tmp_path)) == []  # the project has its own
