"""A supervisor and its preload process, whose children report on themselves instead of a role, or
report to the supervisor as roles do.

``python preload_process.py SCENARIO`` runs one of the scenarios below as supervisor and prints its
result as JSON. The preload process is this same program with the options of the real one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import socket
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fyke.app.heartbeat import Heartbeat
from fyke.cli import preload_client
from fyke.cli.children import Child, Children
from fyke.cli.errors import Exit
from fyke.cli.preload import ForkRequest, serve
from fyke.cli.preload_client import ForkFailed, PreloadClient
from fyke.cli.role_record import RoleRecord
from fyke.cli.supervisor import Supervisor

ORDERS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)
preload_client.PROGRAM = (sys.executable, __file__)


class Log:
    """Counts how often the preload process ended by itself."""

    def __init__(self) -> None:
        self.ended = 0

    def error(self, event: str, **values: object) -> None:
        self.ended += 1


def fork_reporters(parent: int, control: int) -> None:
    """Serve as the preload process; a child reports on itself, then does its task."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ORDERS)  # they wait for the handlers of a role
    with socket.socket(fileno=control) as orders:
        orders.set_inheritable(False)
        order = serve(orders, parent)
    if order is None:
        return
    report = {
        "task": order.task,
        "details": order.details,
        "pid": os.getpid(),
        "parent": os.getppid(),
        "session": os.getsid(0),
        "command": Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").decode().split("\0"),
        "name": Path("/proc/self/comm").read_text().strip(),
        "open": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
        "random": [random.random(), str(uuid.uuid4())],
    }
    if order.task in ("browser", "egress", "gateway", "runner", "server"):
        sys.exit(asyncio.run(report_as_role(order)))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)
    print(json.dumps(report), file=sys.stderr, flush=True)
    if order.task == "exits":
        sys.exit(int(order.details["code"]))
    signal.pause()


async def report_as_role(order: ForkRequest) -> int:
    """Report to the supervisor until SIGTERM, and after SIGUSR1 that a gateway is needed; a runner,
    after every second one, that none for browsers is. Return 0, or after SIGUSR2 the status of a
    node that the installation does not serve any more.
    """
    stop, ended = asyncio.Event(), asyncio.Event()
    supervisor = socket.socket(fileno=order.descriptors[1])
    heartbeat = Heartbeat(order.task, supervisor, seconds=0.05)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    needed = itertools.cycle((True, False))

    def on_need() -> None:
        if order.task == "runner":
            heartbeat.need_browser(next(needed))
        else:
            heartbeat.need_gateway()

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, on_need)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, lambda: (ended.set(), stop.set()))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)
    async with heartbeat.running():
        await stop.wait()
    return Exit.NODE_ENDED if ended.is_set() else Exit.OK


class Supervising:
    """A client of the preload process, and the reports of the children."""

    def __init__(self) -> None:
        self.log = Log()
        self.client = PreloadClient(Children(), self.log)  # type: ignore[arg-type]
        self.client.start()

    async def fork(self, task: str, *descriptors: int, **details: Any) -> tuple[Child, Any]:
        reading, writing = os.pipe()
        try:
            child = await self.client.fork(task, writing, *descriptors, **details)
        finally:
            os.close(writing)
        with os.fdopen(reading) as reports:
            return child, json.loads(await asyncio.to_thread(reports.readline))


async def forked() -> Any:
    """Two processes, the second with a descriptor; one exits, the other is killed."""
    here = Supervising()
    first, first_report = await here.fork("exits", code=7)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        second, second_report = await here.fork("waits", listener.fileno())
    status = await first.wait()
    second.kill()
    return {
        "supervisor": os.getpid(),
        "reports": [first_report, second_report],
        "statuses": [status, await second.wait()],
        "pids": [first.pid, second.pid],
    }


async def preload_killed() -> Any:
    """The preload process is killed; its child keeps running, and its successor forks."""
    here = Supervising()
    child, before = await here.fork("waits")
    first = here.client.process
    assert first is not None
    first.kill()
    await first.wait()
    refused = 0
    while True:
        try:
            second, after = await here.fork("waits")
            break
        except ForkFailed:
            refused += 1
            await asyncio.sleep(0.05)
    alive = child.returncode is None and os.waitpid(child.pid, os.WNOHANG) == (0, 0)
    child.send_signal(signal.SIGTERM)
    second.send_signal(signal.SIGTERM)
    statuses = [await child.wait(), await second.wait()]
    return {
        "alive": alive,
        "parents": [before["parent"], after["parent"]],
        "supervisor": os.getpid(),
        "ended": here.log.ended,
        "statuses": statuses,
    }


async def stopped() -> Any:
    """After a stop nothing can be forked, and the children keep running."""
    here = Supervising()
    child, _ = await here.fork("waits")
    await here.client.stop()
    try:
        await here.client.fork("waits", 2)
    except ForkFailed as error:
        refused = str(error)
    alive = child.returncode is None
    child.kill()
    return {"alive": alive, "refused": refused, "status": await child.wait()}


async def preload_frozen() -> Any:
    """The preload process is frozen; it is replaced when a fork takes too long."""
    here = Supervising()
    child, _ = await here.fork("waits")
    here.client.fork_seconds = 0.2
    first = here.client.process
    assert first is not None
    first.send_signal(signal.SIGSTOP)
    refused: list[str] = []
    while True:
        try:
            second, _ = await here.fork("waits")
            break
        except ForkFailed as error:
            refused.append(str(error))
            await asyncio.sleep(0.05)
    alive = child.returncode is None
    child.kill()
    second.kill()
    return {
        "refused": refused[0],
        "first": await first.wait(),
        "alive": alive,
        "statuses": [await child.wait(), await second.wait()],
    }


@dataclass
class RunningRoles:
    """A supervisor in a folder of its own. ``logged`` has the lines of the log at the end."""

    supervisor: Supervisor
    folder: Path
    logged: list[dict[str, Any]] = field(default_factory=list)

    def recorded(self) -> dict[str, Any]:
        """The processes of the roles, as written down."""
        found: dict[str, Any] = json.loads((self.folder / "roles.json").read_text())
        return found


@contextlib.asynccontextmanager
async def supervising(
    *, node: bool = False, launcher: bool = False, browser: bool = False, **options: Any
) -> AsyncIterator[RunningRoles]:
    """Start the roles; drain them at the end."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        listener = None if node else stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        log = stack.enter_context((folder / "log").open("w"))
        supervisor = Supervisor(
            None if listener is None else listener.fileno(),
            log.fileno(),  # as the settings, which nothing reads
            log.fileno(),
            "info",
            lease_seconds=15,
            launcher=launcher,
            browser=browser,
            servers=2,
            record=RoleRecord(folder / "roles.json"),
            **options,
        )
        here = RunningRoles(supervisor, folder)
        if launcher:
            events, writing = os.pipe()
            os.write(writing, b'{"code": -9, "reason": "it exited with status -9"}\n' * 2)
            os.close(writing)
            supervisor.hear_launcher(events)
        supervisor.start()
        yield here
        await supervisor.drain(1, asyncio.Event(), lambda text: None)
        here.logged += [json.loads(line) for line in (folder / "log").read_text().splitlines()]


async def role_frozen() -> Any:
    """The process of one role is frozen: it is replaced, and the other roles keep running. The root
    supervisor has replaced the launcher.
    """
    async with supervising(launcher=True, browser=True, silence=4) as here:
        first = await processes(here.supervisor, {})
        first["runner"].send_signal(signal.SIGSTOP)
        second = await processes(here.supervisor, {"runner": first["runner"]})
        same = [role for role, child in first.items() if second[role] is child]
        recorded = here.recorded()
    return {
        "ends": [
            (line["event"], line["code"])
            for line in here.logged
            if line["event"].endswith("_ended")
        ],
        "status": await first["runner"].wait(),
        "same": sorted(same),
        "recorded": {name: pid for name, (pid, *_) in recorded.items()},
        "running": {name: child.pid for name, child in second.items()},
    }


async def gateway_needed() -> Any:
    """A server reports that a gateway is needed; the gateway is killed later."""
    async with supervising() as here:
        before = await processes(here.supervisor, {})
        for server in (before["server"], before["server-2"]):
            server.send_signal(signal.SIGUSR1)
        while len(here.supervisor._roles) == len(before):
            await asyncio.sleep(0.02)
        first = await processes(here.supervisor, {})
        first["gateway"].kill()
        second = await processes(here.supervisor, {"gateway": first["gateway"]})
    return {
        "before": sorted(before),
        "after": sorted(second),
        "same": sorted(role for role, child in before.items() if second[role] is child),
        "status": await second["gateway"].wait(),
    }


async def browser_needed() -> Any:
    """A runner reports that a gateway for browsers is needed; that is killed, and later ends
    because the runner has reported that none is.
    """
    async with supervising(node=True, browser=True) as here:
        before = await processes(here.supervisor, {})
        needed = await browser_started(here.supervisor, before["runner"])
        needed["browser"].kill()
        killed = await processes(here.supervisor, {"browser": needed["browser"]})
        before["runner"].send_signal(signal.SIGUSR1)
        last = killed["browser"]
        last.send_signal(signal.SIGTERM)
        while "browser" in (now := {role.name: role.process for role in here.supervisor._roles}):
            following = now["browser"]
            if following is not None and following is not last:  # a report was on its way
                last = following
                last.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.02)
        idle = await processes(here.supervisor, {})
        again = await browser_started(here.supervisor, before["runner"])
    return {
        "before": sorted(before),
        "needed": sorted(needed),
        "idle": sorted(idle),
        "again": sorted(again),
        "statuses": [await needed["browser"].wait(), await last.wait()],
        "ends": [
            [line["role"], line["code"]] for line in here.logged if line["event"] == "role_ended"
        ],
    }


async def no_browser() -> Any:
    """A runner reports that a gateway for browsers is needed where there are no browsers."""
    async with supervising(node=True) as here:
        runner = (await processes(here.supervisor, {}))["runner"]
        runner.send_signal(signal.SIGUSR1)
        asked: list[str] = []
        here.supervisor._watch._on_needed = lambda name: (
            asked.append(name),
            here.supervisor._start_needed(name),
        )[0]
        while not asked:
            await asyncio.sleep(0.02)
        return {"roles": sorted(await processes(here.supervisor, {}))}


async def browser_started(supervisor: Supervisor, runner: Child) -> dict[str, Child]:
    """Let the runner report that a browser is needed, and wait for the role."""
    runner.send_signal(signal.SIGUSR1)
    while "browser" not in {role.name for role in supervisor._roles}:
        await asyncio.sleep(0.02)
    return await processes(supervisor, {})


async def node_ended() -> Any:
    """The roles of a node: the egress is killed, then the runner ends because the installation does
    not serve the node any more.
    """
    async with supervising(node=True, browser=True) as here:
        first = await processes(here.supervisor, {})
        first["egress"].kill()
        second = await processes(here.supervisor, {"egress": first["egress"]})
        was_ended = here.supervisor.node_ended.is_set()
        second["runner"].send_signal(signal.SIGUSR2)
        await here.supervisor.node_ended.wait()
        [runner] = [role for role in here.supervisor._roles if role.name == "runner"]
        assert runner.restart_task is not None
        await runner.restart_task  # it is not started again
    return {
        "roles": sorted(second),
        "before": was_ended,
        "ends": [line["role"] for line in here.logged if line["event"] == "role_ended"],
        "statuses": {name: await child.wait() for name, child in second.items()},
    }


async def processes(supervisor: Supervisor, replaced: dict[str, Child]) -> dict[str, Child]:
    """The processes of all roles, once new ones have taken the place of ``replaced``."""
    while True:
        children = {role.name: role.process for role in supervisor._roles if role.process}
        others = all(children.get(name) is not child for name, child in replaced.items())
        if len(children) == len(supervisor._roles) and others:
            return children
        await asyncio.sleep(0.02)


async def until_killed() -> Any:
    """Print the process ids, and wait to be killed."""
    here = Supervising()
    child, _ = await here.fork("waits")
    assert here.client.process is not None
    print(json.dumps([child.pid, here.client.process.pid]), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    if sys.argv[1].startswith("--"):
        parser = argparse.ArgumentParser()
        parser.add_argument("--parent", type=int)
        parser.add_argument("--control", type=int)
        options = parser.parse_args()
        fork_reporters(options.parent, options.control)
        return
    scenarios = [
        browser_needed,
        forked,
        gateway_needed,
        no_browser,
        node_ended,
        preload_killed,
        preload_frozen,
        role_frozen,
        stopped,
        until_killed,
    ]
    [scenario] = [function for function in scenarios if function.__name__ == sys.argv[1]]
    print(json.dumps(asyncio.run(scenario())))


if __name__ == "__main__":
    main()
