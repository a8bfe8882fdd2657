"""Tests the isolation of browsers on this machine: starts one and inspects its sandbox."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterable

from fyke.contracts.browser import BrowserLimits
from fyke.contracts.execution import SandboxFault
from fyke.kit.frames import Frame, FrameClient, FramesEnded
from fyke.sandbox.browser_sandbox import BrowserSandbox, order_of
from fyke.sandbox.isolation import bubblewrap, checks, inspector
from fyke.sandbox.isolation.checks import Check, InsideView
from fyke.sandbox.isolation.host_inspection import HostView
from fyke.sandbox.isolation.inspection import canary
from fyke.sandbox.isolation.seccomp import FilterRules
from fyke.sandbox.process.spawner import SpawnedSandbox, Spawner

LIMITS = BrowserLimits(cpus=2.0, memory=2**30, tmp_size=64 * 2**20)
SECONDS = 20.0
ISOLATING_SECONDS = 10.0  # for a new process until it has its filters
LOOK_SECONDS = 0.05
PREFIX = "browser: "
MAX_ANSWER = 65536
MAX_WORDS = 300
REQUEST = b"GET /json/version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


# what Chromium prints before it ends because it may not create its namespaces
NO_SANDBOX = (
    "No usable sandbox!",
    "Failed to move to new namespace",
    "The SUID sandbox helper binary was found, but is not configured correctly",
)
# ``HostView.nesting`` where the kernel or its settings refuse a user namespace
REFUSALS = frozenset({"EPERM", "EACCES", "ENOSPC", "EUSERS", "EINVAL", "ENOSYS"})


class _NoOwnSandbox(Exception):
    """Chromium can have no sandbox of its own here; the message says what shows it."""


async def inspect(spawner: Spawner, program: str) -> tuple[bool, list[Check]]:
    """Start the browser with a sandbox of its own, and without one only where the machine or
    Chromium says that it is not possible. Return whether it has one, and all checks.

    Raise ``SandboxFault`` when it does not start, or when it was too slow: that says nothing of
    the machine, and a layer of isolation is not given up for it.
    """
    try:
        return True, await _inspect(spawner, program)
    except _NoOwnSandbox as refusal:
        return False, await _inspect(spawner, program, refusal=str(refusal))


def own_sandbox_problem(results: Iterable[Check]) -> str:
    """Why browsers run without a sandbox of their own; "" if they have one, or before the check."""
    own = PREFIX + checks.OWN_SANDBOX
    return next((detail for name, passed, detail in results if name == own and not passed), "")


def first_failure(results: list[Check]) -> Check | None:
    """The first layer that is not effective and without which no browser may run."""
    own = PREFIX + checks.OWN_SANDBOX
    return next((check for check in results if not check[1] and check[0] != own), None)


async def _inspect(spawner: Spawner, program: str, *, refusal: str = "") -> list[Check]:
    """``refusal``: why the browser is started without a sandbox of its own. Raises
    ``_NoOwnSandbox`` when it was to have one, and the machine allows none.
    """
    name, own_sandbox = f"PROBE-{secrets.token_hex(8).upper()}", not refusal
    order = order_of(name, LIMITS, own_sandbox=own_sandbox, kind=bubblewrap.BROWSER_PROBE)
    spawned = await spawner.start(order)
    sandbox = BrowserSandbox(spawned)
    client = FrameClient(sandbox.control, lambda event: None, lambda reason: None)
    try:
        started = await _ask(client, "start", instance=0, program=program)
        if started["type"] != "started":
            if own_sandbox:
                _check_refusal(await spawned.observe(), sandbox.last_words)
            raise SandboxFault(f"{started['error']}: {sandbox.last_words.strip()[-MAX_WORDS:]}")
        await _connect(client, int(started["port"]))
        host = await _observe(spawned, own_sandbox=own_sandbox)
        if own_sandbox and not host.isolated:
            _check_refusal(host, sandbox.last_words)
            raise SandboxFault(f"it isolated no process within {ISOLATING_SECONDS:g} s")
        inside = await _run_inspector(client, own_sandbox=own_sandbox)
    except (FramesEnded, TimeoutError, OSError) as error:
        words = sandbox.last_words.strip()[-MAX_WORDS:]
        raise SandboxFault(f"the browser does not answer: {error} {words}") from error
    finally:
        client.close()
        await sandbox.close()
    results = checks.evaluate_browser(
        inside, host, spawned.user, inspector.namespaces(), LIMITS.tmp_size, refusal=refusal
    )
    return [(PREFIX + name, effective, detail) for name, effective, detail in results]


def _check_refusal(host: HostView, words: str) -> None:
    """Raise ``_NoOwnSandbox`` if no user namespace could be created in the sandbox, or if Chromium
    says in its last ``words`` that it can have none.
    """
    if host.nesting in REFUSALS:
        raise _NoOwnSandbox(f"creating a user namespace in a sandbox returned {host.nesting}")
    if said := [text for text in NO_SANDBOX if text in words]:
        raise _NoOwnSandbox(f"Chromium says: {said[0]}")


async def _observe(spawned: SpawnedSandbox, *, own_sandbox: bool) -> HostView:
    """What the host sees, once the browser has isolated a process, or has had the time to."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ISOLATING_SECONDS
    host = await spawned.observe()
    while own_sandbox and not host.isolated and loop.time() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
        host = await spawned.observe()
    return host


async def _ask(client: FrameClient, request: str, **fields: object) -> Frame:
    return await client.ask(request, SECONDS, **fields)


async def _connect(client: FrameClient, port: int) -> None:
    """Get an answer of the browser through a connection into the sandbox."""
    loop = asyncio.get_running_loop()
    with await client.connect(port, SECONDS) as connection:
        async with asyncio.timeout(SECONDS):
            await loop.sock_sendall(connection, REQUEST)
            data = await loop.sock_recv(connection, MAX_ANSWER)
    if not data.startswith(b"HTTP/1.1 200"):
        raise SandboxFault(f"the browser answered {data[:80]!r}")


async def _run_inspector(client: FrameClient, *, own_sandbox: bool) -> InsideView:
    rules = FilterRules.BROWSER if own_sandbox else FilterRules.WORKER
    with canary() as port:
        variables = {
            "FYKE_CANARY_PORT": str(port),
            "FYKE_CALLS": json.dumps(checks.samples(rules=rules)),
            "FYKE_PATHS": json.dumps(bubblewrap.shared_paths()),
        }
        answer = await _ask(client, "inspect", variables=variables)
    try:
        view: InsideView = json.loads(answer["output"])
    except (KeyError, ValueError) as error:
        raise SandboxFault(f"the inspector beside the browser failed: {answer}") from error
    return view
