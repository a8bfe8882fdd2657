"""The payload of a callback: the members of both wire forms, for all known receivers.

Receivers of the first form read ``status``, ``results`` and ``usage``; those of the second read
``run_status`` and the rest, and refuse a payload without ``run_status``. ``run_id`` repeats the
slug, because an official template shows it as the run's name. Rows are never included.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from fyke.domain.billing.pricing import format_usage
from fyke.model.run import Run, RunState

MAX_MESSAGE = 2000  # characters: the whole payload stays far under 20 kB

_NAMES = {
    RunState.READY: "running",
    RunState.RUNNING: "running",
    RunState.ENDING: "running",
    RunState.ABORTING: "running",
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.ABORTED: "aborted",
}
NUMBERS: dict[RunState, Literal[1, 2, 3, 4, 5]] = {  # as in responses of API v1
    RunState.READY: 1,
    RunState.RUNNING: 2,
    RunState.ENDING: 2,
    RunState.ABORTING: 5,
    RunState.SUCCEEDED: 3,
    RunState.FAILED: 4,
    RunState.ABORTED: 5,
}


class Payload(TypedDict):
    """Times in whole seconds since the epoch; the end is 0 until the run has ended."""

    run_slug: str
    run_id: str
    status: int
    results: int
    usage: str
    run_status: str
    error_message: str
    execution_start_timestamp: int
    execution_end_timestamp: int
    running_duration: int
    result_count: int
    result_message: str


def payload(run: Run) -> Payload:
    """The payload about the current state of ``run``."""
    start, end = run.started_at // 1000, run.finished_at // 1000
    return Payload(
        run_slug=run.id,
        run_id=run.id,
        status=NUMBERS[run.state],
        results=run.results,
        usage=format_usage(run.usage_micros),
        run_status=_NAMES[run.state],
        error_message=run.err_msg[:MAX_MESSAGE],
        execution_start_timestamp=start,
        execution_end_timestamp=end,
        running_duration=run.duration_seconds,
        result_count=run.results,
        result_message="done" if run.state is RunState.SUCCEEDED else "",
    )
