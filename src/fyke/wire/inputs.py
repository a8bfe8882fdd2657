"""The ``input`` of a start: device and limits, and the Worker's own input."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from fyke.domain.workers.parameters import MAX_BROWSER_MB
from fyke.kit.node_names import MAX_LABELS
from fyke.model.browser import BrowserBlock
from fyke.model.run import MAX_RETRIES
from fyke.wire.fields import DocumentedAs, ParsedBy, Request, to_object

_MAX_LIMIT = 10**12

Cpus = Annotated[float, Meta(gt=0, le=64, description="cores; absent: depends on the memory")]
Memory = Annotated[
    Literal[512, 1024, 2048, 4096, 8192, 16384], Meta(description="MB for each subtask")
]
TimeLimit = Annotated[
    int, Meta(ge=0, le=604_800, description="seconds; 0 = the worker's own limit")
]
ChargeLimit = Annotated[float, Meta(ge=0, le=_MAX_LIMIT, description="US dollars, 0 = no limit")]
TrafficLimit = Annotated[float, Meta(ge=0, le=_MAX_LIMIT, description="MB, 0 = no limit")]
Retries = Annotated[
    int,
    Meta(
        ge=0,
        le=MAX_RETRIES,
        description="how often a subtask is tried again after its machine was lost or drained",
    ),
]

BrowserMemory = Annotated[
    int,
    Meta(
        ge=0,
        le=MAX_BROWSER_MB,
        description="MB for the browser of each subtask; 0 = the setting `browser_memory_mb`",
    ),
]


Browser = Annotated[
    Literal["headless", "headful"],
    Meta(description="`headful`: the browser has windows, on a virtual display"),
]
BrowserProgramName = Annotated[
    Literal["headless-shell", "chromium"],
    Meta(description="which browser; absent: the setting `browser_program`; headful: `chromium`"),
]


class SystemSettings(Request):
    """The device and limits of a run. Absent members are those of the worker."""

    cpus: Cpus | UnsetType = UNSET
    memory: Memory | UnsetType = UNSET
    execute_limit_time_seconds: TimeLimit | UnsetType = UNSET
    max_total_charge: ChargeLimit | UnsetType = UNSET
    max_total_traffic: TrafficLimit | UnsetType = UNSET
    max_retries: Retries | UnsetType = UNSET
    browser_memory: BrowserMemory | UnsetType = UNSET
    browser: Browser | UnsetType = UNSET
    browser_program: BrowserProgramName | UnsetType = UNSET
    proxy_region: (
        Annotated[str, Meta(pattern="^([A-Z]{2})?$", description="two capital letters such as US")]
        | UnsetType
    ) = UNSET
    egress_allow: (
        Annotated[
            list[str],
            Meta(
                description="private addresses (host:port) that the run may reach; for the operator"
            ),
        ]
        | UnsetType
    ) = UNSET
    browser_block: (
        Annotated[list[BrowserBlock], Meta(description="what its browsers do not load")] | UnsetType
    ) = UNSET
    pool: (
        Annotated[
            str, Meta(description="whose machines run it; absent: the setting `default_pool`")
        ]
        | UnsetType
    ) = UNSET
    labels: (
        Annotated[
            dict[str, str],
            Meta(description=f"labels that these machines must have; at most {MAX_LABELS}"),
        ]
        | UnsetType
    ) = UNSET


class RunParameters(Request):
    """``custom``: the worker's own input, as its input schema describes it."""

    custom: dict[str, Any]
    system: SystemSettings | UnsetType = UNSET


class RunInput(Request):
    """The input of a run."""

    parameters: RunParameters


StartInput = Annotated[dict[str, Any], ParsedBy(to_object), DocumentedAs(RunInput)]
