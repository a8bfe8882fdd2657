"""Prepares the environments of published versions while no run waits.

The dependencies are installed as for a run: by the same installer, in the same sandbox and with the
same limits. A runner of the installation also packs the environments that other machines want. A
killed runner needs no clean-up: its claims end with its record.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from fyke.contracts.execution import (
    DiskShort,
    EnvironmentFailed,
    FetchEnvironment,
    RegistryAway,
)
from fyke.contracts.node import EnvironmentPublishing
from fyke.contracts.signals import PREPARE
from fyke.domain.results.commit import retry_while_unavailable
from fyke.domain.runs.outcome import is_platform_fault
from fyke.errors import FykeError, Unavailable, VersionUnavailable
from fyke.model.node import EnvironmentPlace, PreparationOrder
from fyke.model.worker import InstallFailure
from fyke.reasons import Reason
from fyke.runner.dependencies import AttemptDependencies
from fyke.runner.faults import EgressAway, detail_of, log_fault
from fyke.telemetry.repeated import RepeatedProblem

log = structlog.get_logger()

POLL_SECONDS = 5.0
# A run that is started right after the publication installs the dependencies itself.
SETTLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _NotInstallable:
    """Why the dependencies of a version cannot be installed; ``for_others``: what nodes get
    to know of it.
    """

    reason: Reason
    for_others: InstallFailure | None = None


class Preparer:
    """Prepares one environment at a time. ``may_start``: whether this runner starts Workers now."""

    def __init__(
        self,
        deps: AttemptDependencies,
        may_start: Callable[[], bool],
    ) -> None:
        self._deps = deps
        self._gateway = deps.gateway
        self._may_start = may_start
        self._problem = RepeatedProblem("cannot_prepare_environment", "prepares_environments_again")
        self._short = RepeatedProblem(
            "no_room_to_pack_environments", "packs_environments_again", level="warning"
        )

    async def run(self) -> None:
        """Prepare environments until cancelled."""
        async with self._gateway.listen() as listener:
            while True:
                while await self._prepare_next() or await self._publish_next():
                    pass
                if await listener.wait(frozenset({PREPARE}), POLL_SECONDS):
                    await asyncio.sleep(SETTLE_SECONDS)

    async def _do(self, work: Callable[[], Awaitable[bool]]) -> bool:
        """Do the next piece of work; False when there is none now, or it cannot be done."""
        if not self._may_start():
            return False
        try:
            done = await work()
        except FykeError as error:
            self._problem.occurred(str(error))
            return False
        except Exception as error:
            self._problem.occurred(repr(error), error)
            return False
        self._problem.ended()
        return done

    async def _prepare_next(self) -> bool:
        """Prepare the next environment; False when there is none now."""
        return await self._do(self._prepare_one)

    async def _prepare_one(self) -> bool:
        order = await self._gateway.take_preparation()
        if order is not None:
            await self._prepare(order)
        return order is not None

    # --- for other machines -------------------------------------------------------------------

    async def _publish_next(self) -> bool:
        """Pack the next environment that other machines want; False when there is none now."""
        return self._deps.publishing is not None and await self._do(self._publish_one)

    async def _publish_one(self) -> bool:
        publishing = self._deps.publishing
        order = await publishing.take() if publishing is not None else None
        if publishing is None or order is None:
            return False
        version, is_stored, soon = order.version, False, False
        failure: InstallFailure | None = None
        try:
            is_stored, failure = await self._publish(publishing, order)
            self._short.ended()
        except DiskShort as error:  # other machines install the dependencies themselves
            self._short.occurred(str(error))
        except Exception as error:
            soon = isinstance(error, Unavailable | EgressAway)
            log_fault("environment_not_packed", error, detail_of(error), version=version.id)
        if not is_stored:
            await retry_while_unavailable(
                lambda: publishing.failed(version.id, soon=soon, failure=failure)
            )
        return True

    async def _publish(
        self, publishing: EnvironmentPublishing, order: PreparationOrder
    ) -> tuple[bool, InstallFailure | None]:
        """Return whether the environment was packed, and what nodes get to know if it cannot
        be installed. It is installed first if it is missing.
        """
        if order.version.builds:
            return False, None
        refused = await self._install(order, fetch=None)
        if refused is not None:
            return False, refused.for_others
        version, account = order.version, order.worker.account_id
        environments = self._deps.environments
        bundle = await self._deps.bundles.ensure(version.id, version)
        key = await environments.key(version, bundle, account)
        if not key:
            return False, None
        if await publishing.reuse(version.id, key):
            return True, None
        with TemporaryDirectory(dir=bundle.parent, prefix=".packed-") as folder:
            file = Path(folder, "environment")
            archive = await environments.pack(version, bundle, account, file)
            if archive is not None:
                await publishing.store(archive, file)
        log.info("environment_packed", version=version.id, bytes=archive and archive.size)
        return archive is not None, None

    # --- installing ---------------------------------------------------------------------------

    async def _prepare(self, order: PreparationOrder) -> None:
        version, end = order.version, self._gateway.end_preparation
        log.info("environment_preparing", worker=order.worker.path, version=version.number)
        try:
            fetch = partial(self._fetch, order.version.id)
            refused = await self._install(order, fetch)
        except Exception as error:
            fault = detail_of(error)
            log_fault("environment_interrupted", error, fault, version=version.id)
            await retry_while_unavailable(lambda: end(version.id, fault))
            return
        reason = refused.reason if refused is not None else None
        log.info("environment_prepared", version=version.id, reason=reason and reason.code.value)
        await retry_while_unavailable(lambda: end(version.id, reason))
        publishing = self._deps.publishing
        if publishing is not None and refused is not None and (failure := refused.for_others):
            await retry_while_unavailable(partial(publishing.note_failure, version.id, failure))

    async def _fetch(self, version_id: str, keys: Sequence[str], target: Path) -> EnvironmentPlace:
        return await self._gateway.files.environment(version_id, keys, target)

    async def _install(
        self, order: PreparationOrder, fetch: FetchEnvironment | None
    ) -> _NotInstallable | None:
        """Return why the dependencies cannot be installed. A fault of the platform raises."""
        if order.refusal is not None:
            return _NotInstallable(order.refusal)
        version, worker = order.version, order.worker
        environments, publishing = self._deps.environments, self._deps.publishing
        environments.check_room()
        try:
            bundle = await self._deps.bundles.ensure(version.id, version)
        except VersionUnavailable as missing:
            return _NotInstallable(missing.reason) if missing.reason is not None else None
        try:
            await environments.ensure(
                version,
                bundle,
                worker.account_id,
                worker.builds_allowed,
                fetch,
                publishing.drop if publishing is not None else None,
            )
        except RegistryAway:
            raise
        except EnvironmentFailed as failed:
            if is_platform_fault(failed.reason):
                raise OSError(errno.ENOSPC, str(failed)) from failed
            for_others = await self._for_others(order, bundle, failed)
            return _NotInstallable(failed.reason, for_others)
        return None

    async def _for_others(
        self, order: PreparationOrder, bundle: Path, failed: EnvironmentFailed
    ) -> InstallFailure | None:
        if self._deps.publishing is None:
            return None
        environments, account = self._deps.environments, order.worker.account_id
        return await environments.failure_for_others(order.version, bundle, account, failed)
