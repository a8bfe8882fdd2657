"""The words of v2 for the state of a run.

An aborted run is ``aborting`` from the request until a grace period after its Worker has stopped,
and ``aborted`` from then on: some clients take only the first for an end, some only the second,
and with the grace period both kinds see the word that they wait for.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from fyke.model.run import Run, RunState

StatusName = Literal["ready", "running", "succeeded", "failed", "aborting", "aborted"]
ReportedStatus = Annotated[
    StatusName,
    Meta(description="`aborting` becomes `aborted` some time after the Worker has stopped"),
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

# The values of a filter, and the states that each finds; no states means all.
STATUS_FILTERS: dict[str, tuple[RunState, ...]] = {
    "": (),
    "ready": (RunState.READY,),
    "running": (RunState.RUNNING, RunState.ENDING),
    "succeeded": (RunState.SUCCEEDED,),
    "failed": (RunState.FAILED,),
    "aborting": _STOPPED,
    "aborted": _STOPPED,
}

# The numbers of v1, for clients that still send them.
FILTER_BY_NUMBER: dict[str, str] = {
    "0": "",
    "1": "ready",
    "2": "running",
    "3": "succeeded",
    "4": "failed",
    "5": "aborting",
}


def status_at(run: Run, now: int, grace: int) -> StatusName:
    """The word for the state of ``run`` at ``now``; both times are in ms."""
    if run.state is RunState.ABORTED and now - run.finished_at < grace:
        return "aborting"
    return STATUS_BY_STATE[run.state]
