"""Folders for jobs without a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.local_folder import Job, interruptible, local_folder
from fyke.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", database_url="postgresql://x/y")


def test_concurrent_jobs_have_separate_folders(settings: Settings) -> None:
    with local_folder(settings) as first:
        with local_folder(settings) as second:
            assert first.home != second.home
        with local_folder(settings) as third:
            assert third.home == second.home
    with local_folder(settings) as again:
        assert again.home == first.home


def test_a_folder_of_another_user_is_refused_with_a_remedy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("fyke.cli.local_folder.locked", refused)
    with pytest.raises(CommandFailed, match=r"may not be used by this user .* --home") as failed:
        local_folder(settings).__enter__()
    assert failed.value.code is Exit.AUTH


def test_an_error_of_the_work_stays_as_it_is(settings: Settings) -> None:
    with pytest.raises(PermissionError), local_folder(settings):
        raise PermissionError(13, "Permission denied")


def test_a_local_folder_does_not_use_the_database_of_the_installation(settings: Settings) -> None:
    with local_folder(settings) as local:
        assert local.database_url == ""
        assert local.home.is_relative_to(settings.home)
        assert local.home.stat().st_mode & 0o777 == 0o711


def test_a_result_must_be_a_plain_file(tmp_path: Path) -> None:
    with Job(tmp_path) as job:
        job.write("result.json", json.dumps({"state": "succeeded"}).encode())
        assert job.result() == {"state": "succeeded"}
        (job.folder / "link").symlink_to("/etc/passwd")
        with pytest.raises(OSError, match="symbolic"):
            job.open("link")
        os.mkfifo(job.folder / "pipe")
        keep = os.open(job.folder / "pipe", os.O_RDWR)
        with pytest.raises(CommandFailed, match="plain file"):
            job.open("pipe")
        os.close(keep)
    assert not job.folder.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from fyke.cli.local_folder import Job
Job(Path(sys.argv[1])).write("request.json", b"{}")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_of_a_killed_run_is_removed_by_the_next_one(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    [left] = tmp_path.glob("job-*")
    with Job(tmp_path) as first, Job(tmp_path) as second:
        assert sorted(tmp_path.glob("job-*")) == sorted([first.folder, second.folder])
    assert not left.exists()
    assert list(tmp_path.glob("job-*")) == []


@pytest.fixture
def hangup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_sighup_interrupt_as_ctrl_c_does(hangup: None, number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(number)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == (
        before,
        signal.SIG_DFL,
    )


def test_sighup_stays_ignored_under_nohup(hangup: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible():
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_sighup_goes_to_the_handler_of_the_work(hangup: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    seen: list[int] = []
    with interruptible():
        signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
        signal.raise_signal(signal.SIGHUP)
    assert seen == [signal.SIGTERM]


def test_a_file_that_is_added_later_replaces_a_link_and_follows_none(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    with Job(tmp_path) as job:
        (job.folder / "step-1.json").symlink_to(outside)
        job.add("step-1.json", b"{}")
        assert (job.folder / "step-1.json").read_bytes() == b"{}"
        assert not (job.folder / "step-1.json").is_symlink()
        (job.folder / ".step-2.json.part").symlink_to(outside)
        with pytest.raises(FileExistsError):
            job.add("step-2.json", b"{}")
        job.remove("step-1.json")
        job.remove("step-1.json")
        assert not (job.folder / "step-1.json").exists()
    assert outside.read_text() == "kept"
