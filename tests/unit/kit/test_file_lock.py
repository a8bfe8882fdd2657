"""Locks on files between processes; two descriptors of one process exclude each other as well."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fyke.kit.file_lock import is_folder_locked, lock_folder, locked, try_lock


def test_an_exclusive_lock_excludes_all_others(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with locked(file) as first:
        assert first
        for shared in (True, False):
            with locked(file, shared=shared, wait=False) as second:
                assert not second
    with locked(file, wait=False) as later:
        assert later
    assert file.stat().st_mode & 0o777 == 0o600


def test_shared_locks_exclude_only_exclusive_ones(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with (
        locked(file, shared=True) as first,
        locked(file, shared=True, wait=False) as second,
        locked(file, wait=False) as exclusive,
    ):
        assert (first, second, exclusive) == (True, True, False)


def test_a_lock_lasts_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    descriptor = try_lock(tmp_path / "lock")
    assert descriptor is not None
    assert try_lock(tmp_path / "lock") is None
    os.close(descriptor)
    with locked(tmp_path / "lock", wait=False) as free:
        assert free


def test_a_lock_ends_with_an_error_inside(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "lock"):
        raise KeyError
    with locked(tmp_path / "lock", wait=False) as free:
        assert free


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError), locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_is_folder_locked_until_the_last_descriptor_is_closed(tmp_path: Path) -> None:
    assert not is_folder_locked(tmp_path)
    first, second = lock_folder(tmp_path), lock_folder(tmp_path)
    os.close(first)
    assert is_folder_locked(tmp_path)
    os.close(second)
    assert not is_folder_locked(tmp_path)
    with pytest.raises(FileNotFoundError):
        is_folder_locked(tmp_path / "missing")
