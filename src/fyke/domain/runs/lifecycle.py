"""The lifecycle of a run as a pure function from state and event to new state and instructions.

The transitions (``n`` is the number of subtasks that wait or run after the event):

========== ================= =====================================================
state      event             becomes
========== ================= =====================================================
ready      AttemptStarted    running
ready      SubtaskEnded      n > 0: ready; else finished (see below)
running    SubtaskEnded      n > 0: running; else finished: succeeded when at least
                             one subtask succeeded, else failed
ready,     AbortRequested    active attempts: aborting, stop them; else aborted
running
ready,     LimitReached      active attempts: ending, stop them; else failed
running
aborting   SubtaskEnded      n > 0: aborting; else aborted
ending     SubtaskEnded      n > 0: ending; else failed, with the limit as reason
aborting,  AbortRequested    no change, because it is being stopped
ending,
aborted
succeeded, AbortRequested    refused
failed
other      AttemptReturned   no change: the subtask waits again (``returns.py``)
any        AttemptLost       no change: the subtask waits again (``retries.py``)
terminal   anything else     no change: the first end counts
running    AttemptReturned   no started attempts: ready; else running
========== ================= =====================================================

``transitions.py`` executes the instructions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from fyke.domain.runs.outcome import end_of
from fyke.errors import RunNotAbortable
from fyke.model.run import SUCCESS, End, RunState
from fyke.reasons import Reason, ReasonCode


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A Worker's process of this run was started: for the subtask ``number``, on ``node``, after an
    attempt that was lost if it ``is_retry``.
    """

    number: str = ""
    node: str = ""
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class AttemptReturned:
    """An attempt was returned to the queue before its Worker's first instruction, because of
    ``fault``. ``others_started``: other attempts of the run have started, and may have ended.
    ``number`` and ``node`` are as in ``AttemptStarted``.
    """

    others_started: bool
    fault: End
    number: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class AttemptLost:
    """An attempt whose Worker has run was lost, and its subtask is tried again, as ``fault`` says.
    ``number`` and ``node`` are as in ``AttemptStarted``.
    """

    fault: End
    number: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class SubtaskEnded:
    """A subtask has ended. After that, ``left`` subtasks wait or run, and ``succeeded`` have
    succeeded. ``end`` is the end of the first subtask that failed, or a success.
    """

    left: int
    succeeded: int
    end: End


@dataclass(frozen=True, slots=True)
class AbortRequested:
    """An abort was requested; ``active_attempts`` are still running."""

    active_attempts: int


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A limit of the whole run was reached; ``active_attempts`` are still running."""

    active_attempts: int
    end: End


Event = (
    AttemptStarted | AttemptReturned | AttemptLost | SubtaskEnded | AbortRequested | LimitReached
)


class Instruction(Enum):
    """A task for ``transitions.py``, in the same transaction as the change of state."""

    MARK_STARTED = auto()
    MARK_WAITING = auto()  # the recorded start did not take place
    END_WAITING = auto()  # end subtasks that have not started
    STOP_ATTEMPTS = auto()  # notify runners, so that they stop running attempts
    FINISH = auto()  # settle the reserved amount, count the rows, write the callback


@dataclass(frozen=True, slots=True)
class Transition:
    """The state of the run after the event. ``end`` is None when it does not change."""

    state: RunState
    end: End | None = None
    instructions: tuple[Instruction, ...] = ()


def advance(state: RunState, event: Event) -> Transition:
    """Return the transition for ``event`` in ``state``.

    Raises ``RunNotAbortable`` for an abort of a run that has succeeded or failed.
    """
    match event:
        case AttemptStarted():
            return _started() if state is RunState.READY else Transition(state)
        case AttemptReturned():
            return _returned(state, event)
        case AttemptLost():
            return Transition(state)
        case SubtaskEnded():
            return _subtask_ended(state, event)
        case AbortRequested():
            return _abort(state, event)
        case LimitReached():
            return _limit(state, event)


def _started() -> Transition:
    return Transition(RunState.RUNNING, instructions=(Instruction.MARK_STARTED,))


def _returned(state: RunState, event: AttemptReturned) -> Transition:
    if state is not RunState.RUNNING or event.others_started:
        return Transition(state)
    return Transition(RunState.READY, instructions=(Instruction.MARK_WAITING,))


# The state after the last subtask of a run that is being stopped.
_STATE_AFTER_STOP = {RunState.ABORTING: RunState.ABORTED, RunState.ENDING: RunState.FAILED}
LIVE = frozenset({RunState.READY, RunState.RUNNING})
_STOP = (Instruction.END_WAITING, Instruction.STOP_ATTEMPTS)
_END_NOW = (Instruction.END_WAITING, Instruction.FINISH)


def _subtask_ended(state: RunState, event: SubtaskEnded) -> Transition:
    if state.terminal or event.left:
        return Transition(state)
    if state in _STATE_AFTER_STOP:
        return Transition(_STATE_AFTER_STOP[state], instructions=(Instruction.FINISH,))
    if event.succeeded:
        return Transition(RunState.SUCCEEDED, SUCCESS, (Instruction.FINISH,))
    return Transition(RunState.FAILED, event.end, (Instruction.FINISH,))


def _abort(state: RunState, event: AbortRequested) -> Transition:
    if state in (RunState.SUCCEEDED, RunState.FAILED):
        raise RunNotAbortable(Reason.of(ReasonCode.RUN_ENDED, state=state.value))
    if state not in LIVE:
        return Transition(state)
    end = end_of(Reason(ReasonCode.ABORTED))
    if event.active_attempts:
        return Transition(RunState.ABORTING, end, _STOP)
    return Transition(RunState.ABORTED, end, _END_NOW)


def _limit(state: RunState, event: LimitReached) -> Transition:
    if state not in LIVE:
        return Transition(state)
    if event.active_attempts:
        return Transition(RunState.ENDING, event.end, _STOP)
    return Transition(RunState.FAILED, event.end, _END_NOW)
