"""The contract of ``Environments``: an environment is built once for each content and shared; a
failure has a reason.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.contracts.execution import EnvironmentFailed
from fyke.model.worker import Language
from integration.sandbox.sandboxes import SPAWNERS
from support.environments import Installing, open_workspace
from support.memory import a_runnable_version
from support.wheels import make_wheel, make_wheel_folder

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

Maker = Callable[[], Installing]
PYTHON = replace(a_runnable_version("w"), language=Language.PYTHON, requirements="tiny\n")


@pytest.fixture(params=SPAWNERS)
async def maker(request: pytest.FixtureRequest) -> AsyncIterator[Maker]:
    """Create implementations that share one folder, like several processes."""
    async with open_workspace(request.param) as workspace:
        make_wheel(make_wheel_folder(workspace.wheels), "tiny")
        yield workspace.offline
        assert os.listdir(workspace.setup.work) == []


async def test_an_environment_is_built_once(maker: Maker, tmp_path: Path) -> None:
    first = await maker().ensure(PYTHON, tmp_path)
    assert first.path is not None and first.path.is_dir()
    assert "tiny" in first.log
    inode = first.path.stat().st_ino
    second = await maker().ensure(replace(PYTHON, id="other", number="v9"), tmp_path)
    assert second == first
    assert first.path.stat().st_ino == inode


async def test_concurrent_builders_build_once(maker: Maker, tmp_path: Path) -> None:
    environments = await asyncio.gather(*(maker().ensure(PYTHON, tmp_path) for _ in range(3)))
    assert len({(environment.path, environment.log) for environment in environments}) == 1


async def test_other_requirements_get_another_environment(maker: Maker, tmp_path: Path) -> None:
    first = await maker().ensure(PYTHON, tmp_path)
    other = await maker().ensure(replace(PYTHON, requirements=""), tmp_path)
    assert other.path != first.path


async def test_a_failed_build_has_a_reason_and_can_be_repeated(
    maker: Maker, tmp_path: Path
) -> None:
    absent = replace(PYTHON, requirements="absent-package")
    for _ in range(2):
        with pytest.raises(EnvironmentFailed, match="absent-package") as caught:
            await maker().ensure(absent, tmp_path)
        assert caught.value.log
    assert (await maker().ensure(PYTHON, tmp_path)).path


async def test_a_compiled_program_needs_no_dependencies(maker: Maker, tmp_path: Path) -> None:
    (tmp_path / "main").write_bytes(b"")
    environment = await maker().ensure(replace(PYTHON, language=Language.GO), tmp_path)
    assert environment.path is None


async def test_a_cancelled_builder_releases_the_lock(maker: Maker, tmp_path: Path) -> None:
    work = asyncio.create_task(maker().ensure(PYTHON, tmp_path))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (await maker().ensure(PYTHON, tmp_path)).path


async def test_accounts_share_only_locked_environments(maker: Maker, tmp_path: Path) -> None:
    own = [await maker().ensure(PYTHON, tmp_path, account) for account in ("ONE", "TWO")]
    assert own[0].path != own[1].path
    base = replace(PYTHON, requirements="")
    shared = [await maker().ensure(base, tmp_path, account) for account in ("ONE", "TWO")]
    assert shared[0].path == shared[1].path


async def test_packages_run_code_only_when_allowed(maker: Maker, tmp_path: Path) -> None:
    asking = replace(PYTHON, builds=True)
    with pytest.raises(EnvironmentFailed, match=r"not allowed that for this Worker.*remove it"):
        await maker().ensure(asking, tmp_path)
    built = await maker().ensure(asking, tmp_path, builds=True)
    plain = await maker().ensure(PYTHON, tmp_path, builds=True)
    assert built.path != plain.path
