"""The environment of one attempt: fetched or installed, and recorded for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from fyke.contracts.execution import Environment, EnvironmentFailed, RegistryAway
from fyke.domain.runs.outcome import end_of, is_platform_fault
from fyke.errors import FykeError
from fyke.model.log import LogType
from fyke.model.node import AttemptOrder
from fyke.reasons import Reason, ReasonCode
from fyke.runner.dependencies import AttemptDependencies
from fyke.runner.endings import EndRequest, StartRefused

INSTALL_SECONDS = 2.0  # without an environment, after which the log says why
INSTALLING = (
    "The environment of this version is being prepared. This is needed only for its first run on "
    "each machine."
)

log = structlog.get_logger()


class WriteNote(Protocol):
    """Writes a line of the platform to the log of the attempt."""

    def __call__(self, text: str, kind: LogType = LogType.WARN) -> None: ...


class AttemptEnvironment:
    """Gets the environment of the version that an attempt runs."""

    def __init__(
        self,
        order: AttemptOrder,
        deps: AttemptDependencies,
        lock: Callable[[Path | None], None],
    ) -> None:
        """``lock`` keeps ``fyke prune`` from removing a folder."""
        self._order = order
        self._deps = deps
        self._lock = lock

    async def ensure(
        self, bundle: Path, stop: EndRequest, *, output: Callable[[str], None], note: WriteNote
    ) -> Environment:
        """Return the environment, locked. ``output`` gets that of an installer that failed. Raise
        ``StartRefused`` for a version whose dependencies cannot be installed, ``RegistryAway``, and
        what ``stop`` raises.
        """
        late = asyncio.get_running_loop().call_later(
            INSTALL_SECONDS, note, INSTALLING, LogType.INFO
        )
        try:
            environment = await stop.run_until_stopped(self._install(bundle))
        except EnvironmentFailed as failed:
            if failed.log.strip():
                output(failed.log)
            if isinstance(failed, RegistryAway):
                raise
            if failed.reason.code is ReasonCode.INSTALL_DISK_FULL:
                # the disk is short even without the installed files: not a fault of the
                # installation
                await self._deps.sandbox.check()
            await self._record(failed.reason)
            raise StartRefused(end_of(failed.reason)) from failed
        finally:
            late.cancel()
        self._lock(environment.path)
        await self._record(None)
        if environment.warning:
            note(environment.warning)
        return environment

    async def _install(self, bundle: Path) -> Environment:
        order, deps = self._order, self._deps
        return await deps.environments.ensure(
            order.version,
            bundle,
            order.worker.account_id,
            order.worker.builds_allowed,
            lambda *asked: deps.gateway.files.environment(order.key, *asked),
            deps.publishing.drop if deps.publishing is not None else None,
        )

    async def _record(self, reason: Reason | None) -> None:
        """Record that the environment is ready, or why its installation failed."""
        if reason is not None and is_platform_fault(reason):
            return
        key, known = self._order.key, self._order.environment
        try:
            await self._deps.gateway.note_environment(key, known, reason)
        except FykeError as error:  # only a note: the run does not depend on it
            log.warning("environment_not_noted", attempt=key.id, error=str(error))
