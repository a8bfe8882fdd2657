"""Whether the dependencies of a worker may run code of their own while they are installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import WireBool
from fyke.api.documents import Answer
from fyke.api.envelope import encode
from fyke.api.operations import Operation
from fyke.api.own.catalog import WorkerRef
from fyke.api.v1.errors import TABLE
from fyke.domain.workers.builds import Builds
from fyke.errors import Forbidden, WorkerNotFound


class BuildFields(WorkerRef):
    allowed: WireBool


class BuildsAllowed(Answer):
    allowed: bool
    versions: Annotated[list[str], Field(description="those that ask for it, newest first")]


@dataclass(frozen=True, slots=True)
class BuildOperations:
    builds: Builds

    def operations(self) -> list[Operation[Any]]:
        path = "/api/fyke/workers/{slug}/builds"
        errors = (TABLE[WorkerNotFound], TABLE[Forbidden])
        return [
            Operation(
                "GET",
                path,
                id="readBuilds",
                tag="Workers",
                summary="Whether dependencies of a worker may run code while they are installed",
                fields=WorkerRef,
                handler=self.read,
                answer=BuildsAllowed,
                errors=errors,
                path_fields=("slug",),
            ),
            Operation(
                "PUT",
                path,
                id="allowBuilds",
                tag="Workers",
                summary="Allow or forbid that; for the operator",
                fields=BuildFields,
                handler=self.change,
                answer=BuildsAllowed,
                errors=errors,
                path_fields=("slug",),
            ),
        ]

    async def read(self, call: Call, wanted: WorkerRef) -> bytes:
        worker, asking = await self.builds.of(call.caller, wanted.slug)
        return encode(
            {"allowed": worker.builds_allowed, "versions": [version.number for version in asking]}
        )

    async def change(self, call: Call, wanted: BuildFields) -> bytes:
        await self.builds.allow(call.caller, wanted.slug, allowed=wanted.allowed)
        return await self.read(call, wanted)
