"""The status of a run in v2.

An aborted run is ``aborting`` from the request until its Worker has stopped, and ``aborted`` from
then on. Some clients wait for the first status, some for the second. A client that has not read the
first one yet reads it during a grace period, so both see theirs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from fyke.model.run import Run, RunState

StatusName = Literal["ready", "running", "succeeded", "failed", "aborting", "aborted"]
ReportedStatus = Annotated[
    StatusName,
    Meta(description="`aborting` becomes `aborted` when the Worker has stopped"),
]

STATUS_BY_STATE: dict[RunState, StatusName] = {
    RunState.READY: "ready",
    RunState.RUNNING: "running",
    RunState.ENDING: "running",
    RunState.ABORTING: "aborting",
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.ABORTED: "aborted",
}

_STOPPED = (RunState.ABORTING, RunState.ABORTED)

# The states of each value of a filter; none means all.
STATUS_FILTERS: dict[str, tuple[RunState, ...]] = {
    "": (),
    "ready": (RunState.READY,),
    "running": (RunState.RUNNING, RunState.ENDING),
    "succeeded": (RunState.SUCCEEDED,),
    "failed": (RunState.FAILED,),
    "aborting": _STOPPED,
    "aborted": _STOPPED,
}

# For clients that send the numbers of v1.
FILTER_BY_NUMBER: dict[str, str] = {
    "0": "",
    "1": "ready",
    "2": "running",
    "3": "succeeded",
    "4": "failed",
    "5": "aborting",
}


def status_at(run: Run, now: int, grace: int) -> StatusName:
    """The status of ``run`` at ``now``; ``grace`` is the grace period. Both are milliseconds."""
    if run.state is RunState.ABORTED and now - run.finished_at < grace:
        return "aborting"
    return STATUS_BY_STATE[run.state]
