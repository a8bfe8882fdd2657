"""Three public paths for monitors: whether this server works, and its version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke import __version__
from fyke.api.call import Call
from fyke.api.routes import PUBLIC, get
from fyke.domain.overview import Overview
from fyke.errors import Unavailable
from fyke.wire.health import ProductVersion


class NotReady(Unavailable):
    """No runner is alive, for example during startup. Not logged, because monitors repeat it."""

    logged = False


@dataclass(frozen=True, slots=True)
class HealthRoutes:
    tag: ClassVar[str] = "Health"

    overview: Overview

    @get("/healthz", scope=PUBLIC)
    async def is_alive(self, call: Call) -> None:
        """Answers as long as the process does."""

    @get("/readyz", scope=PUBLIC, errors=(Unavailable,))
    async def is_ready(self, call: Call) -> None:
        """The storage answers and a runner is alive."""
        if not await self.overview.has_active_runner():
            raise NotReady

    @get("/version", scope=PUBLIC)
    async def get_version(self, call: Call) -> ProductVersion:
        """The version of this server."""
        return ProductVersion(__version__)
