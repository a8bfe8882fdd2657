"""One run: its state, events, subtasks, usage, sites and share links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from fyke.domain.billing.pricing import format_usage
from fyke.kit.spreadsheets import exact_usd
from fyke.model.billing import gb_seconds
from fyke.model.progress import Progress, ProgressBasis
from fyke.model.run import MAX_LISTED_SUBTASKS, MAX_SHARE_DAYS, BlockedSite, SubtaskState
from fyke.model.usage_marks import MarkKind, UsageMark
from fyke.reasons import (
    HintCode,
    ReasonCode,
    cause,
    machine_name,
    machine_names,
    next_step,
    sentence,
)
from fyke.wire.common import Count, ExactUsd, Items, UnixMs, UnixSeconds, Usd, known_values
from fyke.wire.fields import Answer, Boolean, Integer, Request
from fyke.wire.fyke.run_logs import LogLineItem
from fyke.wire.reasons import ReasonCodeText, ReasonParams, code_of, params_of
from fyke.wire.run_members import Bytes, OutcomeText, ReasonText
from fyke.wire.units import seconds
from fyke.wire.v2.status import STATUS_BY_STATE, StatusName

if TYPE_CHECKING:
    from fyke.domain.billing.cost_lines import CostLine
    from fyke.domain.runs.endings import RunEnding
    from fyke.domain.runs.service import RunView
    from fyke.domain.runs.sites import RunTraffic, SiteUsage
    from fyke.domain.runs.subtask_reader import SubtaskView
    from fyke.domain.runs.usage import BrowserUse, RunUsage
    from fyke.domain.runs.waiting import WaitReason
    from fyke.model.run import Attempt, RunEvent, Share, UsageSample
    from fyke.reasons import Hint

GbSeconds = Annotated[float, Meta(ge=0, description="memory over time; a GB has 1024 MiB")]
MachineText = Annotated[
    str, Meta(description="the machine that ran it; empty except for the operator's account")
]
_WAITS = [
    ReasonCode.PLAN,
    ReasonCode.NO_RUNNER,
    ReasonCode.NO_NODE,
    ReasonCode.NO_LABELS,
    ReasonCode.LIMITS_MISSING,
    ReasonCode.ISOLATION_MISSING,
    ReasonCode.RUNNER_TROUBLE,
    ReasonCode.NEXT_TRY,
    ReasonCode.RETRY,
    ReasonCode.QUEUE,
    ReasonCode.ROOM,
    ReasonCode.PREPARING,
]


# --- requests ------------------------------------------------------------------------------


class SubtaskQuery(Request):
    offset: Annotated[Integer, Meta(ge=0, description="number of the first subtask, from 0")] = 0
    limit: Annotated[
        Integer, Meta(ge=1, le=MAX_LISTED_SUBTASKS, description="subtasks of a page")
    ] = MAX_LISTED_SUBTASKS
    safe_input: Annotated[Boolean, Meta(description="whether secrets in `input` are hidden")] = (
        False
    )


class ShareToCreate(Request):
    days: Annotated[
        Integer, Meta(ge=1, le=MAX_SHARE_DAYS, description="days that the link is valid")
    ] = 7
    rows: Annotated[Boolean, Meta(description="whether the link shows the rows")] = True
    log: Annotated[Boolean, Meta(description="whether the link shows the log")] = False


# --- answers: state and events -------------------------------------------------------------


class HintItem(Answer):
    code: Annotated[str, known_values(HintCode, "the same in all releases")]
    params: ReasonParams
    cause: str
    next_step: str

    @classmethod
    def of(cls, hint: Hint) -> HintItem:
        return cls(hint.code.value, dict(hint.params), cause(hint), next_step(hint))


class ProgressItem(Answer):
    """How far a running run is."""

    basis: Annotated[
        ProgressBasis,
        Meta(
            description="what is counted; rows are an estimate by those of earlier runs, worker is "
            "what the Worker itself reports"
        ),
    ]
    done: Count
    total: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="null if the Worker has not reported it"),
    ]
    percent: Annotated[
        Annotated[int, Meta(ge=0, le=100)] | None, Meta(description="null without a total")
    ]
    text: Annotated[str, Meta(description="what the Worker says that it does, in one line")] = ""

    @classmethod
    def of(cls, progress: Progress) -> ProgressItem:
        done, total = progress.done, progress.total
        return cls(progress.basis, done, total, progress.percent, progress.text)


class RunSummary(Answer):
    slug: str
    state: StatusName
    outcome: OutcomeText
    reason: ReasonText
    reason_code: ReasonCodeText
    reason_params: ReasonParams
    worker_slug: str
    version: str
    results: Annotated[Count, Meta(description="rows")]
    hidden: Annotated[
        Count, Meta(description="stored rows that are not shown because the Worker failed")
    ]
    usage: Usd
    traffic: Bytes
    created_at: UnixSeconds
    started_at: UnixSeconds
    finished_at: UnixSeconds
    duration: Annotated[float, Meta(ge=0, description="seconds, so far if it is active")]
    hint: HintItem | None
    errors: Annotated[
        list[LogLineItem], Meta(description="the last error lines, if there is a hint")
    ]
    nodes: Annotated[
        list[str],
        Meta(description="the machines on which it has attempts, only for the operator's account"),
    ] = []
    max_retries: Annotated[
        int, Meta(ge=0, description="of a subtask whose machine was lost or drained")
    ] = 0
    pool: Annotated[str, Meta(description="whose machines take its subtasks")] = ""
    labels: Annotated[
        dict[str, str], Meta(description="that these machines must have, by name")
    ] = {}
    region: Annotated[
        str, Meta(description="from which its connections come; empty: from its machine's own")
    ] = ""
    progress: Annotated[
        ProgressItem | None, Meta(description="null if the run is not running or nothing is known")
    ] = None

    @classmethod
    def of(
        cls,
        view: RunView,
        ending: RunEnding,
        hidden: int,
        nodes: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> RunSummary:
        """``hidden``: the number of hidden rows."""
        run = view.run
        reason = run.reason if run.state.terminal else None
        return cls(
            slug=run.id,
            state=STATUS_BY_STATE[run.state],
            outcome=run.outcome.value if run.outcome and run.state.terminal else "",
            reason=run.err_msg,
            reason_code=code_of(reason),
            reason_params=params_of(reason),
            worker_slug=run.worker_id,
            version=run.version,
            results=view.results,
            hidden=hidden,
            usage=format_usage(view.usage_micros),
            traffic=view.traffic_bytes,
            created_at=seconds(run.created_at),
            started_at=seconds(run.started_at),
            finished_at=seconds(run.finished_at),
            duration=run.duration_ms(view.now) / 1000,
            hint=HintItem.of(ending.hint) if ending.hint else None,
            errors=[LogLineItem.of(line) for line in ending.errors],
            nodes=machine_names(nodes),
            max_retries=run.limits.max_retries,
            pool=run.pool,
            labels=dict(run.labels),
            region=run.region,
            progress=ProgressItem.of(progress) if progress else None,
        )


class RunEventItem(Answer):
    timestamp: UnixMs
    kind: str
    before: str
    after: str
    actor: str
    detail: str
    reason_code: ReasonCodeText
    reason_params: ReasonParams
    number: Annotated[
        str, Meta(description="of the subtask in the log; empty: not about one attempt")
    ] = ""
    node: MachineText = ""

    @classmethod
    def of(cls, event: RunEvent) -> RunEventItem:
        return cls(
            timestamp=event.at,
            kind=event.kind,
            before=event.before,
            after=event.after,
            actor=event.actor,
            detail=event.detail,
            reason_code=code_of(event.reason),
            reason_params=params_of(event.reason),
            number=event.number,
            node=machine_name(event.node),
        )


class RunEventList(Items[RunEventItem]):
    pass


class WaitingRun(Answer):
    slug: str
    code: Annotated[
        str, known_values(["", *_WAITS], "what it waits for; empty if it does not wait")
    ]
    reason: Annotated[str, Meta(description="`code` as an English sentence")]
    params: ReasonParams

    @classmethod
    def of(cls, wait: WaitReason) -> WaitingRun:
        text = sentence(wait.reason) if wait.reason else ""
        return cls(wait.run_id, code_of(wait.reason), text, params_of(wait.reason))


class WaitingRunList(Items[WaitingRun]):
    pass


# --- answers: subtasks, usage, sites -------------------------------------------------------


class AttemptItem(Answer):
    id: str
    runner: str
    outcome: OutcomeText
    reason: ReasonText
    reason_code: ReasonCodeText
    reason_params: ReasonParams
    rows: Count
    traffic: Bytes
    cpu_ms: Count
    memory_gb_seconds: GbSeconds
    memory_peak: Bytes
    busy_ms: Annotated[Count, Meta(description="how long its Worker ran")]
    started_at: UnixSeconds
    finished_at: UnixSeconds
    browser_ms: Annotated[Count, Meta(description="how long it had a browser")] = 0
    node: MachineText = ""
    replaced: Annotated[
        bool, Meta(description="whether the rows of another attempt of the subtask are shown")
    ] = False

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptItem:
        return cls(
            id=attempt.id,
            runner=attempt.runner_id,
            outcome=attempt.outcome.value if attempt.outcome else "",
            reason=attempt.err_msg,
            reason_code=code_of(attempt.reason),
            reason_params=params_of(attempt.reason),
            rows=attempt.rows,
            traffic=attempt.traffic_bytes,
            cpu_ms=attempt.cpu_ms,
            memory_gb_seconds=gb_seconds(attempt.memory_mb_ms),
            memory_peak=attempt.memory_peak_bytes,
            busy_ms=attempt.busy_ms,
            browser_ms=attempt.browser_ms,
            started_at=seconds(attempt.started_at),
            finished_at=seconds(attempt.finished_at),
            node=machine_name(attempt.node),
            replaced=attempt.replaced,
        )


class SubtaskItem(Answer):
    ordinal: Annotated[Count, Meta(description="its number in the run, from 0")]
    number: Annotated[str, Meta(description="its number in the log")]
    input: Annotated[str, Meta(description="the input in one line")]
    state: SubtaskState
    outcome: OutcomeText
    reason: ReasonText
    reason_code: ReasonCodeText
    reason_params: ReasonParams
    attempts: list[AttemptItem]

    @classmethod
    def of(cls, view: SubtaskView) -> SubtaskItem:
        subtask = view.subtask
        reason = view.retry or subtask.reason
        return cls(
            ordinal=subtask.ordinal,
            number=subtask.number,
            input=view.summary,
            state=subtask.state,
            outcome=subtask.outcome.value if subtask.outcome else "",
            reason=sentence(view.retry) if view.retry else subtask.err_msg,
            reason_code=code_of(reason),
            reason_params=params_of(reason),
            attempts=[AttemptItem.of(attempt) for attempt in view.attempts],
        )


class SubtaskPage(Answer):
    count: Annotated[Count, Meta(description="subtasks of the run")]
    items: list[SubtaskItem] = field(name="list")


class SampleItem(Answer):
    timestamp: UnixMs
    cpu_ms: Count
    memory: Annotated[Bytes, Meta(description="bytes in use at that time")]
    traffic: Bytes
    rows: Annotated[Count, Meta(description="pushed so far, including hidden rows")]
    browser_memory: Annotated[Bytes, Meta(description="bytes in use by browsers at that time")] = 0

    @classmethod
    def of(cls, sample: UsageSample) -> SampleItem:
        return cls(
            timestamp=sample.at,
            cpu_ms=sample.cpu_ms,
            memory=sample.memory_bytes,
            traffic=sample.traffic_bytes,
            rows=sample.rows,
            browser_memory=sample.browser_memory_bytes,
        )


class CostItem(Answer):
    kind: Annotated[
        str,
        known_values(
            ["cpu", "memory", "traffic", "browser_cpu", "browser_memory", "rounding", "other"]
        ),
    ]
    quantity: str
    unit: str
    price: Annotated[str, Meta(description="US dollars for one unit")]
    cost: ExactUsd

    @classmethod
    def of(cls, line: CostLine) -> CostItem:
        quantity, price = f"{line.quantity:f}", f"{line.price:f}"
        return cls(line.kind, quantity, line.unit, price, exact_usd(line.micros))


class BrowserUseItem(Answer):
    version: Annotated[str, Meta(description="program and number of the latest one")]
    ms: Annotated[Count, Meta(description="how long attempts had a browser")]
    cpu_ms: Count
    memory_gb_seconds: GbSeconds
    memory_peak: Annotated[Bytes, Meta(description="bytes, the highest of all attempts")]

    @classmethod
    def of(cls, use: BrowserUse) -> BrowserUseItem:
        return cls(
            version=use.version,
            ms=use.milliseconds,
            cpu_ms=use.cpu_ms,
            memory_gb_seconds=gb_seconds(use.memory_mb_ms),
            memory_peak=use.memory_peak_bytes,
        )


class UsageMarkItem(Answer):
    kind: Annotated[
        str,
        known_values(
            list(MarkKind),
            "answers of sites, a Worker that had its whole share of the CPU, or nearly all memory",
        ),
    ]
    since: UnixMs
    until: UnixMs
    count: Annotated[Count, Meta(description="answers, milliseconds, or bytes at the highest")]

    @classmethod
    def of(cls, mark: UsageMark) -> UsageMarkItem:
        return cls(kind=mark.kind, since=mark.since, until=mark.until, count=mark.count)


class RunUsageReport(Answer):
    cpu_ms: Count
    memory_gb_seconds: GbSeconds
    memory_peak: Annotated[Bytes, Meta(description="bytes, the highest of all attempts")]
    traffic: Bytes
    usage: Annotated[ExactUsd, Meta(description="US dollars, the sum of `lines`")]
    lines: list[CostItem]
    samples: Annotated[list[SampleItem], Meta(description="in chronological order")]
    browser: Annotated[BrowserUseItem | None, Meta(description="null: no attempt had one")] = None
    marks: Annotated[
        list[UsageMarkItem],
        Meta(description="what explains the samples, to a few seconds, in chronological order"),
    ] = []

    @classmethod
    def of(cls, usage: RunUsage) -> RunUsageReport:
        return cls(
            cpu_ms=usage.cpu_ms,
            memory_gb_seconds=gb_seconds(usage.memory_mb_ms),
            memory_peak=usage.memory_peak_bytes,
            browser=BrowserUseItem.of(usage.browser) if usage.browser else None,
            traffic=usage.traffic_bytes,
            usage=exact_usd(usage.usage_micros),
            lines=[CostItem.of(line) for line in usage.lines],
            samples=[SampleItem.of(sample) for sample in usage.samples],
            marks=[UsageMarkItem.of(mark) for mark in usage.usage_marks],
        )


class SiteItem(Answer):
    domain: Annotated[
        str, Meta(description="host name or address; `(other)`: the sites beyond 200")
    ]
    requests: Annotated[Count, Meta(description="connections, or requests over plain HTTP")]
    bytes_up: Bytes
    bytes_down: Bytes
    failures: Annotated[Count, Meta(description="failed connections")]
    refused: Count
    why: Annotated[
        str, known_values(["", *BlockedSite], "why it was refused or not reached, or empty")
    ]
    statuses: Annotated[
        dict[str, int],
        Meta(
            description="answers by HTTP status: over plain HTTP the first one of a connection, "
            "and what a browser reports; `other`: statuses beyond 12",
            examples=[{"200": 38, "403": 2}],
        ),
    ] = {}
    unseen: Annotated[
        Count,
        Meta(
            description="connections whose answers Fyke cannot read, because they are encrypted "
            "(HTTPS) or not HTTP; not those of a browser"
        ),
    ] = 0

    @classmethod
    def of(cls, site: SiteUsage) -> SiteItem:
        members = asdict(site.traffic) | {"statuses": dict(site.answers)}
        return cls(**members, why=site.block_reason.value if site.block_reason else "")


class SiteList(Answer):
    items: list[SiteItem] = field(name="list")
    egress: Annotated[
        list[str] | None,
        Meta(description="the only domains that the version may reach; null: all public ones"),
    ]

    @classmethod
    def of(cls, traffic: RunTraffic) -> SiteList:
        declared = None if traffic.declared is None else list(traffic.declared)
        return cls([SiteItem.of(site) for site in traffic.sites], declared)


# --- answers: share links ------------------------------------------------------------------


class ShareItem(Answer):
    id: str
    url: str
    rows: bool
    log: bool
    created_at: UnixSeconds
    expires_at: UnixSeconds

    @classmethod
    def of(cls, share: Share, token: str, origin: str) -> ShareItem:
        """``origin``: scheme and host of the URL."""
        return cls(
            id=share.id,
            url=f"{origin}/shared/{token}",
            rows=share.rows,
            log=share.log,
            created_at=seconds(share.created_at),
            expires_at=seconds(share.expires_at),
        )


class ShareList(Items[ShareItem]):
    pass
