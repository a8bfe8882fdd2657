"""Checking and sealing an untrusted tree, and verifying it later."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fyke.sandbox.packages import sealing

MAX_BYTES = 10**6


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "pkg" / "deep").mkdir(parents=True)
    (folder / "pkg" / "a.py").write_text("a")
    (folder / "pkg" / "deep" / "tool").write_text("t")
    (folder / "pkg" / "deep" / "tool").chmod(0o4711)
    (folder / "pkg" / "deep").chmod(0o777)
    return folder


def test_sealed_files_are_regular_and_read_only(tree: Path) -> None:
    sealing.check(tree, MAX_BYTES)
    sealed = sealing.seal(tree)
    modes = {
        str(path.relative_to(tree)): oct(stat.S_IMODE(path.lstat().st_mode))
        for path in tree.rglob("*")
    }
    assert modes == {
        "pkg": "0o755",
        "pkg/a.py": "0o444",
        "pkg/deep": "0o755",
        "pkg/deep/tool": "0o555",
    }
    assert (sealed.files, sealed.size) == (4, 2)
    assert sealing.read_tree(tree) == sealed


def test_unreadable_folders_become_readable(tree: Path) -> None:
    (tree / "pkg" / "deep").chmod(0)
    (tree / "pkg").chmod(0)
    tree.chmod(0)
    sealing.check(tree, MAX_BYTES)
    assert sealing.seal(tree).files == 4


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to("."),
        lambda path: os.mkfifo(path),
        lambda path: socket.socket(socket.AF_UNIX).bind(os.fspath(path)),
    ],
)
def test_anything_but_files_and_folders_is_refused(
    tree: Path, make: Callable[[Path], object]
) -> None:
    make(tree / "pkg" / "odd")
    with pytest.raises(sealing.BadTree, match="'odd'"):
        sealing.check(tree, MAX_BYTES)


def test_a_link_instead_of_the_folder_is_not_followed(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(other)
    with pytest.raises(sealing.BadTree):
        sealing.check(tmp_path / "link", MAX_BYTES)
    with pytest.raises(sealing.BadTree, match="no files"):
        sealing.check(tmp_path / "none", MAX_BYTES)
    assert stat.S_IMODE(other.stat().st_mode) == 0o700


def test_too_many_too_large_and_too_deep_files_are_refused(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "sparse").touch()
    os.truncate(tree / "sparse", 10**12)
    with pytest.raises(sealing.BadTree, match=r"1,000,000 bytes"):
        sealing.check(tree, MAX_BYTES)
    (tree / "sparse").unlink()
    monkeypatch.setattr(sealing, "MAX_FILES", 3)
    with pytest.raises(sealing.BadTree, match="3 files"):
        sealing.check(tree, MAX_BYTES)
    monkeypatch.undo()
    deep = tree
    for _ in range(sealing.MAX_DEPTH + 2):
        deep /= "d"
    deep.mkdir(parents=True)
    with pytest.raises(sealing.BadTree, match="too deep"):
        sealing.check(tree, MAX_BYTES)


def test_names_that_are_not_utf_8_are_sealed(tree: Path) -> None:
    (tree / os.fsdecode(b"\xff\xfe")).write_text("x")
    sealing.check(tree, MAX_BYTES)
    assert sealing.seal(tree) == sealing.read_tree(tree)


def test_names_and_contents_are_separated_in_the_digest(tmp_path: Path) -> None:
    digests = set()
    for number, (name, content) in enumerate([("ab", "c"), ("a", "bc"), ("a", "b"), ("abc", "")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text(content)
        digests.add(sealing.seal(folder).digest)
    assert len(digests) == 4


def test_the_same_content_has_the_same_seal(tree: Path, tmp_path: Path) -> None:
    sealed = sealing.seal(tree)
    twin = tmp_path / "twin"
    (twin / "pkg" / "deep").mkdir(parents=True)
    (twin / "pkg" / "deep" / "tool").write_text("t")
    (twin / "pkg" / "deep" / "tool").chmod(0o755)
    (twin / "pkg" / "a.py").write_text("a")
    assert sealing.seal(twin) == sealed
    sealing.write(tmp_path / "seal.json", sealed)
    assert sealing.read(tmp_path / "seal.json") == sealed
    (tmp_path / "odd.json").write_text("[]")
    assert sealing.read(tmp_path / "odd.json") is None
    assert sealing.read(tmp_path / "none.json") is None
