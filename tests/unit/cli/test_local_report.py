"""Refused local runs, and the files that a report reads; see also ``test_worker_run``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fyke.cli.errors import Exit
from fyke.cli.local_folder import Job
from fyke.cli.local_report import refusal, report
from fyke.cli.output import Output
from fyke.cli.run_options import NO_OPTIONS, GivenOptions
from unit.cli.test_worker_run import ROWS, SUCCEEDED


def test_a_refusal_names_the_option_that_was_given() -> None:
    error = {"error": "input.parameters.system.memory is wrong", "code": 2}
    refused = refusal(error, GivenOptions({"memory": 1024}))
    assert refused is not None
    assert (str(refused), refused.code) == ("--memory is wrong", Exit.USAGE)
    assert refusal(SUCCEEDED, NO_OPTIONS) is None


def test_the_rows_are_those_of_the_named_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Job(tmp_path) as job:
        job.write("output-2", ROWS)
        report(Output(True), {**SUCCEEDED}, job, None, "output-2", "page-2-")
    assert json.loads(capsys.readouterr().out)["rows"] == [{"a": 1}, {"a": "é"}]


def test_the_likely_cause_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hint = {"cause": "The name of a site could not be found", "next_step": "Check it"}
    with Job(tmp_path) as job:
        job.write("output", ROWS)
        report(Output(False), {**SUCCEEDED, "state": "failed", "hint": hint}, job, None)
    told = capsys.readouterr().err
    assert "Likely cause: The name of a site could not be found.\nNext step: Check it.\n" in told
