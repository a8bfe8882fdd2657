"""Reading a repository with git itself, in the folder of the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fyke.git.reader import Reader, blobs
from support.git_server import git, make_repository

pytestmark = pytest.mark.needs("git")
Read = Callable[..., str]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """A function that reads a repository of two files; keywords change the request."""
    repository = tmp_path / "prices"
    make_repository(repository, {"main.py": "print(1)\n", "sub/other.py": "print(22)\n"})
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def read_repository(**changes: Any) -> str:
        request = {
            "git": "git", "settings": ["protocol.file.allow=always"], "url": str(repository),
            "ref": "HEAD", "folder": "", "max_listing": 10_000, "max_bytes": 1000,
        }  # fmt: skip
        return Reader(request | changes).read()

    return read_repository


def test_commit_files_and_contents_are_read(read: Read, tmp_path: Path) -> None:
    commit = read()
    assert commit == git(tmp_path / "prices", "rev-parse", "HEAD").strip()
    assert len(blobs(Path("out/listing").read_bytes())) == 2
    assert b"print(1)" in Path("out/objects").read_bytes()
    assert not list(Path("repository").rglob("*.py"))


def test_only_the_folder_is_read_and_nothing_above_the_limit(read: Read) -> None:
    read(folder="sub", max_bytes=9)
    assert b"other.py" in Path("out/listing").read_bytes()
    assert not Path("out/objects").exists()


@pytest.mark.parametrize(
    ("changes", "step"),
    [({"ref": "no-such-branch"}, "fetch"), ({"url": "/no/such/place"}, "fetch"),
     ({"folder": "no-such-folder"}, "ls-tree"), ({"max_listing": 20}, "list")],
)  # fmt: skip
def test_the_failed_step_is_named(
    read: Read, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], step: str
) -> None:
    with pytest.raises(SystemExit):
        read(**changes)
    answer = json.loads(capsys.readouterr().out)
    assert answer["step"] == step
    assert bool(answer["message"]) == (step == "fetch")
