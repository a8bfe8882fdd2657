"""Parts of the sandbox for tools that need no isolation: caches, folders, the kept output."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.sandbox.process.folders import OwnershipFailed, change_tree_owner
from fyke.sandbox.process.order import LaunchOrder
from fyke.sandbox.tools import caches as tool_caches
from fyke.sandbox.tools.caches import ToolCaches
from fyke.sandbox.tools.output import MAX_TEXT, BoundedText, ToolOutput
from fyke.sandbox.tools.places import ToolPaths, fit_find_links

ROOT = os.geteuid() == 0


@pytest.fixture
def caches(tmp_path: Path) -> Iterator[ToolCaches]:
    made = ToolCaches(tmp_path / "caches")
    yield made
    made.close()


def test_a_cache_has_one_user_at_a_time(caches: ToolCaches) -> None:
    first = caches.take("A", None)
    assert first is not None and first.path.stat().st_mode & 0o777 == 0o700
    assert caches.take("A", None) is None
    other = caches.take("B", None)
    assert other is not None
    (first.path / "kept").write_text("x" * 5000)
    assert first.measure(10**9) >= 5000
    caches.leave(first)
    again = caches.take("A", None)
    assert again is not None and (again.path / "kept").exists()
    for taken in (again, other):
        caches.leave(taken)


@pytest.mark.skipif(not ROOT, reason="only root gives folders away")
def test_a_cache_changes_its_user(caches: ToolCaches, tmp_path: Path) -> None:
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
    caches.leave(first)
    second = caches.take("A", 31_001)
    assert second is not None
    paths = [second.path, *second.path.rglob("*")]
    assert {path.lstat().st_uid for path in paths} == {31_001}
    assert outside.stat().st_uid == 0
    caches.leave(second)


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
    caches.leave(first)
    second = caches.take("A", 31_001)
    assert second is not None and list(second.path.iterdir()) == []
    assert (theirs.stat().st_uid, theirs.read_text()) == (0, "x")
    caches.leave(second)


@pytest.mark.skipif(not ROOT, reason="only root gives folders away")
def test_a_cache_that_is_too_deep_is_replaced_by_an_empty_one(caches: ToolCaches) -> None:
    first = caches.take("A", 31_000)
    assert first is not None
    first.path.joinpath(*["d"] * 80).mkdir(parents=True)
    for path in first.path.rglob("*"):
        os.chown(path, 31_000, 31_000)
    caches.leave(first)
    second = caches.take("A", 31_001)
    assert second is not None and list(second.path.iterdir()) == []
    caches.leave(second)


def test_a_cache_that_has_grown_is_replaced_by_an_empty_one(
    caches: ToolCaches, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = caches.take("A", None)
    assert first is not None
    (first.path / "big").write_bytes(bytes(100_000))
    caches.leave(first)
    monkeypatch.setattr(tool_caches, "MAX_BYTES", 50_000)
    second = caches.take("A", None)
    assert second is not None and list(second.path.iterdir()) == []
    caches.leave(second)


def test_caches_unused_for_a_month_are_removed(caches: ToolCaches) -> None:
    for name in ("OLD", "NEW", "HELD"):
        taken = caches.take(name, None)
        assert taken is not None
        if name != "HELD":
            caches.leave(taken)
    for name in ("OLD", "HELD"):
        os.utime(caches.root / name, (0, 0))
    assert caches.clear() == ["OLD"]
    assert sorted(path.name for path in caches.root.iterdir()) == ["HELD", "NEW"]


@pytest.mark.skipif(not ROOT, reason="only root gives folders away")
def test_giving_stops_at_a_depth(tmp_path: Path) -> None:
    tmp_path.joinpath(*["d"] * 80).mkdir(parents=True)
    top = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OwnershipFailed, match="nested folders"):
        change_tree_owner(top, 31_000, 31_000)
    os.close(top)


@pytest.mark.parametrize(
    "path", ["/", "/etc", "/etc/ssl", "/root/x", "/proc/1", "/work/x", "relative", "/opt/../etc"]
)
def test_places_that_are_never_mounted(path: str) -> None:
    assert fit_find_links([Path(path), Path("/opt/wheels")]) == (Path("/opt/wheels"),)


def test_only_uv_brings_something_along(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    places = ToolPaths.at(tmp_path, [wheels, wheels, tmp_path / "none"])
    order = LaunchOrder("A", "uv", None, None, 1, 2**26, 8, 2**20, 2**20)
    uv, *rest = places.extras_of(order)
    assert uv[1] == "/run/fyke/uv" and uv[0].is_file()
    # root mounts nothing that some user cannot read, and the folder of a test is closed
    assert rest == ([] if ROOT else [(wheels, str(wheels))])
    for kind in ("npm", "git", "go-build", "python"):
        other = LaunchOrder("A", kind, None, None, 1, 2**26, 8, 2**20, 2**20)
        assert places.extras_of(other) == ()
    places.caches.close()


def test_text_keeps_both_ends_and_no_credentials() -> None:
    text = BoundedText()
    text.add("first https://user:secret@host/x\n")
    for _ in range(40):
        text.add("x" * 10_000)
    text.add("last\0")
    said = text.text()
    assert said.startswith("first https://***@host/x")
    assert said.endswith("last")
    assert "[...]" in said
    assert len(said) <= 2 * MAX_TEXT + 10


def test_characters_may_come_in_parts() -> None:
    said = ToolOutput()
    for byte in "a\u00e9\u4e2d".encode():
        said.add("stdout", bytes([byte]))
        said.add("stderr", b".")
    assert said.text().replace(".", "") == "a\u00e9\u4e2d"
    assert said.stdout == "a\u00e9\u4e2d".encode()
