from __future__ import annotations

from fyke.domain.logs import system
from fyke.model.log import LogType, NewLogEntry

NUMBER = "28596067108978688"


def test_the_lines_that_clients_look_for():
    assert system.preparing(NUMBER, 5) == NewLogEntry(
        2, NUMBER, f"SYSTEM: Subtask-[{NUMBER}] - Preparing the execution environment.", 5
    )
    assert system.running(NUMBER, 5).content == f"SYSTEM: Subtask-[{NUMBER}] - Running..."
    done = system.completed(NUMBER, 5)
    assert done.content == f"SYSTEM: Subtask-[{NUMBER}] - Execution completed."


def test_the_line_about_the_whole_run():
    entry = system.all_completed("1", 7, 5, 2, 9)
    assert (entry.type, entry.group, entry.timestamp) == (LogType.INFO, "1", 9)
    assert entry.content == (
        "All subtasks have completed execution! Total 7 subtasks: 5 succeeded, 2 failed."
    )


def test_a_failure_is_one_error_line_with_the_last_lines_of_stderr():
    entry = system.failed(NUMBER, "The Worker exited with code 1", ["Traceback", "KeyError"], 5)
    assert entry.type == LogType.ERROR
    assert entry.content == (
        f"SYSTEM: Subtask-[{NUMBER}] - The Worker exited with code 1\nTraceback\nKeyError"
    )


def test_a_warning_is_one_line():
    entry = system.subtask_line(NUMBER, "this Fyke has no browser", 5, LogType.WARN)
    assert (entry.type, entry.content[-24:]) == (LogType.WARN, "this Fyke has no browser")
