"""Runs, and the answers to starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from fyke.domain.billing.pricing import format_usage
from fyke.reasons import ReasonCode
from fyke.wire.common import Count, Ulid, UnixSeconds, Usd
from fyke.wire.fields import Answer
from fyke.wire.rows import ResultPage
from fyke.wire.run_members import ORIGIN_NAMES, OriginName
from fyke.wire.units import seconds
from fyke.wire.v2.status import ReportedStatus, status_at

if TYPE_CHECKING:
    from fyke.domain.results.service import RowPage as Rows
    from fyke.domain.runs.service import RunView
    from fyke.model.run import Run


class WorkerRun(Answer):
    """A run with its state and usage."""

    # the first member, because clients search the bytes of the answer for it
    status: ReportedStatus
    err_msg: Annotated[str, Meta(description="why the run failed, else empty")]
    slug: Ulid
    run_slug: Ulid
    worker_id: Annotated[Ulid, Meta(description="the same as `scraper_slug`")]
    worker_slug: Annotated[Ulid, Meta(description="the same as `scraper_slug`")]
    scraper_slug: Ulid
    scraper_title: str
    version: Annotated[str, Meta(description="the version that runs or ran, never `latest`")]
    results: Annotated[Count, Meta(description="rows so far, without hidden ones")]
    usage: Usd
    traffic: Annotated[Count, Meta(description="bytes through the proxy, both ways")]
    origin: OriginName
    started_at: UnixSeconds
    finished_at: UnixSeconds
    duration: Annotated[Count, Meta(description="seconds, 0 until the run has ended")]

    @classmethod
    def of(cls, view: RunView, grace: int) -> WorkerRun:
        """``grace``: milliseconds, see ``status_at``."""
        run = view.run
        return cls(
            status=status_at(run, view.now, grace),
            err_msg=err_msg(run),
            slug=run.id,
            run_slug=run.id,  # for clients whose list of runs expects this name
            worker_id=view.worker.id,  # as in objects of tasks
            worker_slug=view.worker.id,
            scraper_slug=view.worker.id,
            scraper_title=view.worker.title,
            version=run.version,
            results=view.results,
            usage=format_usage(view.usage_micros),
            traffic=view.traffic_bytes,
            origin=ORIGIN_NAMES[run.origin],
            started_at=seconds(run.started_at),
            finished_at=seconds(run.finished_at),
            duration=run.duration_seconds,
        )


class WorkerRunPage(Answer):
    count: Count
    items: list[WorkerRun] = field(name="list")
    page_index: int
    page_size: int


class WorkerRunStarted(Answer):
    run_slug: Ulid


class WorkerRunResult(Answer):
    """The answer to a start with ``is_async`` false: the run, which may be active, and its rows."""

    run_slug: Ulid
    run_status: ReportedStatus
    error_message: Annotated[str, Meta(description="why the run failed, else empty")]
    result_message: Annotated[str, Meta(description="empty")]
    execution_start_timestamp: UnixSeconds
    execution_end_timestamp: UnixSeconds
    running_duration: Annotated[Count, Meta(description="seconds since the run was accepted")]
    is_finished: bool
    results: ResultPage

    @classmethod
    def of(cls, run: Run, now: int, grace: int, page: Rows) -> WorkerRunResult:
        """``now`` and ``grace``: milliseconds.

        A run that has not started yet is reported as running, because clients of this answer know
        only runs that are running or have ended.
        """
        ended = run.state.terminal
        status = status_at(run, now, grace)
        return cls(
            run_slug=run.id,
            run_status="running" if status == "ready" else status,
            error_message=err_msg(run),
            result_message="",
            execution_start_timestamp=seconds(run.started_at),
            execution_end_timestamp=seconds(run.finished_at),
            running_duration=seconds(max(0, (run.finished_at if ended else now) - run.created_at)),
            is_finished=ended,
            results=ResultPage.of(page),
        )


# Published texts, which come first in the error message of a run.
_PUBLISHED_TEXTS = {ReasonCode.WORKER_DELETED: "the worker version is not available"}


def err_msg(run: Run) -> str:
    """Why the run ended, as one sentence, or empty."""
    published = _PUBLISHED_TEXTS.get(run.reason.code) if run.reason else None
    return f"{published}: {run.err_msg[:1].lower()}{run.err_msg[1:]}" if published else run.err_msg
