"""``WarmSandboxes``: sandboxes that are started before an attempt needs them. Each is used once.

Up to a number of recent starts, every start of a version is followed by a sandbox for the next one:
the last starts determine which versions have idle sandboxes, and how many. An idle sandbox has the
bundle and the environment of its version mounted, an empty work folder, a small memory limit, and
nothing of an attempt: variables, secrets, files and limits come with the assignment. None of the
version's code has run in it.

A new sandbox is started as soon as the programs of all attempts run, one at a time: its start then
takes place while they run, and not while the next one is waited for. An attempt that finds none
waits for the one that is being started, instead of starting another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from fyke.contracts.execution import (
    DiskShort,
    IdleSandboxes,
    IsolationReport,
    Sandbox,
    SandboxFault,
    SandboxLimits,
    SandboxSpec,
    SandboxUsage,
)
from fyke.kit.ids import new_ulid
from fyke.model.worker import Language
from fyke.sandbox.factory import BubblewrapSandboxes
from fyke.sandbox.isolated import IsolatedSandbox

log = structlog.get_logger()

COMING_SECONDS = 1.0  # for which an attempt waits for a sandbox that is being started
LAUNCH_SECONDS = 0.1  # for which an opened sandbox that launches nothing delays new ones
CHECK_SECONDS = 5.0  # between two looks for sandboxes that are no longer needed
START_SECONDS = 30.0
MEASURE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class SandboxContent:
    """What an idle sandbox was made of. Only an attempt with equal content gets it."""

    owner: str
    version_id: str
    digest: str
    language: Language
    bundle: Path
    environment: Path | None
    processes: int
    open_files: int
    file_size: int
    tmp_size: int

    @classmethod
    def of(cls, spec: SandboxSpec) -> SandboxContent:
        version, limits = spec.version, spec.limits
        return cls(
            owner=spec.owner,
            version_id=version.id,
            digest=version.digest,
            language=version.language,
            bundle=spec.bundle,
            environment=spec.environment.path,
            processes=limits.processes,
            open_files=limits.open_files,
            file_size=limits.file_size,
            tmp_size=limits.tmp_size,
        )

    def folders(self) -> tuple[tuple[int, int], ...]:
        """The identity of the mounted folders. A folder that was removed and made again has another
        one, because the mount keeps the inode. Raise ``OSError``.
        """
        paths = [self.bundle, *([self.environment] if self.environment else [])]
        return tuple((state.st_dev, state.st_ino) for state in map(os.stat, paths))


@dataclass(frozen=True, slots=True)
class _Start:
    """An attempt that was started; ``at`` in seconds of the event loop."""

    content: SandboxContent
    spec: SandboxSpec
    at: float


@dataclass(frozen=True, slots=True)
class _Idle:
    content: SandboxContent
    sandbox: IsolatedSandbox
    folders: tuple[tuple[int, int], ...]

    @property
    def is_current(self) -> bool:
        try:
            return self.content.folders() == self.folders
        except OSError:
            return False


@dataclass(slots=True)
class _Coming:
    """An idle sandbox that is being started; ``awaited`` when an attempt waits for it."""

    content: SandboxContent
    done: asyncio.Event
    awaited: bool = False


class WarmSandboxes:
    """Implements ``Sandboxes``. Nothing is started ahead outside of ``kept``."""

    def __init__(self, cold: BubblewrapSandboxes, count: int, idle_seconds: float) -> None:
        """``count`` is the greatest number of idle sandboxes, ``idle_seconds`` how long one waits
        after the last start of its version.
        """
        self._cold = cold
        self._idle_seconds = idle_seconds
        self._starts: deque[_Start] = deque(maxlen=count)
        self._idle: list[_Idle] = []
        self._coming: _Coming | None = None
        self._opening = 0
        self._unlaunched: dict[object, float] = {}  # opened for attempts: until when they count
        self._changed = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> int:
        """The number of idle sandboxes."""
        return len(self._idle)

    async def probe(self) -> IsolationReport:
        return await self._cold.probe()

    async def check(self) -> None:
        await self._cold.check()

    async def idle_sandboxes(self) -> IdleSandboxes:
        idle = list(self._idle)
        measured = asyncio.gather(
            *(found.sandbox.usage() for found in idle), return_exceptions=True
        )
        try:
            async with asyncio.timeout(MEASURE_SECONDS):
                usages = await measured
        except TimeoutError:  # the launcher does not answer
            return IdleSandboxes(len(idle))
        memory = sum(usage.memory for usage in usages if isinstance(usage, SandboxUsage))
        return IdleSandboxes(len(idle), memory)

    async def sweep(self, active: frozenset[str]) -> list[str]:
        return await self._cold.sweep(active)

    # --- for attempts ---------------------------------------------------------------------------

    async def open(self, spec: SandboxSpec) -> Sandbox:
        content, loop = SandboxContent.of(spec), asyncio.get_running_loop()
        self._opening += 1
        try:
            sandbox = (
                await self._take(content, spec.limits)
                or await self._take_coming(content, spec.limits)
                or await self._open_cold(spec)
            )
        finally:
            self._opening -= 1
            self._changed.set()
        self._starts.append(_Start(content, spec, loop.time()))
        if self._starts.maxlen:
            self._unlaunched[sandbox] = loop.time() + LAUNCH_SECONDS
            sandbox.on_launch = lambda: self._launched(sandbox)
        return sandbox

    def _launched(self, sandbox: IsolatedSandbox) -> None:
        self._unlaunched.pop(sandbox, None)
        self._changed.set()

    async def _take(self, content: SandboxContent, limits: SandboxLimits) -> IsolatedSandbox | None:
        """Assign the oldest idle sandbox of this content; None without one that can be used."""
        while (found := next((i for i in self._idle if i.content == content), None)) is not None:
            self._idle.remove(found)
            try:
                if not found.is_current:
                    raise SandboxFault("its bundle or environment was replaced")
                await found.sandbox.assign(limits)
            except SandboxFault as error:
                log.warning("idle_sandbox_unusable", version=content.version_id, error=str(error))
                self._discard(found)
            except BaseException:
                self._discard(found)
                raise
            else:
                return found.sandbox
        return None

    async def _take_coming(
        self, content: SandboxContent, limits: SandboxLimits
    ) -> IsolatedSandbox | None:
        """Assign the sandbox of this content that is being started, once it is ready; None without
        one, or when another attempt waits for it.
        """
        coming = self._coming
        if coming is None or coming.awaited or coming.content != content:
            return None
        coming.awaited = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COMING_SECONDS):
                await coming.done.wait()
        return await self._take(content, limits)

    async def _open_cold(self, spec: SandboxSpec) -> IsolatedSandbox:
        """Idle sandboxes may use what the machine lacks: users, processes, memory. So a failed
        start is repeated without them.
        """
        try:
            return await self._cold.open(spec)
        except DiskShort:
            raise
        except SandboxFault:
            if not self._idle:
                raise
            await self._discard_all()
            return await self._cold.open(spec)

    # --- ahead ----------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep idle sandboxes until the end of the context; all are closed then."""
        task = asyncio.create_task(self._keep()) if self._starts.maxlen else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            self._starts.clear()
            self._unlaunched.clear()
            await self._discard_all()

    async def _keep(self) -> None:
        while True:
            try:
                missing = self._review()
                if missing is not None and self._is_quiet():
                    await self._start(missing)
                    continue
            except Exception:
                log.exception("idle_sandboxes_not_kept")
                self._starts.clear()
                missing = None
            await self._wait(LAUNCH_SECONDS if missing else CHECK_SECONDS)

    async def _wait(self, seconds: float) -> None:
        """Wait for the next start, or for the time of the next review if there is anything to
        review.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds if self._starts or self._idle else None):
                await self._changed.wait()
        self._changed.clear()

    def _is_quiet(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._unlaunched = {one: until for one, until in self._unlaunched.items() if until > now}
        return not self._opening and not self._unlaunched

    def _review(self) -> _Start | None:
        """Close the sandboxes that are no longer needed; return the latest start whose version
        needs one more.
        """
        before = asyncio.get_running_loop().time() - self._idle_seconds
        while self._starts and self._starts[0].at < before:
            self._starts.popleft()
        needed = Counter(start.content for start in self._starts)
        for idle in list(self._idle):
            if needed[idle.content] and idle.is_current:
                needed[idle.content] -= 1
            else:
                self._idle.remove(idle)
                self._discard(idle)
        return next((start for start in reversed(self._starts) if needed[start.content]), None)

    async def _start(self, start: _Start) -> None:
        """Start an idle sandbox. Where that fails, none is tried again before the next start of
        the version.
        """
        content = start.content
        self._coming = coming = _Coming(content, asyncio.Event())
        try:
            folders = content.folders()
            async with asyncio.timeout(START_SECONDS):
                sandbox = await self._cold.open_idle(replace(start.spec, name=new_ulid()))
        except (SandboxFault, OSError) as error:
            log.warning("idle_sandbox_not_started", version=content.version_id, error=str(error))
            kept = [other for other in self._starts if other.content != content]
            self._starts.clear()
            self._starts.extend(kept)
        else:
            self._idle.append(_Idle(content, sandbox, folders))
        finally:
            self._coming = None
            coming.done.set()

    # --- the end --------------------------------------------------------------------------------

    def _discard(self, idle: _Idle) -> None:
        """Close the sandbox in the background."""
        task = asyncio.create_task(_close(idle))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _discard_all(self) -> None:
        idle, self._idle = self._idle, []
        for found in idle:
            self._discard(found)
        await asyncio.gather(*self._closing)


async def _close(idle: _Idle) -> None:
    try:
        await idle.sandbox.close()
    except SandboxFault as error:
        log.error("idle_sandbox_left_behind", error=str(error))
