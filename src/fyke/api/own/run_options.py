"""The default run options of a worker: what a run gets when its start does not say otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import WireNumber
from fyke.api.documents import Answer
from fyke.api.envelope import encode
from fyke.api.operations import Operation
from fyke.api.own.catalog import WorkerRef
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import megabytes, usd
from fyke.domain.workers.run_options import NAMES, DefaultRunOptions
from fyke.errors import Forbidden, WorkerNotFound
from fyke.model.worker import SystemDefaults


class OptionFields(WorkerRef):
    """What is left out becomes what Fyke takes by itself."""

    memory: WireNumber | None = Field(None, description="MB of each subtask")
    execute_limit_time_seconds: WireNumber | None = Field(None, description="of each subtask")
    max_total_charge: WireNumber | None = Field(None, description="USD; 0 = no limit")
    max_total_traffic: WireNumber | None = Field(None, description="MB; 0 = no limit")


class RunOptions(Answer):
    memory: Annotated[int, Field(description="MB")]
    execute_limit_time_seconds: int
    max_total_charge: Annotated[float, Field(description="USD; 0 = no limit")]
    max_total_traffic: Annotated[float, Field(description="MB; 0 = no limit")]


@dataclass(frozen=True, slots=True)
class RunOptionOperations:
    options: DefaultRunOptions

    def operations(self) -> list[Operation[Any]]:
        path = "/api/fyke/workers/{slug}/run-options"
        errors = (TABLE[WorkerNotFound], TABLE[Forbidden])
        return [
            Operation(
                "GET",
                path,
                id="readRunOptions",
                tag="Workers",
                summary="What runs of an own worker get when their start does not say otherwise",
                fields=WorkerRef,
                handler=self.read,
                answer=RunOptions,
                errors=errors,
                path_fields=("slug",),
            ),
            Operation(
                "PUT",
                path,
                id="changeRunOptions",
                tag="Workers",
                summary="Set the default run options of a worker, for all its versions",
                fields=OptionFields,
                handler=self.change,
                answer=RunOptions,
                errors=errors,
                path_fields=("slug",),
            ),
        ]

    async def read(self, call: Call, wanted: WorkerRef) -> bytes:
        return encode(_options(await self.options.of(call.caller, wanted.slug)))

    async def change(self, call: Call, wanted: OptionFields) -> bytes:
        given = {name: getattr(wanted, name) for name in NAMES}
        return encode(_options(await self.options.change(call.caller, wanted.slug, given)))


def _options(defaults: SystemDefaults) -> dict[str, Any]:
    return {
        "memory": defaults.memory_mb,
        "execute_limit_time_seconds": defaults.timeout_s,
        "max_total_charge": usd(defaults.max_charge_micros),
        "max_total_traffic": megabytes(defaults.max_traffic_bytes),
    }
