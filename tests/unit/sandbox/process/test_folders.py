"""Work folders with hostile trees, without a sandbox."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.sandbox.process.folders import (
    ENTRY_BYTES,
    MAX_DEPTH,
    OwnershipFailed,
    WorkFolders,
    change_tree_owner,
)

LIMIT = 2**30


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[WorkFolders]:
    work_folders = WorkFolders(tmp_path / "work")
    yield work_folders
    work_folders.close()


def test_a_folder_is_private_and_created_once(folders: WorkFolders) -> None:
    path = folders.create("A", None)
    assert path == folders.root / "A"
    assert path.stat().st_mode & 0o777 == 0o700
    assert folders.root.stat().st_mode & 0o777 == 0o711
    with pytest.raises(FileExistsError):
        folders.create("A", None)
    assert folders.names() == ["A"]


def test_a_folder_keeps_its_place_in_a_renamed_data_folder(tmp_path: Path) -> None:
    folders = WorkFolders(tmp_path / "home" / "work")
    folders.create("A", None)
    places = folders.places(["A", "MISSING"])
    folders.close()
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    (tmp_path / "home").rename(tmp_path / "renamed")
    for name, is_same in (("renamed", True), ("copy", False)):
        other = WorkFolders(tmp_path / name / "work")
        assert other.names() == ["A"]
        assert (other.places(["A"]) == places) is is_same
        other.close()


def test_measure_counts_blocks_and_entries(folders: WorkFolders) -> None:
    path = folders.create("A", None)
    assert folders.measure("A", LIMIT) == 0
    (path / "data").write_bytes(bytes(100_000))
    (path / "empty").touch()
    (path / "d").mkdir()
    (path / "d" / "link").symlink_to("/usr")
    assert 100_000 + 3 * ENTRY_BYTES <= folders.measure("A", LIMIT) < 200_000
    assert folders.measure("MISSING", LIMIT) == 0


def test_a_sparse_file_counts_with_its_blocks_on_disk(folders: WorkFolders) -> None:
    with (folders.create("A", None) / "sparse").open("wb") as file:
        file.truncate(10**12)
    assert folders.measure("A", LIMIT) == ENTRY_BYTES


def test_measure_stops_once_the_limit_is_exceeded(folders: WorkFolders) -> None:
    path = folders.create("A", None)
    for number in range(500):
        (path / str(number)).touch()
    assert folders.measure("A", 10 * ENTRY_BYTES) == 11 * ENTRY_BYTES


def test_a_tree_that_is_too_deep_counts_as_too_large(folders: WorkFolders) -> None:
    path = folders.create("A", None)
    for _ in range(MAX_DEPTH - 1):
        path = path / "d"
        path.mkdir()
    assert folders.measure("A", LIMIT) < LIMIT
    (path / "d").mkdir()
    assert folders.measure("A", LIMIT) > LIMIT


def test_remove_does_not_follow_links(folders: WorkFolders, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    path = folders.create("A", None)
    (path / "up").symlink_to(tmp_path)
    (path / "d").mkdir()
    (path / "d" / "up").symlink_to(tmp_path)
    (path / "d" / "file").symlink_to(tmp_path / "precious")
    folders.remove("A")
    assert folders.names() == []
    assert (tmp_path / "precious").read_text() == "x"
    folders.remove("A")  # safe to repeat


def test_remove_refuses_a_link_instead_of_a_folder(folders: WorkFolders, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (folders.root / "A").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError):
        folders.remove("A")
    assert (tmp_path / "precious").is_dir()


@pytest.mark.slow
def test_remove_handles_very_deep_and_unreadable_trees(folders: WorkFolders) -> None:
    top = folders.create("A", None)
    parent = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=parent)
        child = os.open("d", os.O_RDONLY, dir_fd=parent)
        os.close(parent)
        parent = child
    os.close(parent)
    closed = top / "closed"
    (closed / "inner").mkdir(parents=True)
    (closed / "inner" / "file").touch()
    (closed / "inner").chmod(0)
    closed.chmod(0)
    top.chmod(0)
    folders.remove("A")
    assert folders.names() == []


def test_measure_closes_every_descriptor(folders: WorkFolders) -> None:
    path = folders.create("A", None)
    for number in range(20):
        (path / str(number) / "x" / "y").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    for limit in (LIMIT, 3 * ENTRY_BYTES, ENTRY_BYTES):
        folders.measure("A", limit)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_the_owner_of_a_tree_that_is_too_deep_cannot_be_changed(tmp_path: Path) -> None:
    tmp_path.joinpath(*["d"] * 80).mkdir(parents=True)
    top = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OwnershipFailed, match="nested folders"):
        change_tree_owner(top, 31_000, 31_000)
    os.close(top)
