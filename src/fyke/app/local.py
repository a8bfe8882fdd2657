"""One run without a server: the same services, stores, runner and sandbox, in one process and in
a folder that is forgotten afterwards. Nothing here knows what a run is; it only wires and waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fyke.app.egress import guard_rules, inside_addresses
from fyke.app.folder import make_home
from fyke.app.runner import make_runner, open_sandbox
from fyke.app.runtime import Runtime, open_runtime
from fyke.app.server import make_runs, make_workers
from fyke.app.state import migrate_all
from fyke.contracts.execution import IsolationReport
from fyke.domain.accounts.service import Accounts
from fyke.domain.results.export.formats import format_named
from fyke.domain.results.export.service import Exports
from fyke.domain.results.service import RunResults
from fyke.domain.runs.service import Runs, StartRequest
from fyke.domain.workers.builds import Builds
from fyke.egress.local import LocalEgress
from fyke.errors import InvalidKey
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.model.account import Caller
from fyke.model.log import LogEntry
from fyke.model.run import Origin, Run
from fyke.runner.loop import Runner
from fyke.settings import Settings

LOOK_SECONDS = 0.1
LOG_CHUNK = 500
# What an earlier run left; caches stay, they are what makes the next one quick.
FORGOTTEN = ("state.db*", "rows.db*", "blobs", "run/bell", "scratch", "cache/bundles")


@dataclass(frozen=True, slots=True)
class LocalEnd:
    """How the run ended. ``hidden`` rows belong to subtasks that failed."""

    run: Run
    hidden: int
    interrupted: bool


async def probe(settings: Settings) -> IsolationReport:
    """Which walls hold on this machine, for this user."""
    make_home(settings)
    return await open_sandbox(settings).probe()


async def run_here(
    settings: Settings,
    archive: bytes,
    input: dict[str, Any],
    *,
    format: str,
    output: Path,
    told: Callable[[LogEntry], None],
    builds: bool = False,
) -> LocalEnd:
    """Publish ``archive`` in the folder ``settings.home``, run it with ``input`` (the whole
    object with ``parameters``) until its end, and write the visible rows to ``output``.

    ``told`` gets every line of the log as it comes. ``builds``: its dependencies may run code of
    their own while they are installed, when its ``fyke.json`` asks for that. SIGINT and SIGTERM
    abort the run. Raises ``FykeError`` for what is wrong with project or input.
    """
    _forget(settings.home)
    make_home(settings)
    migrate_all(settings)
    try:
        async with open_runtime(settings) as house:
            caller = await _caller(house)
            worker, _, _ = await make_workers(house).publish(caller, archive, name="local")
            await Builds(house.storage).allow(caller, worker.id, allowed=builds)
            runs = make_runs(house)
            request = StartRequest(worker.id, None, input, "", Origin.API)
            run = await runs.start(caller, request)
            with _abort_on_signal(runs, caller, run.id) as asked:
                async with _runner(house) as runner:
                    await _until_end(house, runner, run.id, told)
            ended = await house.storage.read(lambda tx: tx.runs.get(run.id)) or run
            await _write(house, ended, format, output)
            every = await house.results.totals(run.id, frozenset())
            return LocalEnd(ended, every.rows - ended.results, asked.is_set())
    finally:
        _forget(settings.home)


def _forget(home: Path) -> None:
    for pattern in FORGOTTEN:
        for path in home.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


async def _caller(house: Runtime) -> Caller:
    accounts = Accounts(house.storage, SystemClock())
    _, key = await accounts.bootstrap()
    if key is None:
        raise InvalidKey
    return await accounts.authenticate(key)


@contextlib.asynccontextmanager
async def _runner(house: Runtime) -> AsyncIterator[asyncio.Task[None]]:
    """A runner at work, and its proxy; both are gone afterwards."""
    settings = house.settings
    rules = AddressRules(settings.egress_allow, inside_addresses(settings))
    egress = LocalEgress(rules, settings.egress_upstreams, throttle=guard_rules(settings))
    sandbox = open_sandbox(settings)
    try:
        runner: Runner = make_runner(house, sandbox, egress, await sandbox.probe())
        working = asyncio.create_task(runner.run())
        try:
            yield working
        finally:
            runner.drain()
            runner.stop_all()
            await working
    finally:
        await egress.stop()


async def _until_end(
    house: Runtime, working: asyncio.Task[None], run_id: str, told: Callable[[LogEntry], None]
) -> None:
    position = 0
    while True:
        run = await house.storage.read(lambda tx: tx.runs.get(run_id))
        position = await _tell(house, run_id, position, told)
        if run is not None and run.state.terminal:
            break
        if working.done():
            working.result()
            return
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(LOOK_SECONDS)  # the line that sums it up is written after the end
    await _tell(house, run_id, position, told)


async def _tell(
    house: Runtime, run_id: str, position: int, told: Callable[[LogEntry], None]
) -> int:
    while entries := await house.results.log_after(run_id, position, LOG_CHUNK):
        for entry in entries:
            told(entry)
        position = entries[-1].position
    return position


async def _write(house: Runtime, run: Run, format: str, output: Path) -> None:
    results = RunResults(house.storage, house.results)
    exports = Exports(house.storage, results, SystemClock(), house.settings.scratch_dir)
    export = await exports.open(run.id, format_named(format))
    with output.open("wb") as file:
        async for piece in export.body:
            file.write(piece)


@contextlib.contextmanager
def _abort_on_signal(runs: Runs, caller: Caller, run_id: str) -> Iterator[asyncio.Event]:
    """The first SIGINT or SIGTERM aborts the run, and so does any later one."""
    asked = asyncio.Event()
    tasks: set[asyncio.Task[Run]] = set()

    def abort() -> None:
        asked.set()
        tasks.add(asyncio.ensure_future(runs.abort(caller, run_id)))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, abort)
    try:
        yield asked
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
