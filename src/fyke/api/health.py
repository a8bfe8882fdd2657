"""Three exact paths that tell a stranger only yes or no, and which version this is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke import __version__
from fyke.api.call import Call
from fyke.api.envelope import NULL, encode
from fyke.api.operations import Nothing, Operation
from fyke.api.own import answers
from fyke.api.v1.errors import TABLE
from fyke.domain.overview import Overview
from fyke.errors import Unavailable


@dataclass(frozen=True, slots=True)
class HealthOperations:
    overview: Overview

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/healthz",
                id="isAlive",
                tag="Health",
                summary="This process answers",
                fields=Nothing,
                handler=self.alive,
            ),
            Operation(
                "GET",
                "/readyz",
                id="isReady",
                tag="Health",
                summary="The storage answers and a runner is alive",
                fields=Nothing,
                handler=self.ready,
                errors=(TABLE[Unavailable],),
            ),
            Operation(
                "GET",
                "/version",
                id="getVersion",
                tag="Health",
                summary="The version of this server",
                fields=Nothing,
                handler=self.version,
                answer=answers.ProductVersion,
            ),
        ]

    async def alive(self, _call: Call, _wanted: Nothing) -> bytes:
        return NULL

    async def ready(self, _call: Call, _wanted: Nothing) -> bytes:
        if not await self.overview.a_runner_is_alive():
            raise Unavailable
        return NULL

    async def version(self, _call: Call, _wanted: Nothing) -> bytes:
        return encode({"version": __version__})
