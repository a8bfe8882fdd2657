"""``worker run --watch``: what is handed over and reported. No run is started."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from fyke.cli import local_watch
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.file_watch import FileWatch
from fyke.cli.local_folder import Job
from fyke.cli.local_steps import (
    log_file,
    pages_prefix,
    project_file,
    result_file,
    rows_file,
    step_file,
)
from fyke.cli.local_watch import MAX_MISSED, WAITING, SaveWatch, WatchedProject
from fyke.cli.local_work import RESULT
from fyke.cli.main import app
from fyke.cli.output import Output
from fyke.cli.root_supervisor import RIGHTS
from fyke.cli.run_options import NO_OPTIONS
from fyke.errors import InvalidRequest
from unit.cli.test_worker_run import ROWS, SUCCEEDED


class Saves:
    """Files that have changed at each look."""

    pause = 0.0

    def __init__(self) -> None:
        self.names: list[str] = []

    def changes(self) -> list[str]:
        names, self.names = self.names, []
        return names


class Watched:
    """A watched project, with what it prints."""

    def __init__(self, job: Job, input: str = '{"a": 1}') -> None:
        self.job = job
        self.saves = Saves()
        self.problem = ""
        self.messages, self.data = io.StringIO(), io.StringIO()
        self.folder = job.folder.parent / "hello"
        self.folder.mkdir()
        project = WatchedProject(self.folder, input, self._prepare, NO_OPTIONS, None)
        out = Output(True, self.data, self.messages)
        self.watch = SaveWatch(project, job, out, cast(FileWatch, self.saves))

    def _prepare(self, given: Any) -> tuple[bytes, dict[str, Any]]:
        if self.problem:
            raise InvalidRequest(self.problem)
        return b"archive", {"parameters": {"custom": given[0], "system": given[1]}}

    def save(self, *names: str) -> str:
        """Save these files, look once, and return the new messages."""
        self.saves.names = [*names]
        return self.look()

    def look(self) -> str:
        self.messages.seek(0)
        self.messages.truncate()
        self.watch.look()
        return self.messages.getvalue()

    def end(self, number: int, **changes: Any) -> None:
        self.job.add(rows_file(number), ROWS)
        self.job.add(log_file(number), b"")
        result = SUCCEEDED | {"headers": [], "superseded": False} | changes
        self.job.add(result_file(number), json.dumps(result).encode())


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Job(tmp_path) as job:
        yield Watched(job)


def files(job: Job) -> set[str]:
    return {path.name for path in job.folder.iterdir()}


def test_a_save_hands_over_archive_and_input(watched: Watched) -> None:
    assert watched.look() == ""
    assert files(watched.job) == set()
    assert watched.save("main.py") == ""  # the first run follows from the command itself
    assert (watched.job.folder / project_file(1)).read_bytes() == b"archive"
    step = json.loads((watched.job.folder / step_file(1)).read_text())
    assert step["project"] == project_file(1)
    assert step["input"]["parameters"]["custom"] == {"a": 1}
    assert watched.look() == ""


def test_a_save_during_a_run_says_what_changed_and_that_it_stops(watched: Watched) -> None:
    watched.save("main.py")
    text = watched.save("lib.py", "main.py")
    assert text == (
        "Changed: lib.py, main.py.\nThe active run is stopped, and the next one starts.\n"
    )
    watched.end(1, superseded=True)
    assert watched.look() == ""
    assert files(watched.job) == {project_file(2), step_file(2)}
    many = watched.save(*"abcdefg")
    assert many.startswith("Changed: a, b, c, d, e and 2 more.\n")


def test_an_ended_run_is_reported_and_its_files_are_removed(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    watched.save("main.py")
    watched.job.add(f"{pages_prefix(1)}1.jpg", b"picture")
    watched.end(1)
    assert watched.look().endswith(f"{WAITING}\n")
    reported = json.loads(capsys.readouterr().out)
    assert (reported["state"], reported["rows"]) == ("succeeded", [{"a": 1}, {"a": "é"}])
    assert not {"headers", "superseded", "code"} & reported.keys()
    assert files(watched.job) == set()
    assert watched.look() == ""
    assert watched.save("main.py") == "Changed: main.py.\n"


def test_runs_that_were_skipped_are_removed_with_the_next(watched: Watched) -> None:
    for _ in range(3):
        watched.save("main.py")
    watched.end(3)
    watched.look()
    assert files(watched.job) == set()


def test_a_run_that_ended_while_the_next_was_handed_over_is_reported_too(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    watched.save("main.py")
    watched.save("main.py")
    watched.end(1)
    watched.end(2, state="failed")
    assert watched.look().count(WAITING) == 1
    states = [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()]
    assert states == ["succeeded", "failed"]
    assert files(watched.job) == set()


def test_the_thread_has_the_rights_of_its_process_while_it_looks(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The root supervisor takes another user only while it holds the lock."""
    free: list[bool] = []

    def try_lock() -> None:
        free.append(RIGHTS.acquire(blocking=False))

    def look() -> None:
        other = threading.Thread(target=try_lock)
        other.start()
        other.join()
        watched.watch._stopped.set()

    monkeypatch.setattr(watched.watch, "look", look)
    watched.watch.start()
    watched.watch._thread.join()
    assert free == [False]


def test_the_first_state_is_handed_over_before_the_thread_starts(watched: Watched) -> None:
    watched.saves.names = ["main.py"]
    watched.watch.first_look()
    assert files(watched.job) == {project_file(1), step_file(1)}
    assert not watched.watch._thread.is_alive()


def test_a_project_that_cannot_be_run_waits_for_the_next_save(watched: Watched) -> None:
    watched.problem = "main.py:1: syntax error"
    assert watched.save("main.py") == f"fyke: main.py:1: syntax error\n{WAITING}\n"
    assert files(watched.job) == set()
    watched.problem = ""
    watched.save("main.py")
    assert files(watched.job) == {project_file(1), step_file(1)}


def test_a_folder_that_is_gone_ends_the_command_unless_it_is_replaced(watched: Watched) -> None:
    watched.folder.rmdir()
    for _ in range(MAX_MISSED - 1):
        assert watched.save("main.py") == ""
    watched.folder.mkdir()
    assert watched.look() == ""
    watched.folder.rmdir()
    for _ in range(MAX_MISSED - 1):
        watched.look()
    with pytest.raises(CommandFailed, match="hello does not exist any more") as ended:
        watched.look()
    assert ended.value.code is Exit.NOT_FOUND


def test_a_run_that_ctrl_c_has_ended_is_not_followed_by_another(watched: Watched) -> None:
    watched.save("main.py")
    watched.end(1, state="aborted", code=130)
    assert WAITING not in watched.look()


def test_a_refused_run_is_reported(watched: Watched) -> None:
    watched.save("main.py")
    watched.job.add(result_file(1), json.dumps({"error": "no browser", "code": 2}).encode())
    assert watched.look() == f"fyke: no browser\n{WAITING}\n"


def test_the_file_of_the_input_is_read_for_each_run(tmp_path: Path) -> None:
    given = tmp_path / "input.json"
    with Job(tmp_path) as job:
        watched = Watched(job, str(given))
        for number in (1, 2):
            given.write_text(json.dumps({"a": number}))
            watched.save("input.json")
            step = json.loads((job.folder / step_file(number)).read_text())
            assert step["input"]["parameters"]["custom"] == {"a": number}


def test_an_unexpected_error_ends_the_command(tmp_path: Path, monkeypatch: Any) -> None:
    with Job(tmp_path) as job:
        watched = Watched(job)
        ended: list[int] = []
        monkeypatch.setattr(local_watch.os, "kill", lambda pid, number: ended.append(number))
        monkeypatch.setattr(watched.saves, "changes", lambda: 1 / 0)
        watched.watch.start()
        watched.watch._thread.join()
        with pytest.raises(ZeroDivisionError):
            watched.watch.stop()
        assert ended == [local_watch.signal.SIGTERM]


def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *options: str) -> Any:
    """``worker run --watch`` whose process is interrupted at once."""

    def interrupted(settings: Any, job: Job, request: dict[str, Any], started: Any) -> int:
        assert (request["action"], request["count"]) == ("series", 0)
        job.write(RESULT, b'{"code": 0}')
        return Exit.OK

    monkeypatch.setattr(local_watch, "run_job", interrupted)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    words = ["worker", "run", "--watch", "--home", str(tmp_path / "home"), *options]
    return CliRunner().invoke(app, words)


def test_the_end_by_ctrl_c_is_a_success(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    ended = command(monkeypatch, tmp_path, str(project), "-o", str(tmp_path / "rows.csv"))
    assert ended.exit_code == 0
    assert ended.stderr.startswith("Starting a runner for this Worker ...\nfyke: ")  # it is empty
    assert ended.stderr.endswith(f"{WAITING}\n")
    assert (tmp_path / "rows.csv").exists()


def test_only_a_folder_can_be_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refused = command(monkeypatch, tmp_path, str(tmp_path / "project.zip"))
    assert str(refused.exception) == "--watch requires the folder of a project"
    assert cast(Any, refused.exception).code is Exit.USAGE
