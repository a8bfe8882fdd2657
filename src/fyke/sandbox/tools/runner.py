"""``SandboxedTools``: runs the tools of the platform with the same isolation as an attempt."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from fyke.contracts.egress import Egress, EgressGrant
from fyke.contracts.execution import SandboxExit, SandboxFault, SandboxLimits
from fyke.contracts.tools import WORK_AT, ToolAccess, ToolLimits, ToolRun, ToolSpec, ToolStop
from fyke.errors import FykeError
from fyke.kit.ids import new_ulid
from fyke.sandbox.isolated import IsolatedSandbox
from fyke.sandbox.isolation.python_command import SYSTEM_PATH
from fyke.sandbox.process.folders import check_disk
from fyke.sandbox.process.order import BadLaunchOrder, LaunchOrder, check_name, parse_cache
from fyke.sandbox.process.spawner import Spawner
from fyke.sandbox.tools.output import ToolOutput

PROXY = "127.0.0.1:1080"
HOME, SCRATCH = f"{WORK_AT}/.home", f"{WORK_AT}/.tmp"
PREFIX = "TOOL-"

_DRAIN_SECONDS = 2.0
_MEASURE_SECONDS = 1.0
_MEASURE_SHARE = 20  # measuring the size takes at most this share of the time: 1/20
_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy")
# without exceptions: nothing else listens on the sandbox's loopback
_PROXY_VARIABLES = dict.fromkeys(
    (*_PROXY_NAMES, *map(str.upper, _PROXY_NAMES)), f"http://{PROXY}"
) | {"no_proxy": "", "NO_PROXY": ""}


class SandboxedTools:
    """Implements ``ToolRunner`` with a spawner and the egress proxy."""

    def __init__(self, work_dir: Path, spawner: Spawner, egress: Egress) -> None:
        """``work_dir`` is where the spawner creates the work folders."""
        self._work_dir = work_dir
        self._spawner = spawner
        self._egress = egress

    @asynccontextmanager
    async def run(self, spec: ToolSpec) -> AsyncIterator[ToolRun]:
        order = _order(spec)
        limits = _sandbox_limits(spec.limits)
        check_disk(self._work_dir)
        sandbox = IsolatedSandbox(await self._spawner.start(order), order, limits)
        try:
            yield await self._execute(sandbox, order, spec)
        finally:
            await sandbox.close()

    async def _execute(
        self, sandbox: IsolatedSandbox, order: LaunchOrder, spec: ToolSpec
    ) -> ToolRun:
        for name, listener in sandbox.listeners.items():
            if name != "proxy" or spec.access is None:
                listener.close()  # so that connections are refused at once
        try:
            env = dict(spec.env)
            if spec.access is not None:
                await self._open_egress(sandbox, order.name, spec.access, spec.limits.traffic)
                env = _PROXY_VARIABLES | env
            await sandbox.send_job(_job(sandbox, spec, env))
            run = await self._watch(sandbox, order, spec)
        finally:
            await self._egress.close(order.name)
        if run.code or run.stopped:
            return run
        if await sandbox.release():
            return replace(run, stopped=ToolStop.SIZE)
        return run

    async def _open_egress(
        self, sandbox: IsolatedSandbox, name: str, access: ToolAccess, traffic: int
    ) -> None:
        grant = EgressGrant(
            attempt_id=name,
            secret=secrets.token_urlsafe(24),  # not used: HTTP needs no password here
            region=access.region,
            allow=access.allow,
            limit_bytes=traffic,
            domains=access.domains,
            guarded=False,  # a registry is not a scraped site
            passwordless=True,  # npm before 10 sends no password to a proxy
        )
        try:
            await self._egress.open([sandbox.listeners["proxy"]], grant)
        except (FykeError, ValueError) as error:
            raise SandboxFault(f"egress for a tool could not be opened: {error}") from error
        sandbox.listeners["proxy"].close()

    async def _watch(self, sandbox: IsolatedSandbox, order: LaunchOrder, spec: ToolSpec) -> ToolRun:
        """Wait until the tool ends or reaches a limit; return its result."""
        output = ToolOutput()
        exit_task = asyncio.create_task(sandbox.wait())
        reader = asyncio.create_task(_collect(sandbox, output))
        too_large = asyncio.create_task(_until_too_large(sandbox, spec.limits.work_size))
        try:
            await sandbox.apply_cpu_limit()
            await asyncio.wait(
                {exit_task, too_large},
                timeout=spec.limits.seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            stopped = await self._why_stopped(order.name, exit_task, too_large)
            await sandbox.kill()
            end = await exit_task
            await asyncio.wait({reader}, timeout=_DRAIN_SECONDS)
            if end.out_of_memory and end.code:
                stopped = ToolStop.MEMORY
            if stopped is None and end.code and self._egress.tripped(order.name):
                stopped = ToolStop.TRAFFIC
            work = self._work_dir / order.name
            return ToolRun(end.code, work, output.text(), output.stdout, stopped)
        finally:
            for task in (exit_task, reader, too_large):
                task.cancel()
            await asyncio.gather(exit_task, reader, too_large, return_exceptions=True)

    async def _why_stopped(
        self, name: str, exit_task: asyncio.Task[SandboxExit], too_large: asyncio.Task[None]
    ) -> ToolStop | None:
        if exit_task.done():
            await exit_task
            return None
        if too_large.done():
            await too_large
            return ToolStop.SIZE
        return ToolStop.TIME


def _order(spec: ToolSpec) -> LaunchOrder:
    try:
        return LaunchOrder(
            name=check_name(f"{PREFIX}{new_ulid()}"),
            kind=spec.kind.value,
            bundle=spec.inputs,
            environment=None,
            cpus=spec.limits.cpus,
            memory=spec.limits.memory,
            processes=spec.limits.processes,
            tmp_size=spec.limits.tmp_size,
            work_size=spec.limits.work_size,
            cache=parse_cache(spec.cache, spec.kind.value),
        )
    except BadLaunchOrder as error:
        raise SandboxFault(str(error)) from error


def _sandbox_limits(limits: ToolLimits) -> SandboxLimits:
    return SandboxLimits(
        cpus=limits.cpus,
        memory=limits.memory,
        processes=limits.processes,
        open_files=limits.open_files,
        file_size=limits.work_size,
        tmp_size=limits.tmp_size,
        work_size=limits.work_size,
    )


def _job(sandbox: IsolatedSandbox, spec: ToolSpec, env: Mapping[str, str]) -> list[tuple[str, str]]:
    base = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": HOME, "TMPDIR": SCRATCH}
    job = [("e", f"{name}={value}") for name, value in (base | dict(env)).items()]
    job += sandbox.process_limits()
    job += [("d", HOME), ("d", SCRATCH)]
    job += [("f", f"{WORK_AT}/{path}={text}") for path, text in spec.files.items()]
    return job + [("a", argument) for argument in spec.command]


async def _collect(sandbox: IsolatedSandbox, output: ToolOutput) -> None:
    async for stream, data in sandbox.output():
        output.add(stream, data)


async def _until_too_large(sandbox: IsolatedSandbox, limit: int) -> None:
    loop = asyncio.get_running_loop()
    pause = _MEASURE_SECONDS
    while True:
        await asyncio.sleep(pause)
        started = loop.time()
        with contextlib.suppress(SandboxFault):  # one failed measurement must not end the watch
            if (await sandbox.usage()).work_bytes > limit:
                return
        pause = max(_MEASURE_SECONDS, (loop.time() - started) * _MEASURE_SHARE)
