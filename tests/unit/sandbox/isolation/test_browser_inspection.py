"""What the inspection makes of a browser that starts or not. The contract suite has real ones."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.execution import SandboxFault
from fyke.kit.frames import encode
from fyke.sandbox.isolation import browser_inspection, checks
from fyke.sandbox.isolation.browser_host import open_channel
from fyke.sandbox.isolation.browser_inspection import (
    first_failure,
    inspect,
    own_sandbox_problem,
)
from fyke.sandbox.isolation.host_inspection import HostView
from fyke.sandbox.process.order import LaunchOrder
from fyke.sandbox.process.sandbox_process import ProcessPipes
from unit.sandbox.isolation.test_checks import GOOD, OUTSIDE

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Machine:
    """A spawner whose browsers start with or without a sandbox of their own."""

    def __init__(self, starts: dict[bool, bool], isolated: int = 1) -> None:
        self.starts = starts  # by whether it may have a sandbox of its own
        self.isolated = isolated
        self.nesting = "done"
        self.words = b"No usable sandbox!"
        self.answer = ANSWER
        self.inspected = True
        self.orders: list[LaunchOrder] = []

    async def start(self, order: LaunchOrder) -> Any:
        self.orders.append(order)
        return Spawned(self, order)


class Spawned:
    """A sandbox of which only the control socket works."""

    def __init__(self, machine: Machine, order: LaunchOrder) -> None:
        self.machine, self.order = machine, order
        self.user = 30_000
        self.enforced: frozenset[str] = frozenset()
        ours, self.theirs = socket.socketpair()
        self.channel = open_channel(self.theirs)
        self.browser = socket.create_server(("127.0.0.1", 0))
        out, err = os.pipe(), os.pipe()
        os.write(err[1], machine.words)
        os.close(out[1])
        os.close(err[1])
        self.ends = ProcessPipes(ours, [socket.socket()], out[0], err[0])
        self.task = asyncio.create_task(self.serve())

    async def observe(self) -> HostView:
        nesting = self.machine.nesting if self.order.own_sandbox else "ENOSPC"
        return replace(OUTSIDE, nesting=nesting, isolated=self.machine.isolated)

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        for sock in (self.theirs, self.channel, self.browser):
            sock.close()

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        self.channel.setblocking(False)
        self.browser.setblocking(False)
        while data := await loop.sock_recv(self.channel, 65536):
            request = json.loads(data[4:])
            await loop.sock_sendall(
                self.channel, encode({"id": request["id"]} | self.reply(request))
            )
            if request["type"] == "start" and self.machine.starts[self.order.own_sandbox]:
                connection, _ = await loop.sock_accept(self.browser)
                with connection:
                    await loop.sock_recv(connection, 65536)
                    await loop.sock_sendall(connection, self.machine.answer)

    def reply(self, request: dict[str, Any]) -> dict[str, Any]:
        machine = self.machine
        if request["type"] == "start":
            if not machine.starts[self.order.own_sandbox]:
                return {"type": "failed", "error": "the program ended with status 1"}
            return {"type": "started", "port": self.browser.getsockname()[1]}
        if not machine.inspected:
            return {"type": "failed", "error": "no inspector"}
        names = json.loads(request["variables"]["FYKE_CALLS"])
        inside = GOOD | {
            "calls": {name: checks.EXPECTED.get(name, "EPERM") for name in names},
            "sizes": {"/tmp": browser_inspection.LIMITS.tmp_size, "/dev/shm": 64 * 2**20},
        }
        return {"type": "inspected", "output": json.dumps(inside)}


def not_passed(results: list[checks.Check]) -> list[str]:
    return [name for name, passed, _ in results if not passed]


async def test_a_browser_with_a_sandbox_of_its_own_is_inspected_once() -> None:
    machine = Machine({True: True})
    own_sandbox, results = await inspect(machine, "headless-shell")  # type: ignore[arg-type]
    assert own_sandbox
    assert not_passed(results) == []
    assert [order.kind for order in machine.orders] == ["browser-probe"]


@pytest.mark.parametrize(
    "words",
    [
        "Failed to move to new namespace",
        "The SUID sandbox helper binary was found, but is not configured correctly",
    ],
)
async def test_a_sandbox_that_chromium_cannot_have_is_a_refusal(words: str) -> None:
    machine = Machine({True: False, False: True})
    machine.words = f"FATAL: {words}. Aborting now.".encode()
    own_sandbox, results = await inspect(machine, "headless-shell")  # type: ignore[arg-type]
    assert not own_sandbox
    assert own_sandbox_problem(results).startswith(f"Chromium says: {words}")


@pytest.mark.parametrize("nesting", ["EAGAIN", "ENOMEM", "setns: EINVAL"])
async def test_a_machine_that_is_short_of_something_has_refused_nothing(nesting: str) -> None:
    machine = Machine({True: False, False: True})
    machine.nesting, machine.words = nesting, b"killed"
    with pytest.raises(SandboxFault, match="killed"):
        await inspect(machine, "headless-shell")  # type: ignore[arg-type]


async def test_where_it_does_not_start_so_the_outer_layers_are_inspected() -> None:
    machine = Machine({True: False, False: True})
    own_sandbox, results = await inspect(machine, "headless-shell")  # type: ignore[arg-type]
    assert not own_sandbox
    assert not_passed(results) == ["browser: own sandbox of the browser"]
    assert own_sandbox_problem(results).startswith("Chromium says: No usable sandbox!")
    assert first_failure(results) is None
    assert [order.own_sandbox for order in machine.orders] == [True, False]


@pytest.mark.parametrize("starts", [True, False])
async def test_where_the_machine_refuses_user_namespaces_the_outer_layers_are_inspected(
    monkeypatch: pytest.MonkeyPatch, starts: bool
) -> None:
    monkeypatch.setattr(browser_inspection, "ISOLATING_SECONDS", 0.0)
    machine = Machine({True: starts, False: True}, isolated=0)
    machine.nesting, machine.words = "ENOSPC", b""
    own_sandbox, results = await inspect(machine, "headless-shell")  # type: ignore[arg-type]
    assert not own_sandbox
    assert own_sandbox_problem(results) == (
        "creating a user namespace in a sandbox returned ENOSPC; only the outer layers apply"
    )


@pytest.mark.parametrize(
    ("starts", "message"), [(True, "isolated no process within 0 s"), (False, "status 1: killed")]
)
async def test_one_that_was_too_slow_is_not_given_up_its_sandbox(
    monkeypatch: pytest.MonkeyPatch, starts: bool, message: str
) -> None:
    monkeypatch.setattr(browser_inspection, "ISOLATING_SECONDS", 0.0)
    machine = Machine({True: starts, False: True}, isolated=0)
    machine.words = b"killed"
    with pytest.raises(SandboxFault, match=message):
        await inspect(machine, "headless-shell")  # type: ignore[arg-type]
    assert [order.own_sandbox for order in machine.orders] == [True]


async def test_a_browser_that_never_starts_is_a_fault_with_its_last_words() -> None:
    machine = Machine({True: False, False: False})
    with pytest.raises(SandboxFault, match=r"status 1: .*No usable sandbox!"):
        await inspect(machine, "headless-shell")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": b"HTTP/1.1 500 X\r\n\r\n"}, "the browser answered"),
        ({"inspected": False}, "the inspector beside the browser failed"),
    ],
)
async def test_a_browser_that_cannot_be_inspected_is_a_fault(
    change: dict[str, Any], message: str
) -> None:
    machine = Machine({True: True})
    for name, value in change.items():
        setattr(machine, name, value)
    with pytest.raises(SandboxFault, match=message):
        await inspect(machine, "headless-shell")  # type: ignore[arg-type]


def test_the_first_layer_that_is_missing_is_the_reason() -> None:
    own = ("browser: own sandbox of the browser", False, "")
    missing = ("browser: network", False, "eth0")
    assert first_failure([own]) is None
    assert first_failure([("browser: vsock", True, ""), own, missing]) == missing
