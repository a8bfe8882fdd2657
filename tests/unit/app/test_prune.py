"""What is removed, what is kept, and that no start ever loses what it needs."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import io
import os
import random
import threading
import time
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fyke.app import prune as prunes
from fyke.app.folder import make_home
from fyke.app.prune import Kind, Prune, Removable, SharedPrune
from fyke.contracts.execution import EnvironmentFailed, SandboxFault
from fyke.contracts.state import Transaction
from fyke.domain.nodes.service import NodeService, NodeStores, RunnerName
from fyke.domain.workers.bundles import bundle_name
from fyke.kit.clock import ManualClock
from fyke.model.node import RunnableVersion
from fyke.model.run import RunState
from fyke.model.worker import EnvironmentArchive, Language, Version
from fyke.reasons import Reason, ReasonCode
from fyke.runner.bundles import BundleCache
from fyke.runner.preparer import Preparer
from fyke.sandbox.packages.environment import LOCKS, UvEnvironments
from fyke.sandbox.packages.installer import InstallTerms
from fyke.settings import Settings
from fyke.storage.blobs.filesystem import PARTS, FilesystemBlobs
from fyke.storage.sql.state.storage import SqlStorage
from support import records
from support.kept_pages import kept_page_in
from support.prepared import rows_in, state_in
from support.sealed import sealed_run_in
from support.stores import open_state

pytestmark = pytest.mark.anyio
LONG_AGO = time.time() - 3 * 86_400


class FakeRecipe:
    """Installs one file, named after the requirements."""

    locked, warning, fallback = True, "", None

    def __init__(self, requirements: str) -> None:
        self.inputs = ("fake", requirements)

    async def install(self, building: Path, content: Path, terms: InstallTerms) -> str:
        content.mkdir()
        (content / "package").write_text(self.inputs[1])
        return ""


@pytest.fixture(autouse=True)
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def recipe(self: UvEnvironments, version: RunnableVersion, bundle: Path) -> FakeRecipe:
        if version.requirements == "missing":
            reason = Reason.of(ReasonCode.INSTALLER_MISSING, program="Node.js")
            raise EnvironmentFailed(reason, "")
        if version.requirements == "hangs":
            raise SandboxFault("node did not answer within 30 s")
        if version.language is Language.NODE:
            assert (bundle / "main.py").is_file(), "the bundle is unpacked to read its packages"
        return FakeRecipe(version.requirements)

    monkeypatch.setattr(UvEnvironments, "_recipe", recipe)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    monkeypatch.setattr(prunes, "abandoned_groups", list)
    made = Settings(home=tmp_path / "home")
    make_home(made)
    state_in(made.home)
    rows_in(made.home)
    return made


@pytest.fixture
def prune(settings: Settings) -> Iterator[Prune]:
    made = Prune(settings)
    yield made
    made.close()


class Place:
    """Puts versions and their files into an installation."""

    def __init__(self, settings: Settings, storage: SqlStorage) -> None:
        self.storage = storage
        self.blobs = FilesystemBlobs(settings.blobs_dir, durable=False)
        nothing: Any = None
        stores = NodeStores(
            storage, nothing, self.blobs, nothing, nothing, nothing, ManualClock(), 15, nothing
        )
        self.gateway = NodeService(RunnerName("R", "node", "place"), stores)
        self.bundles = BundleCache(self.gateway.files, settings.bundles_dir)
        self.environments = UvEnvironments(settings.environments_dir, prunes._NoTools(), environ={})
        self.settings = settings
        self.account = records.account()

    async def open(self) -> Place:
        await self.storage.write(lambda tx: tx.accounts.add(self.account))
        return self

    async def push(self, project: str, **changes: Any) -> Version:
        """Store the bundle, then the version, as a push does."""
        data = bundle(project)
        digest = hashlib.sha256(data).hexdigest()
        await self.blobs.put(bundle_name(digest), data)
        worker = records.worker(self.account.id)
        version = records.version(
            worker.id, digest=digest, requirements=f"needs {project}", **changes
        )

        def work(tx: Transaction) -> None:
            tx.workers.add(worker)
            tx.workers.add_version(version)

        await self.storage.write(work)
        return version

    async def start(self, version: Version) -> tuple[Path, Path]:
        """The folders that the sandbox of a run would mount."""
        runnable = RunnableVersion.of(version)
        unpacked = await self.bundles.ensure(version.id, runnable)
        environment = await self.environments.ensure(runnable, unpacked, self.account.id, False)
        assert environment.path is not None
        return unpacked, environment.path

    async def delete(self, version: Version) -> None:
        def work(tx: Transaction) -> None:
            tx.workers.mark_deleted(version.worker_id, tx.now)

        await self.storage.write(work)

    def blob(self, version: Version) -> Path:
        return self.settings.blobs_dir / bundle_name(version.digest)


@pytest.fixture
async def place(settings: Settings) -> AsyncIterator[Place]:
    async with open_state(f"sqlite:///{settings.home}/state.db") as storage:
        yield await Place(settings, storage).open()


def bundle(project: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("main.py"), f"print({project!r})")
    return file.getvalue()


def age(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)


def kinds(items: list[Removable]) -> Counter[Kind]:
    return Counter(item.kind for item in items)


async def test_a_new_installation_has_nothing_to_remove(prune: Prune, settings: Settings) -> None:
    assert await prune.find() == []
    assert SharedPrune(settings).find() == []


async def test_what_a_version_needs_is_kept(prune: Prune, place: Place) -> None:
    for language in (Language.PYTHON, Language.NODE):
        version = await place.push(f"kept {language}", language=language)
        await place.start(version)
        age(place.blob(version))
    assert await prune.find() == []


async def test_files_of_a_deleted_worker_are_removed_when_no_run_needs_them(
    prune: Prune, place: Place
) -> None:
    version = await place.push("gone")
    await place.start(version)
    age(place.blob(version))
    run = records.run(place.account.id, version.worker_id, subtasks=0)
    await place.storage.write(lambda tx: tx.runs.add(run, []))
    await place.delete(version)
    assert await prune.find() == [], "a run of it has not ended"

    ended = replace(run, state=RunState.ABORTED, finished_at=5)
    assert await place.storage.write(lambda tx: tx.runs.move(ended, RunState.READY))
    found = await prune.find()
    assert kinds(found) == {Kind.UNPACKED: 1, Kind.ENVIRONMENT: 1}, "its page shows the bundle"

    await place.storage.write(lambda tx: tx.runs.delete(run.id))
    found = await prune.find()
    assert kinds(found) == {Kind.BUNDLE: 1, Kind.UNPACKED: 1, Kind.ENVIRONMENT: 1}
    assert all(item.size > 0 for item in found)
    assert all([await prune.remove(item) for item in found])
    assert not any(item.path.exists() for item in found)
    assert await prune.find() == []


async def test_what_is_needed_again_before_its_removal_is_kept(prune: Prune, place: Place) -> None:
    version = await place.push("again")
    await place.start(version)
    await place.delete(version)
    age(place.blob(version))
    found = await prune.find()
    assert len(found) == 3
    again = await place.push("again")  # the same bytes, by another Worker
    assert again.digest == version.digest
    assert [await prune.remove(item) for item in found] == [False] * 3
    unpacked, environment = await place.start(again)
    assert (environment / "package").read_text() == "needs again"
    assert (unpacked / "main.py").is_file() and place.blob(again).is_file()


async def test_a_new_bundle_without_a_version_may_belong_to_a_push(
    prune: Prune, settings: Settings
) -> None:
    blobs = FilesystemBlobs(settings.blobs_dir)
    await blobs.put("bundles/ab", b"x")
    await blobs.put("uploads/cd", b"x")
    age(settings.blobs_dir / "uploads" / "cd")
    assert await prune.find() == []
    age(settings.blobs_dir / "bundles" / "ab")
    [item] = await prune.find()
    await blobs.put("bundles/ab", b"x")
    assert not await prune.remove(item)
    age(item.path)
    assert await prune.remove(item)


async def test_files_with_rows_of_no_run_are_removed(prune: Prune, settings: Settings) -> None:
    blob = await sealed_run_in(settings.home, "run", "attempt")
    left = settings.blobs_dir / "rows" / "left.jsonl.zst"
    left.write_bytes(b"x")
    (left.parent / ".nfs0001").touch()
    assert await prune.find() == []  # it is new
    age(left)
    [item] = await prune.find()
    (left.parent / ".nfs0001").unlink()
    assert (item.kind, item.path, item.size) == (Kind.ROWS, left, 1)
    left.touch()
    assert not await prune.remove(item)
    age(left)
    needed = replace(item, path=settings.blobs_dir / blob)
    assert [await prune.remove(each) for each in (item, item, needed)] == [True, False, False]
    assert [path.name for path in left.parent.iterdir()] == [needed.path.name]


async def test_files_of_last_pages_without_a_run_are_removed(
    prune: Prune, settings: Settings
) -> None:
    _, blob = await kept_page_in(settings.home)
    kept, left = settings.blobs_dir / blob, settings.blobs_dir / "pages" / "left.har"
    left.write_bytes(b"x")
    assert await prune.find() == []  # it may belong to an attempt that is ending
    age(kept)
    age(left)
    [item] = await prune.find()
    assert (item.kind, item.path, item.size) == (Kind.PAGE, left, 1)
    needed = replace(item, path=kept)
    assert [await prune.remove(each) for each in (item, item, needed)] == [True, False, False]
    assert [path.name for path in left.parent.iterdir()] == [kept.name]


async def test_packed_environments_of_no_startable_version_are_removed(
    prune: Prune, settings: Settings, place: Place
) -> None:
    kept, deleted = await place.push("kept"), await place.push("deleted")
    for version, digest in ((kept, "aa"), (deleted, "bb")):

        def store(tx: Transaction, version_id: str = version.id, digest: str = digest) -> None:
            tx.environment_archives.want(version_id)
            tx.environment_archives.end(EnvironmentArchive(version_id, "k", digest), "")

        await place.storage.write(store)
    await place.storage.write(lambda tx: tx.workers.mark_deleted(deleted.worker_id, 1))
    for digest in ("aa", "bb", "cc", "dd"):
        await place.blobs.put(f"environments/{digest}", b"x")
    folder = settings.blobs_dir / "environments"
    for digest in ("aa", "bb", "cc"):
        age(folder / digest)
    found = [item for item in await prune.find() if item.kind is Kind.PACKED]
    assert [item.path.name for item in found] == ["bb", "cc"]  # dd may belong to a new row
    needed = replace(found[0], path=folder / "aa")
    removed = [await prune.remove(item) for item in (*found, found[0], needed)]
    assert removed == [True, True, False, False]
    assert sorted(path.name for path in folder.iterdir()) == ["aa", "dd"]


async def test_an_environment_that_is_being_built_is_kept(prune: Prune, settings: Settings) -> None:
    root = settings.environments_dir
    for name in ("old", ".build-new", ".build-left"):
        (root / name / "env").mkdir(parents=True)
    found = await prune.find()
    assert sorted(item.path.name for item in found) == [".build-left", ".build-new", "old"]
    await prune.remove(found.pop())  # the folder of the locks is created when it is missing
    with (root / LOCKS / "new").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        removed = {item.path.name: await prune.remove(item) for item in found}
    assert removed == {".build-left": True, ".build-new": False}
    assert sorted(path.name for path in root.iterdir()) == [".build-new", LOCKS]


async def test_what_is_being_prepared_is_kept_for_as_long_as_its_worker_exists(
    prune: Prune, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    installing, release = asyncio.Event(), asyncio.Event()
    install = FakeRecipe.install

    async def slow(self: FakeRecipe, building: Path, content: Path, terms: InstallTerms) -> str:
        installing.set()
        await release.wait()
        return await install(self, building, content, terms)

    monkeypatch.setattr(FakeRecipe, "install", slow)
    version = await place.push("never started")
    await place.storage.write(lambda tx: tx.environments.request(version.id))
    deps: Any = SimpleNamespace(
        gateway=place.gateway,
        environments=place.environments,
        bundles=place.bundles,
        publishing=None,
    )
    preparer = Preparer(deps, lambda: True)
    preparing = asyncio.create_task(preparer._prepare_next())
    await asyncio.wait_for(installing.wait(), 10)
    age(place.blob(version))
    assert await prune.find() == []
    await place.delete(version)
    building = [item for item in await prune.find() if item.kind is Kind.ENVIRONMENT]
    assert [await prune.remove(item) for item in building] == [False]
    release.set()
    assert await preparing
    [environment] = [item for item in await prune.find() if item.kind is Kind.ENVIRONMENT]
    assert await prune.remove(environment)


@pytest.mark.parametrize("requirements", ["missing", "hangs"])
async def test_without_node_its_environments_are_kept(
    prune: Prune, place: Place, settings: Settings, requirements: str
) -> None:
    (settings.environments_dir / "unknown" / "env").mkdir(parents=True)
    version = await place.push("node")
    await place.delete(version)
    await place.storage.write(
        lambda tx: tx.workers.add_version(
            records.version(add_worker(tx, place.account.id), requirements=requirements)
        )
    )
    assert Kind.ENVIRONMENT not in kinds(await prune.find())
    assert prune.kept.startswith("Environments are kept: ")


def add_worker(tx: Transaction, account_id: str) -> str:
    worker = records.worker(account_id)
    tx.workers.add(worker)
    return worker.id


async def test_temporary_files_of_killed_processes_are_removed(
    prune: Prune, settings: Settings
) -> None:
    old = [
        settings.scratch_dir / "copy-of-state.db",
        settings.scratch_dir / "fyke-export-x",
        settings.bundles_dir / ".digest.ab12",
        settings.environments_dir / ".changed-key",
        settings.blobs_dir / PARTS / "tmpab12",
    ]
    old[-1].parent.mkdir(parents=True, exist_ok=True)
    new = [settings.scratch_dir / "copy-of-rows.db", settings.scratch_dir / "notes"]
    *killed, running = (settings.downloads_dir / name for name in ("killed", "too", "running"))
    for path in (*old, *new):
        path.write_text("x" * 100)
    age(*old, new[1])
    for folder in (*killed, running):
        folder.mkdir(parents=True)
        (folder / "lock").touch()
    with (running / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = await prune.find()
        assert {item.path for item in found} == {*old, *killed}
        assert all([await prune.remove(item) for item in found])
    assert all(path.exists() for path in (*new, running))
    assert not any(path.exists() for path in (*old, *killed))


def test_work_folders_are_removed_only_while_fyke_is_stopped(settings: Settings) -> None:
    shared = SharedPrune(settings)
    (settings.work_dir / "lost" / "deep").mkdir(parents=True)
    lock = settings.run_dir / "up.lock"
    lock.touch()
    with lock.open() as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        assert shared.find() == []
        assert not shared.remove(Removable(Kind.WORK, settings.work_dir / "lost", 0))
    [item] = shared.find()
    assert (item.kind, item.path.name) == (Kind.WORK, "lost")
    assert shared.remove(item)
    assert shared.find() == []


def test_package_caches_are_removed_unless_a_tool_uses_them(settings: Settings) -> None:
    shared = SharedPrune(settings)
    for name in ("FREE-UV", "BUSY-NPM"):
        (settings.home / "tool-caches" / name).mkdir(parents=True)
        (settings.home / "tool-caches" / name / "wheel").write_text("x" * 1000)
    found = shared.find()
    assert [(item.kind, item.path.name) for item in found] == [
        (Kind.PACKAGES, "BUSY-NPM"),
        (Kind.PACKAGES, "FREE-UV"),
    ]
    busy = os.open(found[0].path, os.O_RDONLY)
    fcntl.flock(busy, fcntl.LOCK_EX)
    assert [shared.remove(item) for item in found] == [False, True]
    os.close(busy)
    assert [path.name for path in (settings.home / "tool-caches").iterdir()] == ["BUSY-NPM"]


def test_an_abandoned_control_group_is_removed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    groups = [tmp_path / name for name in ("fyke-000000000001", "fyke-000000000002")]
    for group in groups:
        group.mkdir()
    (groups[1] / "in-use-again").mkdir()
    monkeypatch.setattr(prunes, "abandoned_groups", lambda: groups)
    shared = SharedPrune(settings)
    found = shared.find()
    assert kinds(found) == {Kind.GROUP: 2}
    assert [shared.remove(item) for item in found] == [True, False]


@pytest.mark.long
@pytest.mark.slow
async def test_a_thousand_starts_while_everything_unused_is_removed(
    place: Place, settings: Settings
) -> None:
    """Workers with few different projects come and go, so that the files of each are often unused
    and needed a moment later. Each start finds its files, for as long as it runs.
    """
    starts, projects = 1000, 12
    stop, removed = threading.Event(), Counter[Kind]()

    async def prune_all() -> None:
        prune = Prune(settings)
        try:
            while not stop.is_set():
                for item in await prune.find():
                    removed[item.kind] += await prune.remove(item)
        finally:
            prune.close()

    async def one_start(number: int) -> None:
        project = f"project {random.randrange(projects)}"
        version = await place.push(project)
        unpacked, environment = await place.start(version)
        for _ in range(3):
            assert (unpacked / "main.py").read_text() == f"print({project!r})", number
            assert (environment / "package").read_text() == f"needs {project}", number
            await asyncio.sleep(random.random() * 0.01)
        assert place.blob(version).read_bytes() == bundle(project)
        await place.delete(version)

    thread = threading.Thread(target=lambda: asyncio.run(prune_all()))
    numbers = iter(range(starts))

    async def many() -> None:
        for number in numbers:
            await one_start(number)

    thread.start()
    try:
        await asyncio.gather(*(many() for _ in range(8)))
    finally:
        stop.set()
        await asyncio.to_thread(thread.join)
    assert next(numbers, None) is None
    assert removed[Kind.UNPACKED] > 20 and removed[Kind.ENVIRONMENT] > 20, removed
