from __future__ import annotations

from fyke.domain.logs.system import COMPLETED, PREPARING, RUNNING, all_ended_line, system_line

NUMBER = "28596067108978688"


def test_the_lines_about_a_subtask_in_the_words_clients_look_for():
    assert [system_line(NUMBER, text) for text in (PREPARING, RUNNING, COMPLETED)] == [
        "SYSTEM: Subtask-[28596067108978688] - Preparing the execution environment.",
        "SYSTEM: Subtask-[28596067108978688] - Running...",
        "SYSTEM: Subtask-[28596067108978688] - Execution completed.",
    ]


def test_the_line_about_the_whole_run():
    assert all_ended_line(7, 5) == (
        "All subtasks have completed execution! Total 7 subtasks: 5 succeeded, 2 failed."
    )
