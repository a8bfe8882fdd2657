"""The shapes of version 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, field

from fyke.domain.billing.pricing import format_balance, format_usage
from fyke.domain.callbacks.payload import NUMBERS
from fyke.domain.workers.parameters import DEVICES
from fyke.model.formats import FormatName
from fyke.reasons import ReasonCode
from fyke.wire.common import Count, LogSeverity, Ulid, UnixSeconds, Usd
from fyke.wire.fields import (
    Aliases,
    Answer,
    Boolean,
    DocumentedAs,
    FieldError,
    Integer,
    Name,
    PageIndex,
    PageSize10,
    PageSize20,
    ParsedBy,
    Request,
    Text,
    to_integer,
    to_text,
)
from fyke.wire.inputs import StartInput
from fyke.wire.rows import ByteOrderMark, Cursor, ResultPage, RowQuery, SafeCells
from fyke.wire.run_members import ORIGIN_NAMES, OriginName
from fyke.wire.units import megabytes, seconds, usd

if TYPE_CHECKING:
    from fyke.domain.results.service import RowPage as Rows
    from fyke.domain.runs.service import RunView
    from fyke.domain.workers.description import WorkerDescription
    from fyke.model.account import Account
    from fyke.model.log import LogEntry
    from fyke.model.run import Run
    from fyke.model.worker import Version, Worker

StatusNumber = Annotated[
    Literal[1, 2, 3, 4, 5],
    Meta(description="1 ready, 2 running, 3 succeeded, 4 failed, 5 aborted"),
]

STATUS_BY_NUMBER: dict[int, str] = {
    1: "ready",
    2: "running",
    3: "succeeded",
    4: "failed",
    5: "aborted",
}
ENDED = frozenset({3, 4, 5})
# Some clients send the names of v2.
NUMBER_BY_STATUS: dict[str, int] = {
    "ready": 1,
    "running": 2,
    "succeeded": 3,
    "failed": 4,
    "aborting": 5,
    "aborted": 5,
}


# --- requests ------------------------------------------------------------------------------


def to_status(value: object) -> int:
    """A number from 0 (all) to 5, or its name; empty is all."""
    if isinstance(value, str):
        name = value.strip().lower()
        if not name:
            return 0
        if name in NUMBER_BY_STATUS:
            return NUMBER_BY_STATUS[name]
    try:
        number = to_integer(value)
    except FieldError:
        number = -1
    if not 0 <= number <= 5:
        numbers = ", ".join(f"{number} ({name})" for number, name in STATUS_BY_NUMBER.items())
        raise FieldError(f"must be one of 0 (all), {numbers}, or one of these words")
    return number


def to_keys(value: object) -> list[str]:
    """Column keys: an array, or one string with commas between them."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise FieldError("must be an array of strings, or one string with commas")
    keys = [to_text(part).strip() for part in parts]
    return list(dict.fromkeys(key for key in keys if key))


Page = Annotated[PageIndex, Aliases("page", "offset")]
RunSlug = Annotated[Name, Meta(description="id of a run")]
CallbackUrl = Annotated[
    Text, Meta(description="http or https; receives the run when it has ended; empty = none")
]
IsAsync = Annotated[Boolean, Meta(description="false: the answer waits for the end of the run")]


class StoreSearch(Request):
    search: Annotated[
        Name,
        Aliases("keyword", "query"),
        Meta(description="a part of slug, path, title or description; not blank"),
    ]
    limit: Annotated[Integer, Meta(ge=1, le=100, description="workers in the answer")] = 10


class WorkerRef(Request):
    slug: Annotated[
        Name, Aliases("scraper_slug"), Meta(description="id, `owner~name` or `owner/name`")
    ]


class RegionList(Request):
    language: Annotated[Text, Meta(description="ignored: names are in English")] = ""


class RunRef(Request):
    run_slug: RunSlug


class StartRun(Request):
    """With ``is_async`` false, the answer contains this page of the rows."""

    scraper_slug: Annotated[Name, Meta(description="id, `owner~name` or `owner/name` of a worker")]
    input: StartInput
    version: Annotated[
        Any, DocumentedAs(str), Meta(description="`latest`, empty or absent: the newest version")
    ] = None
    is_async: IsAsync = True
    callback_url: CallbackUrl = ""
    page_index: Page = 1
    page_size: Annotated[PageSize10, Aliases("limit")] = 10


class StartTask(Request):
    """With ``is_async`` false, the answer contains this page of the rows."""

    task_slug: Annotated[Name, Meta(description="id of a task")]
    is_async: IsAsync = True
    callback_url: CallbackUrl = ""
    page_index: Page = 1
    page_size: Annotated[PageSize10, Aliases("limit")] = 10


class Rerun(Request):
    run_slug: RunSlug
    callback_url: CallbackUrl = ""


class RunList(Request):
    page_index: Page = 1
    page_size: Annotated[PageSize20, Aliases("limit")] = 20
    status: Annotated[
        int,
        ParsedBy(to_status),
        DocumentedAs(Literal[0, 1, 2, 3, 4, 5]),
        Meta(description="0 = all"),
    ] = 0
    scraper_slug: Annotated[Text, Meta(description="only runs of this worker")] = ""


class ResultList(RowQuery, kw_only=True):
    run_slug: RunSlug
    page_index: Page = 1
    page_size: Annotated[PageSize10, Aliases("limit")] = 10
    cursor: Cursor = ""


class Export(RowQuery, kw_only=True):
    run_slug: RunSlug
    filter_keys: Annotated[
        list[str], ParsedBy(to_keys), Meta(description="column keys; unknown ones are ignored")
    ] = []
    format: Annotated[Text, DocumentedAs(FormatName), Meta(description="of the file")] = "csv"
    safe: SafeCells = False
    bom: ByteOrderMark = False


# --- answers: workers and regions ----------------------------------------------------------


class StoreWorker(Answer):
    slug: Ulid
    title: str
    description: str
    path: str
    name: str
    username: str

    @classmethod
    def of(cls, worker: Worker) -> StoreWorker:
        return cls(
            worker.id, worker.title, worker.description, worker.path, worker.name, worker.owner
        )


class Store(Answer):
    scraper: list[StoreWorker]


class SystemParameters(Answer):
    cpus: int | float
    memory: Annotated[int, Meta(description="MB")]
    memory_bytes: Annotated[int, Meta(description="MB despite its name; same as `memory`")]
    max_total_charge: int | float
    max_total_traffic: int | float
    execute_limit_time_seconds: int

    @classmethod
    def of(cls, version: Version) -> SystemParameters:
        defaults = version.defaults
        memory = defaults.memory_mb
        return cls(
            cpus=DEVICES.get(memory, memory / 4096),
            memory=memory,
            memory_bytes=memory,
            max_total_charge=usd(defaults.max_charge_micros),
            max_total_traffic=megabytes(defaults.max_traffic_bytes),
            execute_limit_time_seconds=defaults.timeout_s,
        )


class WorkerParameters(Answer):
    system: SystemParameters
    custom: Annotated[
        dict[str, Any], Meta(description="the worker's input schema, as it was published")
    ]


class WorkerDetail(Answer):
    """The newest version of a worker, with its defaults and input schema."""

    version: Annotated[str, Meta(description="the newest that can be started")]
    readme: Annotated[str, Meta(description="Markdown")]
    parameters: WorkerParameters
    slug: Ulid
    title: str
    username: str
    name: str

    @classmethod
    def of(cls, description: WorkerDescription) -> WorkerDetail:
        worker, version = description.worker, description.version
        return cls(
            version=version.number,
            readme=version.readme,
            parameters=WorkerParameters(SystemParameters.of(version), description.schema),
            slug=worker.id,
            title=worker.title,
            username=worker.owner,
            name=worker.name,
        )


class Region(Answer):
    code: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    name: str


class Regions(Answer):
    items: list[Region] = field(name="list")


# --- answers: runs -------------------------------------------------------------------------


class RunStarted(Answer):
    run_slug: Ulid


class SyncResult(Answer):
    """The answer to a start with ``is_async`` false: the run, which may be active, and its rows."""

    run_slug: Ulid
    run_status: Annotated[
        Literal["running", "completed"],
        Meta(description="`running` if the run did not end in time"),
    ]
    status: StatusNumber
    error_message: Annotated[str, Meta(description="why the run failed, else empty")]
    result_message: Annotated[str, Meta(description="empty")]
    execution_start_timestamp: Annotated[int, Meta(description="Unix milliseconds")]
    execution_end_timestamp: Annotated[int, Meta(description="Unix milliseconds, 0 while running")]
    running_duration: Annotated[int, Meta(ge=0, description="seconds since the run was accepted")]
    results: ResultPage

    @classmethod
    def of(cls, run: Run, now: int, page: Rows) -> SyncResult:
        """``now``: Unix milliseconds."""
        ended = run.state.terminal
        return cls(
            run_slug=run.id,
            run_status="completed" if ended else "running",
            status=NUMBERS[run.state],
            error_message=err_msg(run),
            result_message="",
            execution_start_timestamp=run.started_at,
            execution_end_timestamp=run.finished_at if ended else 0,
            running_duration=max(0, (run.finished_at if ended else now) - run.created_at) // 1000,
            results=ResultPage.of(page),
        )


class RunDetail(Answer):
    """A run with its state and usage."""

    # the first member, because clients search the bytes of the answer for it
    status: StatusNumber
    err_msg: Annotated[str, Meta(description="why the run failed, else empty")]
    slug: Ulid
    scraper_title: str
    scraper_slug: Ulid
    results: Annotated[Count, Meta(description="rows so far, without hidden ones")]
    usage: Usd
    started_at: UnixSeconds
    finished_at: UnixSeconds
    duration: Annotated[Count, Meta(description="seconds, 0 until the run has ended")]
    origin: OriginName
    traffic: Annotated[Count, Meta(description="bytes through the proxy, both ways")]
    version: Annotated[str, Meta(description="the version that runs or ran")]

    @classmethod
    def of(cls, view: RunView) -> RunDetail:
        run = view.run
        return cls(
            status=NUMBERS[run.state],
            err_msg=err_msg(run),
            slug=run.id,
            scraper_title=view.worker.title,
            scraper_slug=view.worker.id,
            results=view.results,
            usage=format_usage(view.usage_micros),
            started_at=seconds(run.started_at),
            finished_at=seconds(run.finished_at),
            duration=run.duration_seconds,
            origin=ORIGIN_NAMES[run.origin],
            traffic=view.traffic_bytes,
            version=run.version,
        )

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def status_name(self) -> str:
        return STATUS_BY_NUMBER[self.status]


class RunPage(Answer):
    count: Count
    items: list[RunDetail] = field(name="list")
    page_index: int
    page_size: int


class LogLine(Answer):
    type: LogSeverity
    group: Annotated[str, Meta(description="number of the subtask")]
    content: str
    timestamp: Annotated[Count, Meta(description="Unix milliseconds")]

    @classmethod
    def of(cls, entry: LogEntry) -> LogLine:
        return cls(entry.type, entry.group, entry.content, entry.timestamp)


class LogTail(Answer):
    """The last lines of a run's log."""

    all_logs_url: Annotated[str, Meta(description="a link to the whole log, without a key")]
    items: list[LogLine] = field(name="list")
    result_count: Annotated[Count, Meta(description="rows of the run")]


class AccountInfo(Answer):
    balance: Usd
    traffic: Annotated[Count, Meta(description="bytes that remain")]
    traffic_expiration_at: UnixSeconds

    @classmethod
    def of(cls, account: Account) -> AccountInfo:
        return cls(
            format_balance(account.balance_micros),
            max(0, account.traffic_bytes),
            seconds(account.traffic_expires_at),
        )


# Published texts, which come first in the error message of a run.
_PUBLISHED_TEXTS = {ReasonCode.WORKER_DELETED: "Worker version unavailable"}


def err_msg(run: Run) -> str:
    """Why the run ended, as one sentence, or empty."""
    published = _PUBLISHED_TEXTS.get(run.reason.code) if run.reason else None
    return f"{published}: {run.err_msg[:1].lower()}{run.err_msg[1:]}" if published else run.err_msg
