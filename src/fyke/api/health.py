"""Three public paths for monitors: whether this server works, and its version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke import __version__
from fyke.api.call import Call
from fyke.api.routes import PUBLIC, get
from fyke.domain.health import Health
from fyke.errors import Unavailable
from fyke.wire.health import ProductVersion


class NotReady(Unavailable):
    """No runner is alive, for example during startup, or none can start Workers, or a process of
    this machine does not report to its supervisor. Not logged, because monitors repeat it.
    """

    logged = False


@dataclass(frozen=True, slots=True)
class HealthRoutes:
    tag: ClassVar[str] = "Health"

    health: Health

    @get("/healthz", scope=PUBLIC)
    async def is_alive(self, call: Call) -> None:
        """Answers as long as the process does."""

    @get("/readyz", scope=PUBLIC, errors=(Unavailable,))
    async def is_ready(self, call: Call) -> None:
        """The storage answers, a runner is alive and can start Workers, and every process of this
        machine reports.
        """
        try:
            reason = await self.health.not_ready()
        except Unavailable:
            if call.visit.is_known_host:
                raise
            raise NotReady from None
        if reason:
            raise NotReady(reason if call.visit.is_known_host else None)

    @get("/version", scope=PUBLIC)
    async def get_version(self, call: Call) -> ProductVersion:
        """The version of this server."""
        return ProductVersion(__version__)
