"""The additional mounts of a tool's sandbox."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.sandbox.process.order import LaunchOrder
from fyke.sandbox.tools.tool_paths import ToolPaths, mountable_folders

ROOT = os.geteuid() == 0


def order(kind: str, cache: str = "") -> LaunchOrder:
    return LaunchOrder("A", kind, None, None, 1, 2**26, 8, 2**20, 2**20, cache)


@pytest.mark.parametrize(
    "path", ["/", "/etc", "/etc/ssl", "/root/x", "/proc/1", "/work/x", "relative", "/opt/../etc"]
)
def test_reserved_and_relative_folders_are_never_mounted(path: str) -> None:
    assert mountable_folders([Path(path), Path("/opt/wheels")]) == (Path("/opt/wheels"),)


def test_only_uv_has_additional_mounts(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    tool_paths = ToolPaths.at(tmp_path, [wheels, wheels, tmp_path / "none"])
    order = LaunchOrder("A", "uv", None, None, 1, 2**26, 8, 2**20, 2**20)
    uv, *rest = tool_paths.extras_of(order)
    assert uv[1] == "/run/fyke/uv" and uv[0].is_file()
    # root mounts only folders that all users can read, and the folder of a test is private
    assert rest == ([] if ROOT else [(wheels, str(wheels))])
    for kind in ("npm", "git", "go-build", "python"):
        other = LaunchOrder("A", kind, None, None, 1, 2**26, 8, 2**20, 2**20)
        assert tool_paths.extras_of(other) == ()
    tool_paths.caches.close()


@pytest.fixture
def wheels() -> Iterator[Path]:
    """A folder that every user can read."""
    folder = Path(tempfile.mkdtemp(prefix="fyke-wheels-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("mode", "mounted"), [(0o755, True), (0o711, not ROOT), (0o744, not ROOT), (0o700, not ROOT)]
)
def test_root_mounts_only_folders_that_every_user_can_read(
    tmp_path: Path, wheels: Path, mode: int, mounted: bool
) -> None:
    wheels.chmod(mode)
    tool_paths = ToolPaths.at(tmp_path, [wheels])
    assert ((wheels, str(wheels)) in tool_paths.extras_of(order("uv"))) is mounted
    tool_paths.caches.close()


def test_a_folder_of_wheels_is_mounted_once_and_a_file_never(tmp_path: Path, wheels: Path) -> None:
    file = wheels / "file"
    file.touch()
    assert mountable_folders([wheels, file, wheels]) == (wheels, file)
    tool_paths = ToolPaths.at(tmp_path, [wheels, file])
    assert tool_paths.extras_of(order("uv"))[1:] == ((wheels, str(wheels)),)
    tool_paths.caches.close()


def test_a_tool_locks_the_cache_that_its_order_names(tmp_path: Path) -> None:
    tool_paths = ToolPaths.at(tmp_path)
    assert tool_paths.cache_of(order("uv"), None) is None
    cache = tool_paths.cache_of(order("uv", "A-UV"), None)
    assert cache is not None and cache.path == tmp_path / "tool-caches" / "A-UV"
    assert tool_paths.cache_of(order("uv", "A-UV"), None) is None  # another sandbox uses it
    tool_paths.caches.release(cache)
    tool_paths.caches.close()
