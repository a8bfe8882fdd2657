"""The ``input`` of a start: the device, its limits, and what the Worker takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from fyke.wire.fields import DocumentedAs, ParsedBy, Request, to_object

_MAX_LIMIT = 10**12


Cpus = Annotated[float, Meta(gt=0, le=64, description="cores; absent: as goes with the memory")]
Memory = Annotated[
    Literal[512, 1024, 2048, 4096, 8192, 16384], Meta(description="MB for each subtask")
]
TimeLimit = Annotated[int, Meta(ge=0, le=604_800, description="0 = the worker's own limit")]
ChargeLimit = Annotated[float, Meta(ge=0, le=_MAX_LIMIT, description="US dollars, 0 = no limit")]
TrafficLimit = Annotated[float, Meta(ge=0, le=_MAX_LIMIT, description="MB, 0 = no limit")]


class SystemSettings(Request):
    """The device and the limits of a run. A member that is absent is as the worker says."""

    cpus: Cpus | UnsetType = UNSET
    memory: Memory | UnsetType = UNSET
    execute_limit_time_seconds: TimeLimit | UnsetType = UNSET
    max_total_charge: ChargeLimit | UnsetType = UNSET
    max_total_traffic: TrafficLimit | UnsetType = UNSET
    proxy_region: (
        Annotated[str, Meta(pattern="^([A-Z]{2})?$", description="two capital letters such as US")]
        | UnsetType
    ) = UNSET
    egress_allow: (
        Annotated[
            list[str],
            Meta(description="private addresses as host:port that the operator lets a run reach"),
        ]
        | UnsetType
    ) = UNSET


class RunParameters(Request):
    """``custom`` is what the worker's input schema asks for."""

    custom: dict[str, Any]
    system: SystemSettings | UnsetType = UNSET


class RunInput(Request):
    """The input of a run."""

    parameters: RunParameters


StartInput = Annotated[dict[str, Any], ParsedBy(to_object), DocumentedAs(RunInput)]
