"""Caches of tools: locks, owners and removal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.sandbox.tools import caches as caches_module
from fyke.sandbox.tools.caches import ToolCaches

ROOT = os.geteuid() == 0


@pytest.fixture
def caches(tmp_path: Path) -> Iterator[ToolCaches]:
    tool_caches = ToolCaches(tmp_path / "caches")
    yield tool_caches
    tool_caches.close()


def test_a_cache_is_used_by_one_sandbox_at_a_time(caches: ToolCaches) -> None:
    first = caches.take("A", None)
    assert first is not None and first.path.stat().st_mode & 0o777 == 0o700
    assert caches.take("A", None) is None
    other = caches.take("B", None)
    assert other is not None
    (first.path / "kept").write_text("x" * 5000)
    assert first.measure(10**9) >= 5000
    caches.release(first)
    again = caches.take("A", None)
    assert again is not None and (again.path / "kept").exists()
    for taken in (again, other):
        caches.release(taken)


@pytest.mark.skipif(not ROOT, reason="only root gives folders away")
def test_the_next_user_becomes_the_owner_of_a_cache(caches: ToolCaches, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    first = caches.take("A", 31_000)
    assert first is not None
    (first.path / "closed").mkdir()
    (first.path / "closed" / "file").write_text("x")
    (first.path / "link").symlink_to(outside)
    for path in first.path.rglob("*"):
        os.lchown(path, 31_000, 31_000)
    (first.path / "closed").chmod(0)
    caches.release(first)
    second = caches.take("A", 31_001)
    assert second is not None
    paths = [second.path, *second.path.rglob("*")]
    assert {path.lstat().st_uid for path in paths} == {31_001}
    assert outside.stat().st_uid == 0
    caches.release(second)


@pytest.mark.skipif(not ROOT, reason="only root gives folders away")
def test_a_hard_link_to_a_file_of_another_user_does_not_change_its_owner(
    caches: ToolCaches, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("x")
    theirs.chmod(0o600)
    first = caches.take("A", 31_000)
    assert first is not None
    os.link(theirs, first.path / "mine")
    caches.release(first)
    second = caches.take("A", 31_001)
    assert second is not None and list(second.path.iterdir()) == []
    assert (theirs.stat().st_uid, theirs.read_text()) == (0, "x")
    caches.release(second)


@pytest.mark.skipif(not ROOT, reason="only root gives folders away")
def test_a_cache_that_is_too_deep_is_emptied(caches: ToolCaches) -> None:
    first = caches.take("A", 31_000)
    assert first is not None
    first.path.joinpath(*["d"] * 80).mkdir(parents=True)
    for path in first.path.rglob("*"):
        os.chown(path, 31_000, 31_000)
    caches.release(first)
    second = caches.take("A", 31_001)
    assert second is not None and list(second.path.iterdir()) == []
    caches.release(second)


def test_a_cache_that_is_too_large_is_emptied(
    caches: ToolCaches, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = caches.take("A", None)
    assert first is not None
    (first.path / "big").write_bytes(bytes(100_000))
    caches.release(first)
    monkeypatch.setattr(caches_module, "MAX_BYTES", 50_000)
    second = caches.take("A", None)
    assert second is not None and list(second.path.iterdir()) == []
    caches.release(second)


def test_caches_unused_for_a_month_are_removed(caches: ToolCaches) -> None:
    for name in ("OLD", "NEW", "LOCKED"):
        cache = caches.take(name, None)
        assert cache is not None
        if name != "LOCKED":
            caches.release(cache)
    for name in ("OLD", "LOCKED"):
        os.utime(caches.root / name, (0, 0))
    assert caches.clear() == ["OLD"]
    assert sorted(path.name for path in caches.root.iterdir()) == ["LOCKED", "NEW"]


def test_caches_that_another_process_removes_meanwhile_are_passed_over(
    caches: ToolCaches, monkeypatch: pytest.MonkeyPatch
) -> None:
    (caches.root / "LEFT").mkdir()
    os.utime(caches.root / "LEFT", (0, 0))
    listed = iter([["GONE", "LEFT"]])
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: next(listed, None) or real(folder))
    assert not caches.remove("GONE")
    assert caches.clear() == ["LEFT"]


def test_an_unreadable_cache_is_made_readable(caches: ToolCaches) -> None:
    first = caches.take("A", None)
    assert first is not None
    first.path.chmod(0)
    caches.release(first)
    second = caches.take("A", None)
    assert second is not None and second.path.stat().st_mode & 0o777 == 0o700
    caches.release(second)


def test_a_link_instead_of_a_cache_is_not_followed(caches: ToolCaches, tmp_path: Path) -> None:
    (caches.root / "A").symlink_to(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError):
        caches.take("A", None)
    assert len(os.listdir("/proc/self/fd")) == before


def test_taking_a_cache_resets_its_age(caches: ToolCaches) -> None:
    for name in ("A", "B"):
        cache = caches.take(name, None)
        assert cache is not None
        caches.release(cache)
        os.utime(caches.root / name, (0, 0))
    again = caches.take("A", None)
    assert again is not None
    caches.release(again)
    assert caches.clear() == ["B"]
