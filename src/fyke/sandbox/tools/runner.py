"""``SandboxedTools``: our own tools behind the walls of an attempt."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from fyke.contracts.egress import Egress, EgressGrant
from fyke.contracts.execution import SandboxExit, SandboxFault, SandboxLimits
from fyke.contracts.tools import WORK_AT, ToolAccess, ToolLimits, ToolRun, ToolSpec, ToolStop
from fyke.errors import FykeError
from fyke.kit.ids import new_ulid
from fyke.sandbox.isolated import SYSTEM_PATH, IsolatedSandbox
from fyke.sandbox.process.order import BadLaunchOrder, LaunchOrder, check_name, parse_cache
from fyke.sandbox.process.spawner import Spawner
from fyke.sandbox.tools.output import ToolOutput

LEAST_ROOM = 64 * 2**20
PROXY = "127.0.0.1:1080"
HOME, SCRATCH = f"{WORK_AT}/.home", f"{WORK_AT}/.tmp"
PREFIX = "TOOL-"

_DRAIN_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_LOOK_SHARE = 20  # a look at the size takes at most one part in so many of the time
_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy")
# nothing is excepted: this box's own loopback has nothing else to offer
_PROXY_VARIABLES = dict.fromkeys(
    (*_PROXY_NAMES, *map(str.upper, _PROXY_NAMES)), f"http://{PROXY}"
) | {"no_proxy": "", "NO_PROXY": ""}


class SandboxedTools:
    """Implements ``ToolBox`` over a spawner and the way out."""

    def __init__(self, work_dir: Path, spawner: Spawner, egress: Egress) -> None:
        """``work_dir`` is where the spawner makes the work folders."""
        self._work_dir = work_dir
        self._spawner = spawner
        self._egress = egress

    @asynccontextmanager
    async def run(self, spec: ToolSpec) -> AsyncIterator[ToolRun]:
        order = _order(spec)
        limits = _box_limits(spec.limits)
        free = shutil.disk_usage(self._work_dir).free
        if free < LEAST_ROOM:
            raise SandboxFault(
                f"{free} bytes are free in {self._work_dir}, a box needs {LEAST_ROOM}: make room"
            )
        box = IsolatedSandbox(await self._spawner.start(order), order, limits)
        try:
            yield await self._carry(box, order, spec)
        finally:
            await box.close()

    async def _carry(self, box: IsolatedSandbox, order: LaunchOrder, spec: ToolSpec) -> ToolRun:
        for name, listener in box.listeners.items():
            if name != "proxy" or spec.reach is None:
                listener.close()  # refused at once instead of waiting for nobody
        try:
            env = dict(spec.env)
            if spec.reach is not None:
                await self._open_egress(box, order.name, spec.reach, spec.limits.traffic)
                env = _PROXY_VARIABLES | env
            await box.give_job(_job(box, spec, env))
            run = await self._watch(box, order, spec)
        finally:
            await self._egress.close(order.name)
        if run.code or run.stopped:
            return run
        if await box.release():
            return replace(run, stopped=ToolStop.SIZE)
        return run

    async def _open_egress(
        self, box: IsolatedSandbox, name: str, reach: ToolAccess, traffic: int
    ) -> None:
        grant = EgressGrant(
            attempt_id=name,
            secret=secrets.token_urlsafe(24),  # nobody is told it: HTTP is asked for none
            region=reach.region,
            allow=reach.allow,
            limit_bytes=traffic,
            domains=reach.domains,
            guarded=False,  # a registry is no target site
            passwordless=True,  # npm before 10 gives a proxy no password
        )
        try:
            await self._egress.open([box.listeners["proxy"]], grant)
        except (FykeError, ValueError) as error:
            raise SandboxFault(f"the way out for a tool could not be opened: {error}") from error
        box.listeners["proxy"].close()

    async def _watch(self, box: IsolatedSandbox, order: LaunchOrder, spec: ToolSpec) -> ToolRun:
        """Until the tool ends, or something ends it."""
        said = ToolOutput()
        ended = asyncio.create_task(box.wait())
        reading = asyncio.create_task(_collect(box, said))
        too_large = asyncio.create_task(_until_too_large(box, spec.limits.work_size))
        try:
            await box.apply_cpu_limit()
            await asyncio.wait(
                {ended, too_large},
                timeout=spec.limits.seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            stopped = await self._why_stopped(order.name, ended, too_large)
            await box.kill()
            end = await ended
            await asyncio.wait({reading}, timeout=_DRAIN_SECONDS)
            if end.out_of_memory and end.code:
                stopped = ToolStop.MEMORY
            if stopped is None and end.code and self._egress.tripped(order.name):
                stopped = ToolStop.TRAFFIC
            work = self._work_dir / order.name
            return ToolRun(end.code, work, said.text(), said.stdout, stopped)
        finally:
            for task in (ended, reading, too_large):
                task.cancel()
            await asyncio.gather(ended, reading, too_large, return_exceptions=True)

    async def _why_stopped(
        self, name: str, ended: asyncio.Task[SandboxExit], too_large: asyncio.Task[None]
    ) -> ToolStop | None:
        if ended.done():
            await ended
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


def _box_limits(limits: ToolLimits) -> SandboxLimits:
    return SandboxLimits(
        cpus=limits.cpus,
        memory=limits.memory,
        processes=limits.processes,
        open_files=limits.open_files,
        file_size=limits.work_size,
        tmp_size=limits.tmp_size,
        work_size=limits.work_size,
    )


def _job(box: IsolatedSandbox, spec: ToolSpec, env: Mapping[str, str]) -> list[tuple[str, str]]:
    base = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": HOME, "TMPDIR": SCRATCH}
    job = [("e", f"{name}={value}") for name, value in (base | dict(env)).items()]
    job += box.process_limits()
    job += [("d", HOME), ("d", SCRATCH)]
    job += [("f", f"{WORK_AT}/{path}={text}") for path, text in spec.files.items()]
    return job + [("a", argument) for argument in spec.command]


async def _collect(box: IsolatedSandbox, said: ToolOutput) -> None:
    async for stream, data in box.output():
        said.add(stream, data)


async def _until_too_large(box: IsolatedSandbox, limit: int) -> None:
    loop = asyncio.get_running_loop()
    pause = _LOOK_SECONDS
    while True:
        await asyncio.sleep(pause)
        begun = loop.time()
        with contextlib.suppress(SandboxFault):  # one bad look must not end the watch
            if (await box.usage()).work_bytes > limit:
                return
        pause = max(_LOOK_SECONDS, (loop.time() - begun) * _LOOK_SHARE)
