"""The vocabulary of v2: its status words, its origins, its units.

An aborted run is ``aborting`` from the request until its Worker has stopped and a grace has
passed, and ``aborted`` from then on: some clients take only the first for an end, some only the
second, and with the grace both kinds see what they wait for.
"""

from __future__ import annotations

from fyke.api.v1.vocabulary import ORIGIN, seconds
from fyke.model.run import Run, RunState

__all__ = ["FILTERS", "NUMBER_FILTERS", "ORIGIN", "seconds", "status"]

ABORTING = "aborting"
ABORTED = "aborted"

_WORDS: dict[RunState, str] = {
    RunState.READY: "ready",
    RunState.RUNNING: "running",
    RunState.ENDING: "running",
    RunState.ABORTING: ABORTING,
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.ABORTED: ABORTED,
}

_STOPPED = (RunState.ABORTING, RunState.ABORTED)

# What a filter may say, and the states it finds; no states means all.
FILTERS: dict[str, tuple[RunState, ...]] = {
    "": (),
    "ready": (RunState.READY,),
    "running": (RunState.RUNNING, RunState.ENDING),
    "succeeded": (RunState.SUCCEEDED,),
    "failed": (RunState.FAILED,),
    ABORTING: _STOPPED,
    ABORTED: _STOPPED,
}

# The numbers of v1, for callers who still send them.
NUMBER_FILTERS: dict[str, str] = {
    "0": "",
    "1": "ready",
    "2": "running",
    "3": "succeeded",
    "4": "failed",
    "5": ABORTING,
}


def status(run: Run, now: int, grace: int) -> str:
    """The word for where ``run`` stands at ``now``; both times are in ms."""
    if run.state is RunState.ABORTED and now - run.finished_at < grace:
        return ABORTING
    return _WORDS[run.state]
