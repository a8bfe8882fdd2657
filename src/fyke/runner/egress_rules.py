"""The rules of this machine's egress, which are those of the installation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from fyke.errors import FykeError
from fyke.model.node import EgressPolicy, Registered
from fyke.telemetry.repeated import RepeatedProblem

log = structlog.get_logger()


class EgressRules:
    """``policy`` and the ``version`` of the installation's settings that it comes from; 0: those
    that this process was started with. ``region`` is that of the machine's own address, "" if that
    is not known.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        apply: Callable[[EgressPolicy], Awaitable[None]] | None = None,
        *,
        region: str = "",
    ) -> None:
        """``apply`` hands a policy to the egress, and raises ``FykeError`` or ``ValueError`` if
        that does not take it; None: there is nothing to change.
        """
        self.policy = policy
        self.version = 0
        self.is_known = apply is None
        self._apply = apply
        self._region = region
        self._problem = RepeatedProblem("settings_not_applied", "settings_applied")

    def reaches(self, region: str) -> bool:
        """Whether connections of this region come from there: through a proxy, or directly from
        this machine.
        """
        return region == self._region or self.policy.has_upstream(region)

    def keep(self) -> None:
        """The installation says that nothing is new, or does not say anything."""
        self.is_known = True

    async def follow(self, registered: Registered) -> bool:
        """Apply what the installation says; return whether that worked. What fails is tried again
        with the next answer. Until the first success ``is_known`` is false.
        """
        if registered.egress is None or self._apply is None:
            return False
        try:
            await self._apply(registered.egress)
        except (FykeError, ValueError) as error:
            self._problem.occurred(str(error))
            return False
        self._problem.ended()
        self.policy, self.version = registered.egress, registered.settings_version
        self.is_known = True
        log.info("settings_applied", version=self.version)
        return True
