"""What ``fyke prune`` removes from the folder of a node, which has no state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fyke.app.folder import make_home
from fyke.app.node_prune import UNUSED_SECONDS, NodePrune
from fyke.app.prune import Kind
from fyke.kit.file_lock import lock_folder, locked
from fyke.runner.bundles import LOCK as BUNDLES_LOCK
from fyke.sandbox.packages.environment import CONTENT, LOCKS
from fyke.settings import Settings

pytestmark = pytest.mark.anyio
OLD = 1_000.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path)
    make_home(settings)
    (settings.environments_dir / LOCKS).mkdir()
    (settings.bundles_dir / BUNDLES_LOCK).touch()
    return settings


def bundle(settings: Settings, name: str) -> Path:
    """One that was not used for long."""
    folder = settings.bundles_dir / name
    folder.mkdir()
    (folder / "main.py").write_text("x" * 100)
    return aged(folder)


def environment(settings: Settings, name: str) -> Path:
    folder = settings.environments_dir / name
    (folder / CONTENT).mkdir(parents=True)
    (folder / CONTENT / "six.py").write_text("x" * 100)
    return aged(folder)


def aged(path: Path) -> Path:
    os.utime(path, (OLD, OLD))
    return path


async def found(settings: Settings) -> set[Path]:
    return {item.path for item in await NodePrune(settings).find()}


async def test_what_was_not_used_for_long_is_removed(settings: Settings) -> None:
    aged(settings.environments_dir / LOCKS)
    unused = {
        bundle(settings, "a"),
        environment(settings, "b"),
        environment(settings, ".build-c"),
    }
    partial = settings.bundles_dir / ".fetched-x"
    partial.write_text("x")
    aged(partial)
    for folder in (bundle(settings, "recent"), environment(settings, "recent")):
        at = folder.stat().st_ctime - UNUSED_SECONDS + 60
        os.utime(folder, (at, at))
    prune = NodePrune(settings)
    items = await prune.find()
    assert {item.path for item in items} == {*unused, partial}
    sizes = {item.kind: item.size for item in items}
    assert sizes[Kind.UNPACKED] >= 100 and sizes[Kind.ENVIRONMENT] >= 100
    assert all([await prune.remove(item) for item in items])
    assert {path.name for path in settings.bundles_dir.iterdir()} == {BUNDLES_LOCK, "recent"}
    assert {path.name for path in settings.environments_dir.iterdir()} == {LOCKS, "recent"}
    assert [await prune.remove(item) for item in items if item.path != partial] == [False] * 3


async def test_what_an_attempt_has_is_kept(settings: Settings) -> None:
    folders = bundle(settings, "a"), environment(settings, "b")
    prune = NodePrune(settings)
    items = await prune.find()
    locks = [lock_folder(folders[0]), lock_folder(folders[1] / CONTENT)]
    assert await found(settings) == set()
    assert [await prune.remove(item) for item in items] == [False, False]
    for descriptor in locks:
        os.close(descriptor)
    assert await found(settings) == set(folders)


async def test_what_is_used_before_its_removal_is_kept(settings: Settings) -> None:
    folders = bundle(settings, "a"), environment(settings, "b")
    prune = NodePrune(settings)
    items = await prune.find()
    for folder in folders:
        os.utime(folder)
    assert [await prune.remove(item) for item in items] == [False, False]
    assert all(folder.exists() for folder in folders)


async def test_an_environment_that_is_being_looked_up_is_kept(settings: Settings) -> None:
    folder = environment(settings, "b")
    prune = NodePrune(settings)
    [item] = await prune.find()
    with locked(settings.environments_dir / LOCKS / "b", shared=True):
        assert not await prune.remove(item)
    assert await prune.remove(item) and not folder.exists()
