"""Folders for jobs without a server."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fyke.cli.errors import CommandFailed
from fyke.cli.local_folder import Job, local_folder
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
