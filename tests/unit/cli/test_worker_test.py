"""``worker test`` with runs that end as the test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fyke.cli import local_folder
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.local_folder import Job
from fyke.cli.local_steps import log_file, result_file, rows_file, step_file
from fyke.cli.local_work import RESULT
from fyke.cli.main import app
from support.projects import python_project
from unit.cli.test_worker_run import SUCCEEDED

COLUMNS = [{"name": "title", "type": "string"}, {"name": "price", "type": "number"}]
GOOD: list[dict[str, Any]] = [{"title": "a", "price": 1.5}, {"title": "b", "price": None}]
EXAMPLES = {"examples/one.json": '{"q": 1}', "examples/two.json": '{"q": 2}'}

End = dict[str, Any]  # rows, log, and changes of the outcome
Invoke = Callable[..., Any]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run a command of a project; the runs of its examples end as ``ends`` say."""

    def run(
        command: str,
        *words: str,
        ends: list[End],
        output: list[dict[str, Any]] | None = COLUMNS,
        files: dict[str, str] = EXAMPLES,
        code: int = 0,
    ) -> Any:
        inputs.clear()

        def run_job(settings: Any, job: Job, request: dict[str, Any]) -> int:
            assert (request["action"], request["count"]) == ("series", len(ends))
            for number, end in enumerate(ends, 1):
                step = json.loads((job.folder / step_file(number)).read_text())
                inputs.append(step["input"]["parameters"])
                write_end(job, number, **end)
            job.write(RESULT, json.dumps({"code": code}).encode())
            return code

        monkeypatch.setattr(local_folder, "run_job", run_job)
        project = tmp_path / "worker.zip"
        project.write_bytes(python_project("import sdk\n", output=output, **files))
        line = ["worker", command, str(project), "--home", str(tmp_path / "home"), *words]
        return CliRunner().invoke(app, line)

    return run


inputs: list[dict[str, Any]] = []  # of the last runs


def write_end(
    job: Job,
    number: int,
    rows: list[dict[str, Any]] = GOOD,
    log: tuple[tuple[int, str], ...] = (),
    error: str = "",
    **changes: Any,
) -> None:
    entries = [
        {"position": at, "type": level, "group": "", "content": content, "timestamp": 0}
        for at, (level, content) in enumerate(log, 1)
    ]
    job.write(log_file(number), "".join(json.dumps(entry) + "\n" for entry in entries).encode())
    job.write(rows_file(number), "".join(json.dumps(row) + "\n" for row in rows).encode())
    usual = SUCCEEDED | {"headers": [], "superseded": False, "reason_code": "", "duration": 2}
    outcome = {"error": error, "code": 2} if error else usual | changes
    job.write(result_file(number), json.dumps(outcome).encode())


FAILED = {"state": "failed", "err_msg": "KeyError: 'x'", "subtasks_failed": 1}


def test_each_example_is_a_line_and_a_failed_one_shows_its_log(invoke: Invoke) -> None:
    log = ((4, "Traceback of two"),)
    ended = invoke("test", ends=[{}, {"rows": [], "log": log, **FAILED}])
    assert ended.exit_code == Exit.FAILED
    assert ended.stdout.splitlines() == [
        "ok      one  2 rows, 2 s",
        "failed  two  0 rows, 2 s: KeyError: 'x'",
    ]
    assert "ERROR Traceback of two" in ended.stderr
    assert ended.stderr.endswith("1 of 2 examples passed.\n")
    assert [given["custom"] for given in inputs] == [{"q": 1}, {"q": 2}]


def test_rows_that_do_not_fit_the_output_schema_fail_the_example(invoke: Invoke) -> None:
    rows = [{"title": 5, "price": 1}, {"title": "b", "url": "u"}]
    ended = invoke("test", "--example", "two", ends=[{"rows": rows}])
    assert ended.exit_code == Exit.FAILED
    assert ended.stdout.splitlines() == [
        "failed  two  2 rows, 2 s",
        "        title: declared as string, but it is integer in 1 of 2 rows, first in row 1 "
        "[type]",
        "        url: in 1 of 2 rows, but the column is not declared [undeclared]",
    ]
    assert [given["custom"] for given in inputs] == [{"q": 2}]


def test_an_example_without_rows_fails_unless_none_are_expected(invoke: Invoke) -> None:
    ended = invoke("test", "--example", "one", ends=[{"rows": []}])
    assert ended.exit_code == Exit.FAILED
    assert ended.stdout == (
        "failed  one  0 rows, 2 s: at least 1 row expected; --min-rows sets another number\n"
    )
    few = invoke("test", "--example", "one", "--min-rows", "3", "--json", ends=[{}])
    [example] = json.loads(few.stdout)["examples"]
    assert (example["passed"], example["problem"]) == (
        False,
        "at least 3 rows expected; --min-rows sets another number",
    )
    none = invoke("test", "--example", "one", "--min-rows", "0", ends=[{"rows": []}])
    assert none.exit_code == 0


def test_all_that_pass_are_a_success_also_without_an_output_schema(invoke: Invoke) -> None:
    ended = invoke("test", "--memory", "1024", ends=[{}], output=None, files={})
    assert ended.exit_code == 0
    assert ended.stdout == "ok      defaults  2 rows, 2 s\n"
    assert (
        "There is no output_schema.json, so the rows were not checked.\n1 of 1 example passed."
        in (ended.stderr)
    )
    assert inputs == [{"system": {"memory": 1024}, "custom": {}}]


def test_the_report_as_json(invoke: Invoke) -> None:
    ended = invoke("test", "--json", ends=[{"rows": GOOD[:1]}, {"error": "field q is wrong"}])
    report = json.loads(ended.stdout)
    assert (ended.exit_code, report["passed"]) == (Exit.FAILED, False)
    first, second = report["examples"]
    assert (first["name"], first["passed"], first["rows"], first["findings"]) == (
        "one",
        True,
        1,
        [],
    )
    assert (second["state"], second["problem"]) == ("refused", "field q is wrong")


def test_a_subtask_that_fails_fails_the_example(invoke: Invoke) -> None:
    ended = invoke("test", "--json", ends=[{"subtasks": 3, "subtasks_failed": 1}, {}])
    first, second = json.loads(ended.stdout)["examples"]
    assert (first["passed"], first["problem"]) == (False, "1 of 3 subtasks failed")
    assert second["passed"]


def test_an_example_that_is_not_there_is_named(invoke: Invoke) -> None:
    refused = invoke("test", "--example", "three", ends=[])
    assert isinstance(refused.exception, CommandFailed)
    assert str(refused.exception) == (
        "--example three: there is no such example; this project has one, two"
    )


def test_an_interruption_is_no_result(invoke: Invoke) -> None:
    ended = invoke("test", ends=[{}, {}], code=130)
    assert (ended.exit_code, ended.stdout) == (Exit.INTERRUPTED, "")
