"""The report of a local run."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fyke.cli import local_folder
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.local_folder import Job
from fyke.cli.local_report import report as report_run
from fyke.cli.local_work import OUTPUT, PAGES, RESULT
from fyke.cli.main import app
from fyke.cli.output import Output, data_of
from fyke.cli.worker_run import _format, run
from fyke.domain.runs.browser_reports import BrowserPresence, RunBrowser
from fyke.errors import InvalidRequest
from fyke.model.browser import BrowserActivity, BrowserProgram
from fyke.wire.fyke.run_browser import RunBrowserReport
from support.memory import a_run
from support.projects import python_project

NO_INPUT: dict[str, Any] = {"properties": []}
ROWS = b'{"a": 1}\n{"a": "\xc3\xa9"}\n'
SUCCEEDED: dict[str, Any] = {
    "state": "succeeded",
    "err_msg": "",
    "note": "",
    "results": 2,
    "hidden": 0,
    "subtasks": 1,
    "subtasks_failed": 0,
    "traffic": 1500,
    "duration": 65,
    "browser": None,
    "code": 0,
}


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    with Job(tmp_path) as new_job:
        new_job.write(OUTPUT, ROWS)
        yield new_job


def report(job: Job, output: Path | None = None, as_json: bool = False, **changes: Any) -> str:
    """The messages on standard error."""
    messages = io.StringIO()
    report_run(Output(as_json, None, messages), SUCCEEDED | changes, job, output)
    return messages.getvalue()


@pytest.mark.parametrize(
    ("output", "format"),
    [(None, "jsonl"), ("rows.CSV", "csv"), ("a.b.xlsx", "xlsx"), ("rows.json", "json")],
)
def test_the_file_suffix_determines_the_format(output: str | None, format: str) -> None:
    assert _format(None if output is None else Path(output)) == format


@pytest.mark.parametrize("name", ["rows", "rows.pdf", ".csv", "rows."])
def test_an_unknown_suffix_is_refused(name: str) -> None:
    with pytest.raises(CommandFailed, match=r"must end in one of \.csv") as caught:
        _format(Path(name))
    assert caught.value.code is Exit.USAGE


def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for output, problem in (
        (tmp_path / "none" / "rows.csv", f"there is no folder {tmp_path / 'none'}; make it"),
        (tmp_path / "folder.csv", "is a folder; name a file"),
    ):
        (tmp_path / "folder.csv").mkdir(exist_ok=True)
        with pytest.raises(CommandFailed, match=problem) as caught:
            _format(output)
        assert caught.value.code is Exit.USAGE
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path)
    with pytest.raises(CommandFailed, match="may not be written by this user"):
        _format(tmp_path / "rows.csv")
    (tmp_path / "old.csv").touch()
    assert _format(tmp_path / "old.csv") == "csv"


def invoke(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str) -> Any:
    """``worker run`` with a run that was interrupted after two rows."""

    def interrupted(settings: Any, job: Job, request: dict[str, Any]) -> int:
        job.write(OUTPUT, ROWS)
        result = SUCCEEDED | {"state": "aborted", "err_msg": "Aborted on request", "code": 130}
        job.write(RESULT, json.dumps(result).encode())
        return Exit.INTERRUPTED

    monkeypatch.setattr(local_folder, "run_job", interrupted)
    (folder / "worker.zip").write_bytes(python_project("print(1)\n", schema=NO_INPUT))
    words = ["worker", "run", str(folder / "worker.zip"), "--home", str(folder / "home"), *options]
    return CliRunner().invoke(app, words)


def test_the_rows_of_an_interrupted_run_are_printed_or_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    printed = invoke(monkeypatch, tmp_path)
    assert (printed.exit_code, printed.stdout.encode()) == (130, ROWS)
    assert printed.stderr.startswith("Starting a runner for this Worker ...\n")
    assert "aborted (2 rows, 1.5 kB, 1 m 05 s): Aborted on request" in printed.stderr
    written = invoke(monkeypatch, tmp_path, "-o", str(tmp_path / "rows.jsonl"))
    assert (written.exit_code, written.stdout) == (130, "")
    assert (tmp_path / "rows.jsonl").read_bytes() == ROWS


def test_a_memory_without_a_matching_device_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = invoke(monkeypatch, tmp_path, "--memory", "100")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "must be one of 512, 1024, 2048, 4096, 8192, 16384, not 100" in refused.stderr
    assert not (tmp_path / "home").exists()
    assert invoke(monkeypatch, tmp_path, "--memory", "16384").exit_code == 130


def test_the_browser_options_are_those_of_a_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    def refused(settings: Any, job: Job, request: dict[str, Any]) -> int:
        asked.append(request["input"]["parameters"]["system"])
        return Exit.FAILED

    monkeypatch.setattr(local_folder, "run_job", refused)
    project = tmp_path / "worker.zip"
    project.write_bytes(python_project("print(1)\n", schema=NO_INPUT))
    words = ["worker", "run", str(project), "--home", str(tmp_path / "home")]
    options = ["--browser-block", "images, fonts", "--headful", "--browser-program", "chromium"]
    CliRunner().invoke(app, [*words, *options])
    CliRunner().invoke(app, [*words, "--headless"])
    CliRunner().invoke(app, words)
    assert asked == [
        {"browser": "headful", "browser_program": "chromium", "browser_block": ["images", "fonts"]},
        {"browser": "headless"},
        {},
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"browser_block": "images,pictures"}, '"pictures" must be one of images, media, fonts'),
        (
            {"headful": True, "browser_program": BrowserProgram.HEADLESS_SHELL},
            "--browser-program must be chromium",
        ),
    ],
    ids=["block", "headful"],
)
def test_a_browser_option_that_a_start_would_refuse_is_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    project = tmp_path / "project.zip"
    project.write_bytes(python_project("print(1)\n", schema=NO_INPUT))
    with pytest.raises(InvalidRequest, match=message):
        run(project, home=tmp_path / "home", **options)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("input", "message"),
    [
        ({"urls": "https://a.example"}, 'field "urls" must be an array, not a string'),
        ({}, 'required field "urls" is missing'),
    ],
)
def test_an_input_that_does_not_fit_is_refused_before_a_process_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, input: dict[str, Any], message: str
) -> None:
    def start(*_args: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(local_folder, "run_job", start)
    schema = {"properties": [{"name": "urls", "type": "array", "required": True}]}
    project = tmp_path / "project.zip"
    project.write_bytes(python_project("print(1)\n", schema=schema))
    with pytest.raises(InvalidRequest, match=message):
        run(project, input=json.dumps(input), home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_options_that_a_start_would_refuse_are_refused_too(tmp_path: Path) -> None:
    project = tmp_path / "project.zip"
    project.write_bytes(python_project("print(1)\n", schema=NO_INPUT))
    with pytest.raises(InvalidRequest, match="cpus"):
        run(project, cpus=500.0, home=tmp_path / "home")


def test_rows_are_written_to_standard_output(
    job: Job, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert report(job) == "succeeded (2 rows, 1.5 kB, 1 m 05 s)\n"
    assert capsysbinary.readouterr().out == ROWS


def test_rows_are_written_to_the_output_file(
    job: Job, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    messages = report(job, tmp_path / "rows.jsonl")
    assert (tmp_path / "rows.jsonl").read_bytes() == ROWS
    assert messages.endswith(f"The rows are in {tmp_path / 'rows.jsonl'}.\n")
    assert capsysbinary.readouterr().out == b""


def test_failed_subtasks_and_hidden_rows_are_reported(
    job: Job, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    changes = {"state": "failed", "err_msg": "out of memory", "results": 1, "hidden": 1}
    messages = report(job, subtasks=3, subtasks_failed=2, **changes)
    assert messages.splitlines() == [
        "failed (1 row, 1.5 kB, 1 m 05 s): out of memory",
        "2 of 3 subtasks failed.",
        "1 row of failed subtasks hidden; FYKE_FAILED_ROWS=keep shows them.",
    ]
    assert "subtasks" not in report(job, subtasks=1, subtasks_failed=1)
    assert report(job, note="No browser here.").endswith("\nNo browser here.\n")


def test_what_the_browsers_did_is_reported(
    job: Job, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    activity = BrowserActivity(requests={"document": 2}, received={"document": 300}, pages=2)
    browser = RunBrowser(
        run=a_run("A"),
        state=BrowserPresence.ENDED,
        version="chromium 156.0.8078.108",
        own_sandbox=True,
        starts=1,
        milliseconds=2500,
        memory_peak_bytes=120_000_000,
        activity=activity,
        lines=(),
    )
    data = data_of(RunBrowserReport.of(browser))
    messages = report(job, browser=data)
    assert capsysbinary.readouterr().out == ROWS  # and nothing else
    lines = [line.split(maxsplit=1) for line in messages.splitlines()[1:] if line]
    assert ["browser", "chromium 156.0.8078.108"] in lines
    assert ["peak", "memory  114 MB"] in lines
    [requests] = [line[1] for line in lines if line[0] == "document"]
    assert requests.startswith("2 ") and "300 B" in requests
    assert report(job, as_json=True, browser=data) == ""
    assert json.loads(capsysbinary.readouterr().out)["browser"] == data


@pytest.fixture
def pages(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of a last page in the job; the folder for temporary files of this command."""
    for suffix in ("jpg", "html.txt"):
        job.write(f"{PAGES}7.{suffix}", suffix.encode())
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("output", [None, "rows.csv"])
@pytest.mark.parametrize("as_json", [False, True])
def test_files_of_last_pages_are_in_a_new_folder(
    job: Job,
    pages: Path,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    output: str | None,
    as_json: bool,
) -> None:
    messages = report(job, tmp_path / output if output else None, as_json)
    [folder] = tmp_path.glob("rows-pages-*") if output else pages.iterdir()
    files = {path.name: path.read_text() for path in folder.iterdir()}
    assert files == {"page-7.jpg": "jpg", "page-7.html.txt": "html.txt"}
    assert folder.stat().st_mode & 0o777 == 0o700  # secrets are not masked in pictures
    shown = capsysbinary.readouterr().out
    if as_json:
        assert (messages, json.loads(shown)["pages_folder"]) == ("", str(folder))
    else:
        assert f"The files of the last pages are in {folder}.\n" in messages


def test_a_run_without_last_pages_leaves_no_folder(
    job: Job, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert "last pages" not in report(job, tmp_path / "rows.csv")
    report(job, tmp_path / "rows.csv", as_json=True)
    assert json.loads(capsysbinary.readouterr().out)["pages_folder"] is None
    assert not [*tmp_path.glob("*-pages-*")]


def test_the_report_does_not_depend_on_files_of_last_pages(
    job: Job, pages: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    pages.rmdir()
    messages = report(job)
    assert capsysbinary.readouterr().out == ROWS
    assert "succeeded (2 rows" in messages
    assert "The files of the last pages cannot be written: " in messages


def test_json_contains_the_rows(job: Job, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert report(job, as_json=True) == ""
    data = json.loads(capsysbinary.readouterr().out)
    assert data["rows"] == [{"a": 1}, {"a": "\u00e9"}]
    assert (data["state"], "code" in data) == ("succeeded", False)


def test_json_without_rows_is_valid(job: Job, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    job.write(OUTPUT, b"")
    report(job, as_json=True)
    assert json.loads(capsysbinary.readouterr().out)["rows"] == []


def test_json_with_an_output_file_contains_its_name(
    job: Job, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    report(job, tmp_path / "rows.csv", as_json=True)
    data = json.loads(capsysbinary.readouterr().out)
    assert (data["output"], "rows" in data) == (str(tmp_path / "rows.csv"), False)
    assert (tmp_path / "rows.csv").read_bytes() == ROWS
