"""The supervisor's program, from the prepared folder and the open port to the end of the platform.

``fyke up`` becomes this program. It imports little, because it lives as long as the platform: what
needs more is done by processes that are forked from the preload process.
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
from fyke.cli.handover import accept_signals, handed_over, stopping_signals
from fyke.cli.preload_client import ForkFailed
from fyke.cli.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Supervised:
    """What ``fyke up`` has made ready.

    ``listener`` and ``log_to`` are descriptors; ``first`` are the details of the first job.
    """

    listener: int
    log_to: int
    log_level: str
    server_file: str
    drain_seconds: float
    first: dict[str, Any]


def main() -> None:
    """Supervise what ``fyke up`` handed over; the environment is that of the roles."""
    supervised = Supervised(**handed_over())
    try:
        run_command(lambda: sys.exit(asyncio.run(supervise(supervised))))
    finally:
        Path(supervised.server_file).unlink(missing_ok=True)


async def supervise(supervised: Supervised) -> int:
    """Run the platform until a signal, or until the requested tour has ended."""
    asked, hurry = _on_signals()
    supervisor = Supervisor(supervised.listener, supervised.log_to, supervised.log_level)
    once = supervised.first["once"]
    try:
        job = asyncio.create_task(_begin(supervisor, supervised))
        waiting = asyncio.create_task(asked.wait())
        await asyncio.wait({job, waiting}, return_when=asyncio.FIRST_COMPLETED)
        code = Exit.INTERRUPTED if not job.done() else job.result()
        if not (once or asked.is_set()) and code == Exit.OK:
            await waiting
        supervisor.stopping = True
        if not job.done():
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)
            code = Exit.INTERRUPTED if once else Exit.OK
        waiting.cancel()
        return int(code)
    finally:
        await supervisor.drain(supervised.drain_seconds, hurry, _say)


async def _begin(supervisor: Supervisor, supervised: Supervised) -> int:
    """Schema and first account, then the roles, then the first job; return the exit status of
    the first step that failed. Raises ``CommandFailed``.
    """
    base = _base(supervised.listener)
    try:
        code = await supervisor.do("prepare", base=base, supervisor=os.getpid())
        if code:
            return _status(code, "The preparation of the database")
        supervisor.start()
        code = await supervisor.do("first-job", base=base, **supervised.first)
        return _status(code, "The first job")
    except ForkFailed as error:
        raise CommandFailed(f"Fyke could not be started: {error}") from None


def _base(listener: int) -> str:
    """The URL of the listening socket."""
    with socket.socket(fileno=os.dup(listener)) as bound:
        name, port = bound.getsockname()[:2]
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _status(code: int, step: str) -> int:
    """The exit status of a process, as a shell counts it. Reports a signal that ended ``step``."""
    if code >= 0:
        return code
    _say(f"fyke: {step} was ended by {signal.Signals(-code).name}; the platform stops")
    return 128 - code


def _on_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """(first signal seen, second signal seen)."""
    asked, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if asked.is_set() else asked).set()

    loop = asyncio.get_running_loop()
    for number in stopping_signals():
        loop.add_signal_handler(number, on_signal)
    accept_signals()
    return asked, hurry


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
