"""Runs the probes as a Worker of a whole platform, whose sockets and files are the targets."""

from __future__ import annotations

import json
import os
import platform as machine
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fyke.sandbox.isolation import syscalls
from support.booted import Booted
from support.projects import python_project, zoo

PROBE = Path(__file__).parents[1] / "integration" / "sandbox" / "probe.py"
MIN_ATTACKS = 200
MAIN = """
import json, os, sys
from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
os.environ["PROBE_TARGETS"] = json.dumps(given["targets"])
os.environ["PROBE_CALLS"] = json.dumps(given["calls"])
import probe

rows = [(n, probe.outcome(f), r) for n, f, r in probe.PROBES if n not in given["without"]]
CoreSDK.Result.push_data({"results": rows})
"""
# by then the SDK has a connection, which is one of the Worker's own descriptors
WITHOUT = ["descriptors that we inherited"]


def sockets_of(home: Path) -> list[str]:
    """All sockets in the data folder of the platform."""
    return sorted(str(path) for path in home.rglob("*") if path.is_socket())


def syscall_numbers() -> dict[str, int]:
    name = machine.machine()
    return syscalls.allowed(name) | syscalls.denied(name) | syscalls.checked(name)


def test_a_worker_cannot_access_the_platform_that_runs_it(platform: Booted) -> None:
    victim = platform.start_run(platform.push(zoo("never_exits"), "attacks-victim"))
    platform.wait_for(lambda: platform.detail(victim)["results"], "the other run", 20)
    # the machine that runs it
    [attacked] = [one for one in platform.machines() if any((one.home / "work").iterdir())]
    home = attacked.home
    sockets = sockets_of(home)
    assert sockets
    [other] = os.listdir(home / "work")
    paths = [home / "state.db", home / "owner.key", home / "work" / other, home / "cache", home]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        targets: dict[str, Any] = {
            "port": urlsplit(platform.url).port,
            "udp": udp.getsockname()[1],
            "abstract": "fyke",
            "sockets": sockets,
            "pid": attacked.role("runner"),
            "paths": [str(path) for path in paths if path.exists()],
            "addresses": [],
        }
        slug = platform.push(python_project(MAIN, **{"probe.py": PROBE.read_text()}), "attacks")
        given = {"targets": targets, "calls": syscall_numbers(), "without": WITHOUT}
        run = platform.start_run(slug, given)
        detail = platform.ended(run)
        assert detail["status"] == 3, platform.log_text(run)
        [row] = platform.rows(run)
        results = row["results"]
        assert len(results) >= MIN_ATTACKS
        escaped = [f"{name}: {met}" for name, met, refusals in results if met not in refusals]
        assert not escaped, "\n".join(escaped)
        udp.setblocking(False)
        try:
            heard = udp.recv(1)
        except BlockingIOError:
            heard = b""
        assert heard == b""
    assert json.dumps(results).find(platform.key) == -1
    assert not platform.detail(victim)["finished_at"]
    platform.call("/api/v1/scraper/abort", {"run_slug": victim})
    assert platform.ended(victim)["results"] == 1
