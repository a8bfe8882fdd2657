"""Versions that a runner prepares without a run: real installs, and their states."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fyke.domain.nodes.service import NodeService, NodeStores, RunnerName
from fyke.domain.workers.service import Workers
from fyke.kit.clock import ManualClock
from fyke.model.account import Caller
from fyke.model.node import RunnableVersion
from fyke.model.worker import EnvironmentState, Version, VersionEnvironment
from fyke.parsing.pools import ThreadPool
from fyke.reasons import ReasonCode
from fyke.runner.bundles import BundleCache
from fyke.runner.preparer import Preparer
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support import records
from support.environments import Workspace, open_workspace
from support.prepared import state_in
from support.projects import python_project
from support.stores import open_state
from support.wheels import make_wheel, make_wheel_folder

pytestmark = [pytest.mark.anyio, pytest.mark.needs("bwrap")]


class Place:
    """Publishes versions, and prepares them as a runner does."""

    def __init__(self, workspace: Workspace, storage: Any, folder: Path) -> None:
        blobs = FilesystemBlobs(folder / "blobs", durable=False)
        self.storage = storage
        self.workers = Workers(storage, blobs, ThreadPool(), ManualClock())
        self.account = records.account()
        self.environments = workspace.offline().made
        nothing: Any = None
        stores = NodeStores(
            storage, nothing, blobs, nothing, nothing, nothing, ManualClock(), 15, nothing
        )
        gateway = NodeService(RunnerName("R", "node", "place"), stores)
        self.bundles = BundleCache(gateway.files, workspace.setup.home / "bundles")
        deps: Any = SimpleNamespace(
            gateway=gateway, environments=self.environments, bundles=self.bundles, publishing=None
        )
        self.preparer = Preparer(deps, lambda: True)

    async def publish(self, name: str, requirements: str) -> Version:
        caller = Caller(self.account.id, self.account.name, False, "u", "k")
        project = python_project("print(1)\n", requirements=requirements)
        _, version, _ = await self.workers.publish(caller, project, name=name)
        return version

    async def prepare(self) -> None:
        while await self.preparer._prepare_next():
            pass

    async def state_of(self, version: Version) -> VersionEnvironment:
        environment: VersionEnvironment = await self.storage.read(
            lambda tx: tx.environments.get(version.id)
        )
        return environment


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[Place]:
    async with open_workspace() as workspace, open_state(state_in(tmp_path)) as storage:
        make_wheel_folder(workspace.wheels)
        make_wheel(workspace.wheels, "tiny", "1.5")
        place = Place(workspace, storage, tmp_path)
        await storage.write(lambda tx: tx.accounts.add(place.account))
        yield place


async def test_a_published_version_is_ready_or_says_why_not_before_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as place:
        good = await place.publish("good", "tiny==1.5\n")
        same = await place.publish("same", "tiny==1.5\n")
        bad = await place.publish("bad", "tiny==2.0\n")
        assert (await place.state_of(good)).state is EnvironmentState.PREPARING
        await place.prepare()
        for version in (good, same):
            assert await place.state_of(version) == VersionEnvironment(
                version.id, EnvironmentState.READY
            )
        failed = await place.state_of(bad)
        assert failed.state is EnvironmentState.FAILED and failed.reason is not None
        assert failed.reason.code is ReasonCode.PACKAGE_NOT_FOUND
        assert "tiny==2.0" in str(failed.reason.params["detail"])

        async def no_build(*_args: Any) -> Any:
            raise AssertionError("it is installed already")

        monkeypatch.setattr(place.environments, "_build", no_build)
        version = RunnableVersion.of(same)
        bundle = await place.bundles.ensure(same.id, version)
        environment = await place.environments.ensure(version, bundle, place.account.id, False)
        assert environment.path is not None and next(
            environment.path.glob("lib/*/site-packages/tiny.py")
        )


async def test_pushing_the_same_files_again_repeats_an_installation(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        version = await place.publish("later", "late==1.0\n")
        await place.prepare()
        assert (await place.state_of(version)).state is EnvironmentState.FAILED
        wheels = Path(place.environments._python._environ["UV_FIND_LINKS"])
        make_wheel(wheels, "late", "1.0")
        assert await place.publish("later", "late==1.0\n") == version
        await place.prepare()
        assert (await place.state_of(version)).state is EnvironmentState.READY
