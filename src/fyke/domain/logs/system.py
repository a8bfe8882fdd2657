"""The lines that the platform itself writes into a run's log, in the words clients look for.

Lines about a subtask carry its number as their group. The last line is about the whole run and
carries a number of the same form that belongs to no subtask.
"""

from __future__ import annotations

PREPARING = "Preparing the execution environment."
RUNNING = "Running..."
COMPLETED = "Execution completed."


def system_line(number: str, text: str) -> str:
    """Return a line of ours about one subtask."""
    return f"SYSTEM: Subtask-[{number}] - {text}"


def all_ended_line(total: int, succeeded: int) -> str:
    """Return the line that closes a run; every subtask that did not succeed counts as failed."""
    return (
        f"All subtasks have completed execution! Total {total} subtasks: "
        f"{succeeded} succeeded, {total - succeeded} failed."
    )
