"""The lines that the platform itself writes into a run's log, with texts that clients search for.

Lines about a subtask have its number as group. Those about the whole run have a number of the same
form that belongs to no subtask.
"""

from __future__ import annotations

from fyke.model.log import LogType, NewLogEntry

# how the warning begins that sandboxes of this machine have no hard limits
NO_HARD_LIMITS = "This machine cannot limit cpu and memory hard"


def preparing(number: str, at: int) -> NewLogEntry:
    """An attempt has been leased, and its sandbox is being prepared. ``at`` is in ms."""
    return subtask_line(number, "Preparing the execution environment.", at)


def running(number: str, at: int) -> NewLogEntry:
    """The Worker's process has started."""
    return subtask_line(number, "Running...", at)


def completed(number: str, at: int) -> NewLogEntry:
    """The Worker's process has succeeded."""
    return subtask_line(number, "Execution completed.", at)


def returned(number: str, reason: str, times: int, pause_ms: int, at: int) -> NewLogEntry:
    """The Worker was not started, ``times`` times in a row; the subtask is tried again."""
    text = f"{reason} (attempt {times}; tried again in {pause_ms / 1000:g} s)"
    return subtask_line(number, text, at, LogType.WARN)


def retried(number: str, text: str, at: int) -> NewLogEntry:
    """An attempt was lost, and the subtask is tried again; ``text`` says why and how often."""
    return subtask_line(number, text[:1].upper() + text[1:], at, LogType.WARN)


def failed(number: str, reason: str, last_lines: list[str], at: int) -> NewLogEntry:
    """The subtask has failed; ``last_lines`` are the last lines of the Worker's stderr."""
    text = "\n".join([reason, *last_lines])
    return subtask_line(number, text, at, LogType.ERROR)


def rows_not_pushed(number: str, places: list[str], at: int) -> NewLogEntry:
    """The subtask has succeeded without a row, but files of the Worker seem to have some."""
    text = (
        f"The Worker pushed no row, but left files that seem to contain rows: {', '.join(places)}. "
        "Files are removed after the run; push each row with CoreSDK.Result.push_data."
    )
    return subtask_line(number, text, at, LogType.ERROR)


def all_completed(group: str, total: int, succeeded: int, failed: int, at: int) -> NewLogEntry:
    """All subtasks have ended; ``group`` is the number for the whole run."""
    content = (
        f"All subtasks have completed execution! Total {total} subtasks: "
        f"{succeeded} succeeded, {failed} failed."
    )
    return NewLogEntry(LogType.INFO, group, content, at)


def subtask_line(number: str, text: str, at: int, type: LogType = LogType.INFO) -> NewLogEntry:
    """A line of the platform about one subtask."""
    return NewLogEntry(type, number, f"SYSTEM: Subtask-[{number}] - {text}", at)
