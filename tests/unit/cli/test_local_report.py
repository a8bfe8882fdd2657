"""Refused local runs, and the files that a report reads; see also ``test_worker_run``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fyke.cli.errors import CommandFailed, Exit
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


def test_rows_that_cannot_be_written_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = tmp_path / "gone" / "rows.csv"  # the folder was removed while the Worker ran
    with Job(tmp_path) as job:
        job.write("output", ROWS)
        with pytest.raises(CommandFailed, match=r"No such file .* The rows are in .* instead"):
            report(Output(False), {**SUCCEEDED}, job, gone)
    [kept] = tmp_path.glob("fyke-rows-*.csv")
    assert kept.read_bytes() == ROWS
