"""The answers about one run, as the served description tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.own.reasons import ReasonCodeText, ReasonParams

Milliseconds = Annotated[int, Field(description="Unix milliseconds")]


class HintItem(Answer):
    code: Annotated[str, Field(description="stays the same over versions")]
    params: ReasonParams
    cause: str
    next_step: str


class LineItem(Answer):
    position: Annotated[int, Field(description="1-based, rising within the run")]
    type: Annotated[int, Field(description="1 debug, 2 info, 3 warning, 4 error")]
    group: str
    content: Annotated[str, Field(description="cut when `length` is greater than its own")]
    length: Annotated[int, Field(description="characters of the whole line")]
    timestamp: Milliseconds


LineItems = list[LineItem]


class RunSummary(Answer):
    slug: str
    state: Annotated[str, Field(description="ready, running, aborting, succeeded, failed, aborted")]
    outcome: Annotated[str, Field(description="why it ended; empty while it is under way")]
    reason: Annotated[str, Field(description="`reason_code` as an English sentence")]
    reason_code: ReasonCodeText
    reason_params: ReasonParams
    worker_slug: str
    version: str
    results: int
    hidden: Annotated[
        int, Field(description="further rows that are stored and left out because a Worker failed")
    ]
    usage: Annotated[str, Field(description="US dollars")]
    traffic: Annotated[int, Field(description="bytes")]
    created_at: int
    started_at: int
    finished_at: int
    hint: HintItem | None
    errors: Annotated[LineItems, Field(description="the last error lines, where there is a hint")]


class LogPageAnswer(Answer):
    list: LineItems
    count: Annotated[int, Field(description="entries of the whole log")]
    reached: Annotated[int, Field(description="the place to go on from")]
    complete: Annotated[bool, Field(description="nothing is left in that direction")]


class LogLineAnswer(LineItem):
    pass


class SampleItem(Answer):
    timestamp: Milliseconds
    cpu_ms: int
    memory: Annotated[int, Field(description="bytes held at that moment")]
    traffic: Annotated[int, Field(description="bytes")]
    rows: Annotated[int, Field(description="pushed, whether they are shown or not")]


SampleItems = list[SampleItem]


class CostItem(Answer):
    kind: Annotated[str, Field(description="cpu, memory, traffic or other")]
    quantity: str
    unit: str
    price: Annotated[str, Field(description="US dollars for one unit")]
    cost: Annotated[str, Field(description="US dollars, with six decimals")]


CostItems = list[CostItem]


class UseAnswer(Answer):
    cpu_ms: int
    memory_gb_seconds: Annotated[
        float, Field(description="memory times how long it was held; a GB has 1024 MiB")
    ]
    memory_peak: Annotated[int, Field(description="bytes, of the largest attempt")]
    traffic: Annotated[int, Field(description="bytes")]
    usage: Annotated[str, Field(description="US dollars, with six decimals; the sum of `lines`")]
    lines: CostItems
    samples: SampleItems


class AttemptItem(Answer):
    id: str
    runner: str
    outcome: Annotated[str, Field(description="empty while it lives")]
    reason: Annotated[str, Field(description="`reason_code` as an English sentence")]
    reason_code: ReasonCodeText
    reason_params: ReasonParams
    rows: int
    traffic: int
    cpu_ms: int
    memory_gb_seconds: float
    memory_peak: int
    started_at: int
    finished_at: int


AttemptItems = list[AttemptItem]


class SubtaskItem(Answer):
    ordinal: int
    number: Annotated[str, Field(description="its name in the log")]
    input: Annotated[str, Field(description="in one line")]
    state: Annotated[str, Field(description="waiting, running or ended")]
    outcome: str
    reason: Annotated[str, Field(description="`reason_code` as an English sentence")]
    reason_code: ReasonCodeText
    reason_params: ReasonParams
    attempts: AttemptItems


SubtaskItems = list[SubtaskItem]


class SubtaskPage(Answer):
    count: int
    list: SubtaskItems


class ShareItem(Answer):
    id: str
    url: str
    rows: bool
    log: bool
    created_at: int
    expires_at: int


ShareItems = list[ShareItem]


class ShareList(Answer):
    list: ShareItems


class ShareAnswer(ShareItem):
    pass
