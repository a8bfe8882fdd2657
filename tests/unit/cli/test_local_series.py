"""How the run of an example ended; see also ``test_worker_test``."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.local_series import ExampleRun, project_examples
from fyke.domain.workers.examples import ExampleInput
from support.projects import python_project
from unit.cli.test_worker_run import SUCCEEDED


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"state": "failed", "err_msg": "lost"}, "lost"),
        ({"state": "aborted"}, "the run aborted"),
        ({"subtasks": 4, "subtasks_failed": 3}, "3 of 4 subtasks failed"),
        ({"error": "refused"}, "refused"),
    ],
)
def test_the_problem_says_why_a_run_failed(changes: dict[str, Any], problem: str) -> None:
    run = ExampleRun(ExampleInput("a", {}, {}), SUCCEEDED | changes, [{}], [], [])
    assert run.problem == problem
    assert run.figures == "1 row, 1 m 05 s"


def test_examples_are_chosen_by_name_in_the_order_of_the_names() -> None:
    archive = python_project("", **{"examples/a.json": "{}", "examples/b.json": "{}"})
    chosen = project_examples(archive, ["b", "a"])
    assert [example.name for example in chosen] == ["b", "a"]
    assert [example.name for example in project_examples(archive, [])] == ["a", "b"]
    with pytest.raises(CommandFailed) as caught:
        project_examples(archive, ["c"])
    assert caught.value.code is Exit.NOT_FOUND
