"""Starts in sandboxes, and with browsers, that were started before: the right version, secrets,
kills, nothing left.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke_client import FykeAdmin
from support.booted import Booted, booted
from support.pictured_site import pictured_site
from support.projects import python_project
from zoo.bundles import DEVTOOLS

SUCCEEDED = 3
VALUE = "the value of a secret"
REPORTS = """
import os
from sdk import CoreSDK
CoreSDK.Result.push_data({{
    "warm": "FYKE_IDLE" in open("/proc/self/environ").read(),
    "version": {version},
    "files": sorted(os.listdir()),
    "length": len(os.environ.get("LOGIN", "")),
    "input": CoreSDK.Parameter.get_input_json_dict(),
}})
"""

CONNECTS = """
import base64
import os
import socket
from sdk import CoreSDK

host, _, port = os.environ["ChromeWs"].partition(":")
word = base64.b64encode(os.environ["PROXY_AUTH"].encode()).decode()
with socket.create_connection((host, int(port or 80)), 60) as connection:
    connection.sendall((
        f"GET / HTTP/1.1\\r\\nHost: {host}\\r\\nAuthorization: Basic {word}\\r\\n"
        "Upgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n").encode())
    CoreSDK.Result.push_data({"status": connection.recv(12).decode()})
"""
OPENS = """
import time
from devtools import Devtools
from sdk import CoreSDK

browser = Devtools()
page = browser.page(CoreSDK.Parameter.get_input_json_dict()["url"])
while not browser.value(page, "document.querySelectorAll('.item').length"):
    time.sleep(0.02)
"""
WORK_FOLDER = re.compile(r"/work/([0-9A-Z]{26}) /run/fyke/work ")  # none of an attempt's browser


@pytest.fixture(scope="module")
def shared() -> Iterator[Booted]:
    with booted(
        warm_sandboxes="2", warm_browsers="1", warm_idle_seconds="30", drain_seconds="1"
    ) as platform:
        yield platform


@pytest.fixture
def platform(shared: Booted) -> Booted:
    for role in ("server", "runner", "egress"):
        shared.role(role)
    return shared


def one(platform: Booted, slug: str, **custom: Any) -> dict[str, Any]:
    """The row of a new run."""
    run = platform.start_run(slug, custom)
    assert platform.ended(run)["status"] == SUCCEEDED, platform.log_text(run)
    [row] = platform.rows(run)
    return row


def one_warm(platform: Booted, slug: str, **custom: Any) -> dict[str, Any]:
    """The row of the first new run in a sandbox that waited for it. One that is not ready yet does
    not delay a start.
    """

    def start() -> dict[str, Any] | None:
        until_waiting(platform)
        row = one(platform, slug, **custom)
        return row if row["warm"] else None

    row: dict[str, Any] = platform.wait_for(start, "a start in a waiting sandbox", 30)
    return row


def is_waiting(pid: int) -> bool:
    """Whether the process is an interpreter in a sandbox that waits for an attempt."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return command.endswith(b"python\0main.py\0") and not os.listdir(f"/proc/{pid}/cwd")
    except OSError:
        return False


def waiting(platform: Booted) -> list[int]:
    return [pid for pid in platform.tree() if is_waiting(pid)]


def until_waiting(platform: Booted) -> list[int]:
    found: list[int] = platform.wait_for(lambda: waiting(platform), "an idle sandbox", 20)
    return found


def test_the_next_start_uses_a_waiting_sandbox_with_its_own_secrets_and_input(
    platform: Booted,
) -> None:
    slug = platform.push(python_project(REPORTS.format(version=1)), "warm-secrets")
    with FykeAdmin(platform.url, platform.key, timeout=60) as client:
        client.set_secret(slug, "LOGIN", VALUE)
    first = one(platform, slug, number=1)
    assert (first["warm"], first["length"], first["input"]) == (False, len(VALUE), {"number": 1})
    for pid in until_waiting(platform):
        assert VALUE.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    second = one_warm(platform, slug, number=2)
    assert second == first | {"warm": True, "input": {"number": 2}, "files": second["files"]}
    assert set(second["files"]) == set(first["files"])
    with FykeAdmin(platform.url, platform.key, timeout=60) as client:
        client.set_secret(slug, "LOGIN", "changed")
    assert one_warm(platform, slug)["length"] == len("changed")


def test_a_new_version_never_runs_in_a_sandbox_of_the_old_one(platform: Booted) -> None:
    slug = platform.push(python_project(REPORTS.format(version=1)), "warm-versions")
    assert one(platform, slug)["version"] == 1
    until_waiting(platform)
    assert platform.push(python_project(REPORTS.format(version=2)), "warm-versions") == slug
    row = one(platform, slug)
    assert (row["version"], row["warm"]) == (2, False)


def test_a_killed_runner_leaves_no_waiting_sandbox(platform: Booted) -> None:
    slug = platform.push(python_project(REPORTS.format(version=1)), "warm-killed")
    one(platform, slug)
    pids = until_waiting(platform)
    platform.kill_role("runner")
    platform.wait_for(lambda: not any(map(is_waiting, pids)), "the end of idle sandboxes", 20)
    assert one(platform, slug)["version"] == 1


def is_waiting_browser(pid: int) -> bool:
    """Whether the process is a Chromium in a sandbox that waits for an attempt."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        mounts = Path(f"/proc/{pid}/mountinfo").read_text()
    except OSError:
        return False
    return b"--user-data-dir=/work/p" in command and WORK_FOLDER.search(mounts) is not None


def wait_for_end(platform: Booted, pids: Iterable[int], what: str, seconds: float = 20) -> None:
    """Wait until none of the processes exists any more."""
    platform.wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), what, seconds)


def waiting_browser(platform: Booted) -> set[int]:
    """The processes of the browser that waits."""

    def found() -> set[int]:
        return set(filter(is_waiting_browser, platform.tree()))

    pids: set[int] = platform.wait_for(found, "a browser that waits", 60)
    return pids


@pytest.mark.needs("chromium")
@pytest.mark.skipif(os.geteuid() != 0, reason="the mounts of other users are hidden")
def test_a_waiting_browser_is_used_once(platform: Booted) -> None:
    slug = platform.push(python_project(CONNECTS), "warm-browser")
    assert one(platform, slug) == {"status": "HTTP/1.1 101"}
    used = waiting_browser(platform)
    assert one(platform, slug) == {"status": "HTTP/1.1 101"}
    wait_for_end(platform, used, "the end of the browser")
    unused = waiting_browser(platform)
    platform.kill_role("runner")
    platform.wait_for(lambda: not any(map(is_waiting_browser, unused)), "the end of it", 20)
    assert one(platform, slug) == {"status": "HTTP/1.1 101"}


@pytest.mark.long
@pytest.mark.needs("chromium")
@pytest.mark.skipif(os.geteuid() != 0, reason="the mounts of other users are hidden")
def test_a_waiting_browser_blocks_what_its_run_does_not_load_and_nothing_else(
    platform: Booted,
) -> None:
    """Whatever the run did that it was started after."""
    slug = platform.push(
        python_project(OPENS, **{"devtools.py": DEVTOOLS.read_text()}), "warm-blocking"
    )
    block = ["images", "media", "fonts"]
    used: set[int] = set()
    for blocked in ([], block, [], block):
        with pictured_site() as site:
            run = platform.start_run(
                slug, {"url": site.url}, egress_allow=[site.target], browser_block=blocked
            )
            assert platform.ended(run)["status"] == SUCCEEDED, platform.log_text(run)
            requested = set(site.requests) - {"/favicon.ico"}
        wait_for_end(platform, used, "the end of the browser that it had", 10)
        if blocked:
            assert requested == {"/", "/items.json", "/style.css"}
        else:
            assert {"/top.png", "/background.png"} <= requested
        used = waiting_browser(platform)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a launcher")
def test_a_killed_launcher_leaves_no_waiting_sandbox(platform: Booted) -> None:
    slug = platform.push(python_project(REPORTS.format(version=1)), "warm-launcher")
    one(platform, slug)
    pids = until_waiting(platform)
    [launcher] = [
        pid for pid, command in platform.tree().items() if any("launcher" in w for w in command)
    ]
    os.kill(launcher, signal.SIGKILL)
    platform.wait_for(lambda: not any(map(is_waiting, pids)), "the end of idle sandboxes", 20)
    assert one(platform, slug)["version"] == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_waiting_sandboxes_when_the_platform_ends(
    platform: Booted, number: signal.Signals
) -> None:
    slug = platform.push(python_project(REPORTS.format(version=1)), f"warm-end-{int(number)}")
    one(platform, slug)
    until_waiting(platform)
    processes = list(platform.tree())
    platform.stop(number)
    wait_for_end(platform, processes, "the end of all")
    platform.start()
    left = os.listdir(platform.home / "work")
    # the new platform may be checking its browser
    assert [name for name in left if not name.startswith("PROBE-")] == []
