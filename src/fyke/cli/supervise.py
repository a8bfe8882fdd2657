"""The program of the supervisor, which ``fyke up`` and ``fyke node up`` become after preparing data
folder and port.

It imports little, because it lives as long as the platform. Processes that are forked from the
preload process do the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fyke.cli.errors import CommandFailed, Exit, run_command
from fyke.cli.handover import accept_signals, handover_data, stopping_signals
from fyke.cli.preload_client import FirstPreload, ForkFailed, fork_first_preload
from fyke.cli.role_record import RoleRecord
from fyke.cli.supervisor import Supervisor
from fyke.kit.backoff import delay

FORK_TRIES = 5


@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    """The data of ``fyke up``, or of ``fyke node up``.

    ``listener``, ``settings`` (``fyke.app.role_settings``) and ``log_to`` are descriptors, as is
    ``launcher_events``, the pipe of the root supervisor, if there is one; ``first_job`` are the
    arguments of the first job. A node has neither listener nor first job.
    """

    listener: int | None
    settings: int
    log_to: int
    log_level: str
    server_file: str
    roles_file: str
    drain_seconds: float
    lease_seconds: float
    launcher: bool
    browser: bool
    servers: int
    first_job: dict[str, Any] | None
    launcher_events: int | None = None
    change_settings: bool = False


def main() -> None:
    """Run with the data of ``fyke up``; the environment is that of the roles."""
    preload = fork_first_preload()
    config = SupervisorConfig(**handover_data())
    try:
        run_command(lambda: sys.exit(asyncio.run(supervise(config, preload))))
    finally:
        Path(config.server_file).unlink(missing_ok=True)


async def supervise(config: SupervisorConfig, preload: FirstPreload | None) -> int:
    """Run the platform until a signal, or until the requested tour has ended."""
    stop, stop_now = _on_signals()
    record = RoleRecord(Path(config.roles_file))
    for name in await asyncio.to_thread(record.end_earlier):
        _print(f"fyke: the {name} of an earlier start did not end by itself; it was killed")
    supervisor = Supervisor(
        config.listener,
        config.settings,
        config.log_to,
        config.log_level,
        lease_seconds=config.lease_seconds,
        launcher=config.launcher,
        browser=config.browser,
        servers=config.servers,
        record=record,
        preload=preload,
    )
    if config.launcher_events is not None:
        supervisor.hear_launcher(config.launcher_events)
    try:
        if config.first_job is None:
            return await _run_node(supervisor, stop)
        stops_after_tour = config.first_job["once"]
        starting = _start_platform(
            supervisor, config.first_job, config.listener, config.change_settings
        )
        job = asyncio.create_task(starting)
        stop_waiter = asyncio.create_task(stop.wait())
        await asyncio.wait({job, stop_waiter}, return_when=asyncio.FIRST_COMPLETED)
        code = Exit.INTERRUPTED if not job.done() else job.result()
        if not (stops_after_tour or stop.is_set()) and code == Exit.OK:
            await stop_waiter
        supervisor.stopping = True
        if not job.done():
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)
            code = Exit.INTERRUPTED if stops_after_tour else Exit.OK
        stop_waiter.cancel()
        return int(code)
    finally:
        await supervisor.drain(config.drain_seconds, stop_now, _print)


async def _run_node(supervisor: Supervisor, stop: asyncio.Event) -> int:
    """Run the roles of a node until a signal, until the installation serves it no more, or until
    it was idle for too long; the runner has logged why.
    """
    supervisor.start()
    events = (stop, supervisor.node_ended, supervisor.node_idle)
    waiters = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
    return Exit.NODE_ENDED if supervisor.node_ended.is_set() else Exit.OK


async def _start_platform(
    supervisor: Supervisor,
    first_job: dict[str, Any],
    listener: int | None,
    change_settings: bool = False,
) -> int:
    """Prepare schema and first account, start the roles, run the first job; return the exit status
    of the preparation or of the tour. Raises ``CommandFailed``.
    """
    assert listener is not None  # noqa: S101 - for mypy
    base = _base_url(listener)
    code = await _run_task(
        supervisor,
        "prepare",
        base=base,
        supervisor=os.getpid(),
        change_settings=change_settings,
    )
    if code:
        return _exit_status(code, "The preparation of the database")
    supervisor.start()
    try:
        code = await _run_task(supervisor, "first-job", base=base, **first_job)
    except CommandFailed as error:
        if first_job["tour"]:
            raise
        _print(f"fyke: {error}; the platform keeps running")
        return Exit.OK
    if code and not first_job["tour"]:  # no reason to stop a running platform
        _print(f"fyke: the first job failed (status {code}); the platform keeps running")
        return Exit.OK
    return _exit_status(code, "The first job")


async def _run_task(supervisor: Supervisor, task: str, /, **details: Any) -> int:
    """Run a task; retry if the preload process dies during it. Raises ``CommandFailed``."""
    for failures in range(1, FORK_TRIES + 1):
        try:
            return await supervisor.run_task(task, **details)
        except ForkFailed as error:
            reason = str(error)
        await asyncio.sleep(delay(failures, base=0.2, cap=2.0))
    raise CommandFailed(f"Fyke could not be started: {reason}")


def _base_url(listener: int) -> str:
    """The URL of the listening socket."""
    with socket.socket(fileno=os.dup(listener)) as bound:
        name, port = bound.getsockname()[:2]
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _exit_status(code: int, step: str) -> int:
    """The exit status of a process, as a shell counts it. Reports a signal that ended ``step``."""
    if code >= 0:
        return code
    _print(f"fyke: {step} was ended by {signal.Signals(-code).name}; the platform stops")
    return 128 - code


def _on_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Events that the first and the second signal set."""
    stop, stop_now = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (stop_now if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in stopping_signals():
        loop.add_signal_handler(number, on_signal)
    accept_signals()
    return stop, stop_now


def _print(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
