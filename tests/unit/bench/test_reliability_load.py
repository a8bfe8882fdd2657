"""The load of ``bench/torture.py`` knows which rows a Worker reports as acknowledged."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))

from reliability.load import Client, Job, Load, Unreachable, Watcher, divided, jobs_of, note


class Worker:
    """Writes the file as the Worker of the load does."""

    def __init__(self, folder: Path, tag: str) -> None:
        folder.mkdir()
        self.path = folder / "progress"
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self.file, f"{tag:<40}{0:>20}{7.5:>20.6f}{7.5:>20.6f}".encode(), 0)

    def push(self, number: int) -> None:
        os.pwrite(self.file, f"{number:>20}".encode(), 40)

    def beat(self, at: float) -> None:
        os.pwrite(self.file, f"{at:>20.6f}".encode(), 80)

    def watched(self) -> bool:
        return bool(os.fstat(self.file).st_mode & 0o040)


def until(condition: object, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_last_number_is_known_after_the_folder_was_removed(tmp_path: Path) -> None:
    with Watcher(tmp_path) as watcher:
        worker = Worker(tmp_path / "attempt", "t1-0")
        until(worker.watched)
        worker.push(41)
        worker.path.unlink()
        worker.path.parent.rmdir()
        worker.push(42)
        [progress] = watcher.of("t1-0")
        assert progress.number == 42
        assert watcher.of("t1-1") == []


def test_two_executions_with_one_tag_are_both_known(tmp_path: Path) -> None:
    with Watcher(tmp_path) as watcher:
        workers = [Worker(tmp_path / name, "t1-0") for name in ("first", "second")]
        until(lambda: all(worker.watched() for worker in workers))
        assert len(watcher.of("t1-0")) == 2
        watcher.release()
        assert len(watcher.of("t1-0")) == 2


def no_load(watcher: Watcher) -> Load:
    def refuse(*_: object) -> list[tuple[object, ...]]:
        raise Unreachable("not asked", None)

    return Load(Client(lambda: "", ""), "", watcher, refuse, str)


def test_rows_states_and_the_ends_of_other_runs_are_progress(tmp_path: Path) -> None:
    with Watcher(tmp_path) as watcher:
        load, now = no_load(watcher), time.monotonic()
        waiting = Job("t1-0", 10, 0.1, run="r0", accepted=now - 100)
        other = Job("t1-1", 10, 0.1, run="r1", accepted=now - 100, ended=now - 5)
        assert load.silence(waiting, [waiting], now - 60) >= 60
        assert 55 <= load.silence(waiting, [waiting, other], now - 60) < 56
        note(waiting, "running", 0, "")
        waiting.changes[0] = (now - 30, "running")
        assert 30 <= load.silence(waiting, [waiting], now - 60) < 31


def test_a_run_that_makes_no_progress_is_not_awaited(tmp_path: Path) -> None:
    with Watcher(tmp_path) as watcher:
        load, long_ago = no_load(watcher), time.monotonic() - 100
        stuck = Job("t1-0", 10, 0.1, run="r0", accepted=long_ago)
        ended = Job("t1-1", 10, 0.1, run="r1", accepted=long_ago, ended=long_ago + 1)
        assert load.settle([stuck, ended], over=long_ago) == []


def test_an_end_is_noted_with_its_time_and_reason() -> None:
    job = Job("t1-0", 10, 0.1)
    for state in ("ready", "running", "running"):
        note(job, state, 0, "")
    assert [state for _, state in job.changes] == ["ready", "running"]
    assert not job.ended
    note(job, "failed", 1790000000123, "runner_lost")
    assert (job.state, job.finished_at, job.reason) == ("failed", 1790000000123, "runner_lost")
    assert job.ended


def test_the_same_seed_makes_the_same_jobs() -> None:
    first, second = (jobs_of(random.Random("7-1"), 6, "t7-1", (30, 200), 9) for _ in range(2))
    assert first == second
    assert [job.tag for job in first] == [f"t7-1-{number}" for number in range(6)]
    assert all(30 <= job.rows <= 200 and 0 <= job.starts_after <= 9 for job in first)


def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(Unreachable, match="/api/v1/run/detail: ConnectionRefusedError"):
        Client(lambda: "http://127.0.0.1:1", "").post("/api/v1/run/detail", {})


def test_machines_are_watched_together_and_say_when_a_process_existed(tmp_path: Path) -> None:
    first, second = tmp_path / "n1", tmp_path / "n2"
    first.mkdir()
    second.mkdir()
    with Watcher(first) as watcher:
        watcher.add(second)
        workers = [Worker(folder / "attempt", "t1-0/2") for folder in (first, second)]
        until(lambda: all(worker.watched() for worker in workers))
        workers[1].beat(9.25)
        one, other = sorted(watcher.of("t1-0/2"), key=lambda found: found.beat)
        assert (one.began, one.beat, one.where) == (7.5, 7.5, str(first / "attempt"))
        assert (other.began, other.beat, other.where) == (7.5, 9.25, str(second / "attempt"))


def test_jobs_for_several_machines_have_subtasks_retries_and_upserts() -> None:
    jobs = divided(jobs_of(random.Random(1), 40, "t", (30, 200), 9), random.Random(1))
    assert {job.parts for job in jobs} == {1, 2, 3, 4}
    assert {job.max_retries for job in jobs} == {0, 1, 2}
    assert {job.upserts for job in jobs} == {True, False}
    job = next(job for job in jobs if job.parts == 2)
    assert job.tags == [f"{job.tag}/0", f"{job.tag}/1"]
    given = job.given()["parameters"]
    assert given["system"]["max_retries"] == job.max_retries
    assert given["custom"]["parts"] == ["0", "1"]
    assert Job("t-1", 10, 0.1).tags == ["t-1"]
    assert "parts" not in Job("t-1", 10, 0.1).given()["parameters"]["custom"]
