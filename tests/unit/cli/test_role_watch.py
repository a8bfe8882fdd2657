"""Reports of roles over real socket pairs, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fyke.cli.children import Child
from fyke.cli.role_watch import RoleWatch
from fyke.kit.clock import ManualClock

pytestmark = pytest.mark.anyio


class Log:
    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []

    def error(self, event: str, **values: object) -> None:
        self.lines.append({"event": event, **values})


class Role:
    """A process that does nothing, and its end of the socket pair."""

    def __init__(self, watch: RoleWatch, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(["sleep", "600"])
        with watch.connection(name) as descriptor:
            self.socket = socket.socket(fileno=os.dup(descriptor))
        self.socket.setblocking(False)
        watch.started(name, Child(self.process.pid))

    async def report(self, store: str = "none", **more: object) -> dict[str, list[Any]]:
        """Report, and return what the supervisor knows, by role."""
        self.socket.send(json.dumps({"store": store, **more}).encode())
        answer = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
        return {name: rest for name, *rest in json.loads(answer)}

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.close()


class Setup:
    def __init__(self) -> None:
        self.clock, self.log = ManualClock(), Log()
        self.needs: list[str] = []
        self.watch = RoleWatch(
            self.log,  # type: ignore[arg-type]
            silence=20,
            loop_silence={"runner": 12},
            clock=self.clock.monotonic,
            on_needed=self.needs.append,
        )
        self.roles = [Role(self.watch, name) for name in ("egress", "runner", "server")]
        self.egress, self.runner, self.server = self.roles

    def check(self, seconds: int) -> list[object]:
        """Check every second for ``seconds``; return the roles that were killed."""
        before = len(self.log.lines)
        for _ in range(seconds):
            self.clock.advance(1)
            self.watch.check()
        return [line["role"] for line in self.log.lines[before:]]


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made = Setup()
    yield made
    for role in made.roles:
        made.watch.ended(role.name, 0)
        role.close()


async def test_a_role_that_is_stopped_is_killed_after_its_term(setup: Setup) -> None:
    setup.egress.process.send_signal(signal.SIGSTOP)
    for _ in range(4):
        await setup.runner.report("answered")
        await setup.server.report("answered")
        assert setup.check(5) == []
    await setup.runner.report("answered")
    await setup.server.report("answered")
    assert setup.check(1) == ["egress"]
    assert setup.egress.process.wait(30) == -signal.SIGKILL
    assert setup.log.lines[0]["reason"] == "it did not report for 21 s"
    assert setup.check(10) == []  # once
    assert (setup.runner.process.poll(), setup.server.process.poll()) == (None, None)


@pytest.mark.parametrize("name", ["gateway", "browser"])
async def test_a_role_is_asked_for_only_by_reports_that_need_it(setup: Setup, name: str) -> None:
    await setup.server.report("answered")
    await setup.server.report("answered", **{name: False})
    await setup.server.report("answered", **{name: "yes"}, server=True)
    assert setup.needs == []
    await setup.server.report("answered", **{name: True})
    await setup.server.report("answered")
    assert setup.needs == [name]


async def test_a_role_that_has_nothing_to_do_counts_neither_as_silent_nor_as_restarted(
    setup: Setup,
) -> None:
    role = Role(setup.watch, "browser")
    await role.report()
    setup.watch.idle("browser")
    role.close()
    setup.clock.advance(100)
    assert (await setup.server.report("answered"))["browser"] == [0.0, "none", 0, ""]
    again = Role(setup.watch, "browser")
    setup.roles.append(again)
    setup.clock.advance(3)
    assert (await setup.server.report("answered"))["browser"] == [3.0, "none", 0, ""]


async def test_a_runner_may_have_a_term_of_its_own(setup: Setup) -> None:
    assert setup.check(12) == []
    assert setup.check(1) == ["runner"]


async def test_a_database_that_fails_has_answered_and_one_that_is_silent_has_not(
    setup: Setup,
) -> None:
    for second in range(40):
        await setup.egress.report()
        await setup.runner.report("failed")
        await setup.server.report("pending")
        killed = setup.check(1)
        assert killed == (["server"] if second == 20 else []), second
    [line] = setup.log.lines
    assert line["reason"] == "its database neither answered nor failed for 21 s"


async def test_a_launcher_is_counted_but_not_watched(setup: Setup) -> None:
    setup.watch.launcher_ended("it exited with status -9")
    setup.watch.launcher_ended("it did not report for 20 s")
    assert "launcher" not in setup.check(30)
    known = await setup.runner.report("answered")
    assert known["launcher"] == [0.0, "none", 2, "it did not report for 20 s"]


async def test_after_a_pause_of_its_own_the_watch_kills_nothing(setup: Setup) -> None:
    setup.clock.advance(3600)  # the machine was suspended
    setup.watch.check()
    assert setup.check(12) == []
    for role in setup.roles:
        await role.report()
    assert setup.check(12) == []
    assert setup.check(1) == ["runner"]


async def test_every_report_is_answered_with_what_is_known(setup: Setup) -> None:
    await setup.server.report("failed")
    setup.clock.advance(3)
    known = await setup.egress.report()
    assert known == {
        "egress": [0.0, "none", 0, ""],
        "runner": [3.0, "none", 0, ""],
        "server": [3.0, "failed", 0, ""],
    }
    setup.check(13)
    assert setup.runner.process.wait(30) == -signal.SIGKILL
    setup.watch.ended("runner", -9)
    setup.watch.ended("egress", 1)
    known = await setup.server.report("answered")
    assert known["runner"] == [16.0, "none", 1, "it did not report for 13 s"]
    assert known["egress"] == [13.0, "none", 1, "it exited with status 1"]


@pytest.mark.parametrize(
    "packet", [b"x", b"[]", b'{"store": 7}', b'{"store": []}', b"\xff" * 4000, b"[" * 4000]
)
async def test_a_report_that_cannot_be_read_breaks_nothing(setup: Setup, packet: bytes) -> None:
    setup.server.socket.send(packet)
    assert set(await setup.egress.report()) == {"egress", "runner", "server"}
