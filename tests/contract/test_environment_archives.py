"""Packed environments: who makes them and who may fetch them, on both databases."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract.test_node_file_places import Place
from contract.test_version_environments import published, report, taken
from fyke.contracts.blobs import Blobs
from fyke.contracts.execution import DiskShort
from fyke.contracts.signals import PREPARE
from fyke.contracts.state import Transaction
from fyke.domain.nodes.file_places import FilePlaces
from fyke.domain.nodes.files import InstallationFiles
from fyke.domain.runs.environment_archives import (
    FAILURE_MS,
    EnvironmentArchives,
    archive_name,
)
from fyke.domain.runs.environments import VersionEnvironments
from fyke.domain.runs.last_pages import LastPages
from fyke.errors import StaleLease, Unavailable
from fyke.model.node import EnvironmentPlace
from fyke.model.worker import (
    MAX_PREPARATION_PAUSE_MS,
    EnvironmentArchive,
    EnvironmentState,
    InstallFailure,
    Version,
    VersionEnvironment,
)
from fyke.reasons import Reason, ReasonCode
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.blobs.s3 import S3Blobs
from support.run_endings import Setup
from support.s3_servers import s3_server

pytestmark = pytest.mark.anyio
State = Any
DATA = b"packed" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()
NODE = "node/n1"


class Archives:
    """The archives of several runners, with blobs in one folder."""

    def __init__(self, state: State, folder: Path) -> None:
        self.state = state
        self.folder = folder
        self.blobs: Blobs = FilesystemBlobs(folder / "blobs", durable=False)

    def of(self, runner_id: str) -> EnvironmentArchives:
        return EnvironmentArchives(self.state.storage, self.blobs, runner_id)

    async def find(self, version: Version, *keys: str, runner: str = "N") -> EnvironmentPlace:
        return await self.of(runner).find(version.id, keys or ("k",))

    async def get(self, version: Version) -> EnvironmentArchive | None:
        found: EnvironmentArchive | None = await self.state.read(
            lambda tx: tx.environment_archives.get(version.id)
        )
        return found

    async def take(self, runner: str = "R") -> str | None:
        order = await self.of(runner).take()
        return None if order is None else order.version.id

    async def store(self, version: Version, runner: str = "R", key: str = "k") -> None:
        file = self.folder / "packed"
        file.write_bytes(DATA)
        made = EnvironmentArchive(version.id, key, DIGEST, len(DATA), "tree")
        await self.of(runner).store(made, file)


@pytest.fixture
async def archives(state: State, tmp_path: Path) -> Archives:
    """An installation with the runner ``R``, and the node ``N``."""
    await report(state, "R", place="boot/1/2")
    await report(state, "N", place=NODE)
    await state.write(lambda tx: _rename(tx, "N", "n1"))
    return Archives(state, tmp_path)


def _rename(tx: Transaction, runner_id: str, node: str) -> None:
    [runner] = [runner for runner in tx.runs.runners(0) if runner.id == runner_id]
    tx.runs.put_runner(replace(runner, node=node))


# --- who makes them ----------------------------------------------------------------------------


async def test_what_a_machine_misses_is_made_by_the_installation(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    archives.state.notified.clear()
    assert await archives.find(version) == EnvironmentPlace(pending=True)
    assert archives.state.notified == [PREPARE]
    await archives.find(version)
    assert archives.state.notified == [PREPARE], "it is wanted once"
    assert await archives.take() == version.id
    assert await archives.find(version) == EnvironmentPlace(pending=True)
    await archives.store(version)
    place = await archives.find(version, "other", "k")
    assert place == EnvironmentPlace(EnvironmentArchive(version.id, "k", DIGEST, len(DATA), "tree"))
    assert await archives.blobs.get(archive_name(DIGEST)) == DATA
    assert await archives.take() is None


async def test_an_installation_of_one_machine_makes_none(state: State, tmp_path: Path) -> None:
    archives = Archives(state, tmp_path)
    await report(state, "R", place="boot/1/2")
    await report(state, "S", place="boot/1/3")  # on the same machine
    (version,) = await published(state, "1")
    assert await archives.find(version, runner="R") == EnvironmentPlace()
    await taken(state, "R")
    await VersionEnvironments(state.storage).ended(version.id, "R", None)
    assert await archives.get(version) is None


async def test_an_environment_that_is_ready_is_wanted(archives: Archives) -> None:
    prepared, installed = await published(archives.state, "1", "2")
    environments = VersionEnvironments(archives.state.storage)
    await archives.state.write(
        lambda tx: tx.environments.put(
            VersionEnvironment(prepared.id, EnvironmentState.PREPARING, runner_id="R")
        )
    )
    await environments.ended(prepared.id, "S", None)
    assert await archives.get(prepared) is None, "S has not prepared it"
    await environments.ended(prepared.id, "R", None)
    await environments.note(installed.id, None, None)
    for version in (prepared, installed):
        assert await archives.get(version) == EnvironmentArchive(version.id)


async def test_an_archive_is_made_by_one_active_runner(archives: Archives) -> None:
    await report(archives.state, "S", place="boot/2/2")
    (version,) = await published(archives.state, "1")
    await archives.find(version)
    assert await archives.take("R") == version.id
    assert await archives.take("S") is None
    assert await archives.take("R") == version.id, "a repeated claim"
    await report(archives.state, "R", heartbeat_at=1, place="boot/1/2")
    assert await archives.find(version) == EnvironmentPlace(pending=True), "the other one does"
    assert await archives.take("S") == version.id
    await archives.store(version, "R")
    made = await archives.get(version)
    assert made == EnvironmentArchive(version.id, runner_id="S"), "R has lost it"


async def test_a_failure_is_tried_again_later(archives: Archives) -> None:
    first, second = await published(archives.state, "1", "2")
    await archives.find(first)
    assert await archives.take() == first.id
    await archives.of("R").failed(first.id, soon=False)
    failed = await archives.get(first)
    assert failed is not None and failed.not_before > MAX_PREPARATION_PAUSE_MS
    await archives.find(second)
    assert await archives.take() == second.id
    assert await archives.find(first) == EnvironmentPlace()
    await archives.store(second)
    assert await archives.take() is None
    over = EnvironmentArchive(first.id, not_before=1)
    await archives.state.write(lambda tx: tx.environment_archives.end(over, ""))
    assert await archives.take() is None, "nobody has asked again"
    await archives.find(first)
    assert await archives.take() == first.id


async def test_versions_with_the_same_packages_share_a_file(archives: Archives) -> None:
    first, second = await published(archives.state, "1", "2")
    await archives.find(first)
    await archives.take()
    assert not await archives.of("R").reuse(first.id, "k")
    await archives.store(first)
    await archives.find(second)
    assert await archives.take() == second.id
    assert not await archives.of("R").reuse(second.id, "other")
    assert await archives.of("R").reuse(second.id, "k")
    made = await archives.get(second)
    assert made is not None and (made.digest, made.key) == (DIGEST, "k")
    await archives.blobs.delete(archive_name(DIGEST))
    assert not await archives.of("R").reuse(second.id, "k"), "the file is gone"


async def test_an_archive_may_be_in_s3(archives: Archives, tmp_path: Path) -> None:
    (version,) = await published(archives.state, "1")
    with s3_server("moto", tmp_path) as server:
        archives.blobs = S3Blobs(server.new_place(), server.access)
        await archives.find(version)
        await archives.take()
        await archives.store(version)
        assert await archives.blobs.get(archive_name(DIGEST)) == DATA
        assert (await archives.find(version)).archive is not None
        await archives.blobs.delete(archive_name(DIGEST))
        assert await archives.find(version) == EnvironmentPlace()


# --- who may fetch them ------------------------------------------------------------------------


async def test_an_environment_for_another_machine_is_not_given(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    await archives.find(version)
    await archives.take()
    await archives.store(version)
    assert await archives.find(version, "of another machine") == EnvironmentPlace()
    made = await archives.get(version)
    assert made is not None and made.digest == DIGEST, "it is not replaced for that"


async def test_an_archive_of_an_earlier_interpreter_is_replaced_once(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    await archives.find(version)
    await archives.take()
    await archives.store(version)
    archives.state.notified.clear()
    # the runner of the installation has another one now, and installs for itself
    assert await archives.find(version, "new", runner="R") == EnvironmentPlace()
    assert archives.state.notified == [PREPARE]
    assert await archives.find(version, "new") == EnvironmentPlace(pending=True)
    assert await archives.take() == version.id
    await archives.store(version, key="new")
    assert (await archives.find(version, "new")).archive is not None
    assert await archives.find(version, "k") == EnvironmentPlace(), "of a node that lags behind"
    assert (await archives.find(version, "new", runner="R")).archive is not None
    assert await archives.take() is None


async def test_a_file_that_is_lost_is_made_again(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    await archives.find(version)
    await archives.take()
    await archives.store(version)
    await archives.blobs.delete(archive_name(DIGEST))
    elsewhere = archives.of("S").find(version.id, ["k"], replaces_lost=False)
    assert await elsewhere == EnvironmentPlace()
    assert await archives.take() is None, "the file may be in the folder of another machine"
    assert await archives.find(version) == EnvironmentPlace()
    assert await archives.take() == version.id


async def test_a_file_that_the_only_machine_has_lost_is_made_again(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    await archives.find(version)
    await archives.take()
    await archives.store(version)
    await archives.blobs.delete(archive_name(DIGEST))
    assert not (await archives.of("R").find(version.id, ["k"], replaces_lost=False)).archive
    assert await archives.take() == version.id, "no other machine makes archives"


async def test_a_file_of_another_size_is_made_again(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    await archives.find(version)
    await archives.take()
    await archives.store(version)
    await archives.blobs.put(archive_name(DIGEST), DATA[:-1])
    assert await archives.find(version) == EnvironmentPlace()
    assert not await archives.blobs.exists(archive_name(DIGEST))
    assert await archives.take() == version.id
    assert not await archives.of("R").reuse(version.id, "k")


async def test_a_damaged_file_is_dropped_by_the_machine_that_has_read_it(
    archives: Archives, tmp_path: Path
) -> None:
    first, second = await published(archives.state, "1", "2")
    for version in (first, second):
        await archives.find(version)
        await archives.take()
        if not await archives.of("R").reuse(version.id, "k"):
            await archives.store(version)
    damaged = b"x" + DATA[1:]
    await archives.blobs.put(archive_name(DIGEST), damaged)
    due = VersionEnvironment(first.id, EnvironmentState.PREPARING, runner_id="R")
    await archives.state.write(lambda tx: tx.environments.put(due))
    files = InstallationFiles(
        archives.blobs,
        LastPages(archives.state.storage, archives.blobs),
        FilePlaces(archives.state.storage, archives.blobs, "R"),
    )
    with pytest.raises(Unavailable, match="was damaged"):
        await files.environment(first.id, ["k"], tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not await archives.blobs.exists(archive_name(DIGEST))
    assert [await archives.get(version) for version in (first, second)] == [None, None]
    await VersionEnvironments(archives.state.storage).ended(first.id, "R", None)
    assert await archives.take() == first.id, "it is made again after the preparation"
    await archives.store(first)
    assert (await archives.find(first)).archive is not None


async def test_what_was_stored_since_it_was_read_is_kept(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    await archives.find(version)
    await archives.take()
    await archives.store(version)
    await archives.of("R").drop(DIGEST, 0.0)
    assert (await archives.find(version)).archive is not None


async def test_a_file_is_not_stored_on_a_full_disk(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    await archives.find(version)
    await archives.take()
    archives.blobs = FilesystemBlobs(archives.folder / "blobs", durable=False, floor_bytes=2**60)
    with pytest.raises(DiskShort):
        await archives.store(version)
    assert not await archives.blobs.exists(archive_name(DIGEST))


async def test_what_cannot_be_made_is_not_waited_for(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    assert (await archives.find(version)).pending
    await archives.take()
    await archives.of("R").failed(version.id, soon=False)
    assert not (await archives.find(version)).pending


async def test_what_failed_because_the_storage_was_away_is_waited_for(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    await archives.find(version)
    assert await archives.take() == version.id
    await archives.of("R").failed(version.id, soon=True)
    failed = await archives.get(version)
    now = await archives.state.read(lambda tx: tx.now)
    assert failed is not None and 0 < failed.not_before <= now + 2000
    assert (await archives.find(version)).pending
    assert await archives.take() is None, "after a pause"
    over = EnvironmentArchive(version.id, not_before=1)
    await archives.state.write(lambda tx: tx.environment_archives.end(over, ""))
    assert (await archives.find(version)).pending
    assert await archives.take() == version.id


async def test_what_a_node_prepares_is_not_waited_for(archives: Archives) -> None:
    await report(archives.state, "R", place="boot/1/2", draining=True)  # it packs nothing
    (version,) = await published(archives.state, "1")
    for runner, pending in (("N", False), ("R", True), ("silent", False)):
        due = VersionEnvironment(version.id, EnvironmentState.PREPARING, runner_id=runner)
        await archives.state.write(lambda tx, due=due: tx.environments.put(due))
        assert (await archives.find(version, runner="M")).pending is pending
    due = VersionEnvironment(version.id, EnvironmentState.PREPARING, runner_id="R")
    await archives.state.write(lambda tx: tx.environments.put(due))
    assert not (await archives.find(version, runner="R")).pending, "it prepares it itself"


async def test_a_deleted_worker_has_none(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    await archives.find(version)
    await archives.state.write(lambda tx: tx.workers.mark_deleted(version.worker_id, 1))
    assert await archives.take() is None
    await archives.state.write(
        lambda tx: tx.environment_archives.remove_of_worker(version.worker_id)
    )
    assert await archives.get(version) is None


async def test_a_runner_fetches_for_its_own_attempts_only(setup: Setup, tmp_path: Path) -> None:
    place = Place(setup, tmp_path / "blobs")
    key, _, version = await place.start()
    made = EnvironmentArchive(version.id, "k", DIGEST, len(DATA), "tree")

    def store(tx: Transaction) -> None:
        tx.environment_archives.want(version.id)
        tx.environment_archives.claim(version.id, "", "r1")
        tx.environment_archives.end(made, "r1")

    await setup.storage.write(store)
    await place.blobs.put(archive_name(DIGEST), DATA)
    assert await place.places().environment(key, ["k"]) == EnvironmentPlace(made)
    stale = replace(key, token=key.token + 1)
    for runner, owner in (("r2", key), ("r1", stale), ("r1", version.id), ("r2", version.id)):
        with pytest.raises(StaleLease):
            await place.places(runner).environment(owner, ["k"])
    await place.prepare(version, "r2", EnvironmentState.PREPARING)
    assert await place.places("r2").environment(version.id, ["k"]) == EnvironmentPlace(made)


# --- failures ----------------------------------------------------------------------------------

FAILURE = InstallFailure(
    Reason.of(ReasonCode.PACKAGE_NOT_FOUND, detail="no\0-such"), "log \0", "k", "sources"
)
TOLD = EnvironmentPlace(
    failure=InstallFailure(
        Reason.of(ReasonCode.PACKAGE_NOT_FOUND, detail="no\0-such"), "log \ufffd", "k", "sources"
    )
)


async def fail(archives: Archives, version: Version, failure: InstallFailure = FAILURE) -> None:
    """The installation tries to make what a node asks for, and cannot."""
    assert (await archives.find(version)).pending
    assert await archives.take() == version.id
    await archives.of("R").failed(version.id, soon=False, failure=failure)


async def test_a_node_is_told_why_the_installation_has_none(archives: Archives) -> None:
    (version,) = await published(archives.state, "1")
    await fail(archives, version)
    assert await archives.find(version, "other", "k") == TOLD
    assert await archives.find(version, "other") == EnvironmentPlace(), "another kind of machine"
    assert await archives.find(version, runner="R") == EnvironmentPlace(), "it finds out itself"
    assert await archives.take() is None


async def test_an_installation_that_took_too_long_is_not_tried_every_minute(
    archives: Archives,
) -> None:
    (version,) = await published(archives.state, "1")
    slow = replace(FAILURE, reason=Reason.of(ReasonCode.INSTALL_TIMEOUT, seconds=600))
    await fail(archives, version, slow)
    failed, now = await archives.get(version), await archives.state.read(lambda tx: tx.now)
    assert failed is not None and FAILURE_MS < failed.not_before - now <= MAX_PREPARATION_PAUSE_MS


async def test_the_installation_tries_again_when_a_node_asks_a_minute_later(
    archives: Archives,
) -> None:
    (version,) = await published(archives.state, "1")
    await fail(archives, version)
    failed = await archives.get(version)
    now = await archives.state.read(lambda tx: tx.now)
    assert failed is not None and 0 < failed.not_before - now <= FAILURE_MS
    await archives.state.write(
        lambda tx: tx.environment_archives.end(replace(failed, not_before=1), "")
    )
    assert await archives.find(version) == EnvironmentPlace(pending=True)
    assert await archives.take() == version.id
    await archives.store(version)
    place = await archives.find(version)
    assert place.archive is not None and place.failure is None


async def test_what_the_preparation_finds_is_told_at_once(archives: Archives) -> None:
    prepared, wanted, made, under_way = await published(archives.state, "1", "2", "3", "4")
    await archives.find(made)
    assert await archives.take() == made.id
    await archives.store(made)
    await archives.find(under_way)
    assert await archives.take() == under_way.id
    await archives.find(wanted)
    await report(archives.state, "S", place="boot/2/2")
    for version in (prepared, wanted, made, under_way):
        await archives.of("S").note_failure(version.id, FAILURE)
    assert [await archives.find(version) for version in (prepared, wanted)] == [TOLD, TOLD]
    assert (await archives.find(made)).archive is not None
    assert await archives.find(under_way) == EnvironmentPlace(pending=True)


async def test_an_installation_of_one_machine_tells_nobody(state: State, tmp_path: Path) -> None:
    archives = Archives(state, tmp_path)
    await report(state, "R", place="boot/1/2")
    (version,) = await published(state, "1")
    await archives.of("R").note_failure(version.id, FAILURE)
    assert await archives.get(version) is None


# --- preparations ------------------------------------------------------------------------------


async def test_a_node_leaves_the_first_try_to_the_installation(archives: Archives) -> None:
    state = archives.state
    (version,) = await published(state, "1")
    node = VersionEnvironments(state.storage, joined=True)
    assert await node.take("N") is None
    for change in ({"draining": True}, {"isolation": "none"}, {"heartbeat_at": 1}):
        await report(state, "R", **({"place": "boot/1/2"} | change))
        order = await node.take("N")
        assert order is not None and order.version.id == version.id, change
        await state.write(
            lambda tx: tx.environments.put(
                VersionEnvironment(version.id, EnvironmentState.PREPARING)
            )
        )
    await report(state, "R", place="boot/1/2")
    assert await node.take("N") is None
    again = VersionEnvironment(version.id, EnvironmentState.PREPARING, tries=1)
    await state.write(lambda tx: tx.environments.put(again))
    assert await node.take("N") is not None, "the installation could not"
