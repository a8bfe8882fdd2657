"""The key of an environment, and an installation on a full disk."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.contracts.execution import DiskShort, EnvironmentFailed, RegistryAway
from fyke.contracts.tools import ToolRun
from fyke.errors import Unavailable
from fyke.kit.file_lock import locked
from fyke.model.node import EnvironmentPlace, RunnableVersion
from fyke.model.worker import EnvironmentArchive, InstallFailure
from fyke.reasons import Reason, ReasonCode
from fyke.sandbox.isolation.relay_files import RelayNeeds, read_needs
from fyke.sandbox.packages import environment, environment_archive, sealing
from fyke.sandbox.packages.environment import (
    CONTENT,
    LOCKS,
    LOG,
    SEAL,
    UvEnvironments,
)
from fyke.sandbox.packages.environment_archive import BadArchive
from fyke.sandbox.packages.fetching import OtherMachines
from fyke.sandbox.packages.installer import InstallTerms, LockOutOfStep
from fyke.sandbox.packages.package_client import PackageClient, Registry
from fyke.sandbox.packages.recipes import archive_key, environment_key
from support.memory import a_runnable_version
from unit.sandbox.packages.test_environment_python import python
from unit.sandbox.packages.test_installer import EndedTools


def test_the_account_is_part_of_the_key_unless_the_recipe_is_locked() -> None:
    locked, loose = python(""), python("six")
    one, two = InstallTerms("ONE", builds=False), InstallTerms("TWO", builds=False)
    assert environment_key(locked, one) == environment_key(locked, two)
    assert environment_key(loose, one) != environment_key(loose, two)
    building = [
        environment_key(locked, InstallTerms(account, builds=True)) for account in ("ONE", "TWO")
    ]
    assert len({*building, environment_key(locked, one)}) == 3


def test_caches_are_never_shared() -> None:
    terms = [
        InstallTerms(account, builds) for account in ("ONE", "TWO") for builds in (False, True)
    ]
    names = [one.cache(client) for one in terms for client in ("UV", "NPM")]
    assert len(set(names)) == len(names)


def test_an_environment_is_not_found_while_it_is_built_or_removed(tmp_path: Path) -> None:
    environments = UvEnvironments(tmp_path, EndedTools(ToolRun(0, tmp_path, "", b"")), environ={})
    assert environments._look_up("k", "w") is None, "nothing was built yet"
    content = tmp_path / "k" / CONTENT
    content.mkdir(parents=True)
    sealing.write(tmp_path / "k" / SEAL, sealing.seal(content))
    (tmp_path / "k" / LOG).write_text("log")
    (tmp_path / LOCKS).mkdir()
    os.utime(tmp_path / "k", (1, 1))
    found = environments._look_up("k", "w")
    assert found is not None and found.path == content
    assert (tmp_path / "k").stat().st_mtime > 1, "its use is noted for prune"
    with locked(tmp_path / LOCKS / "k"):
        assert environments._look_up("k", "w") is None


def test_an_environment_of_an_older_release_learns_whether_it_starts_browsers(
    tmp_path: Path,
) -> None:
    environments = UvEnvironments(tmp_path, EndedTools(ToolRun(0, tmp_path, "", b"")), environ={})
    content = tmp_path / "k" / CONTENT
    (content / "playwright").mkdir(parents=True)
    sealing.write(tmp_path / "k" / SEAL, sealing.seal(content))
    (tmp_path / "k" / LOG).write_text("log")
    assert environments._existing("k", "w") is not None
    assert read_needs(content) == RelayNeeds()


@pytest.mark.anyio
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_a_full_disk_of_the_host_is_reported(tmp_path: Path, number: int) -> None:
    class Full:
        inputs = ("x",)
        locked = True

        async def client(self) -> PackageClient:
            raise AssertionError("no other machine asks")

        async def install(self, building: Path, content: Path, terms: InstallTerms) -> str:
            assert building.is_dir()
            raise OSError(number, os.strerror(number))

    tools = EndedTools(ToolRun(0, tmp_path, "", b""))
    root = tmp_path / "envs"
    root.mkdir()
    environments = UvEnvironments(root, tools, environ={})
    full = number != errno.EIO
    with pytest.raises(
        EnvironmentFailed if full else OSError, match="disk is full" if full else None
    ):
        await environments._build("k", Full(), InstallTerms("A", builds=False), "w")
    assert list(root.iterdir()) == []


class FailingRecipe:
    """A recipe whose installation waits for ``release`` and then raises ``error``."""

    inputs, locked, warning, fallback = ("x",), True, "", None

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.installs = 0
        self.settings = PackageClient({}, {}, (Registry("https://one.invalid/simple"),))
        self.installing, self.release = asyncio.Event(), asyncio.Event()

    async def client(self) -> PackageClient:
        return self.settings

    async def install(self, building: Path, content: Path, terms: InstallTerms) -> str:
        self.installs += 1
        self.installing.set()
        await self.release.wait()
        raise self.error


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [EnvironmentFailed, LockOutOfStep])
async def test_a_failed_installation_is_not_repeated_for_those_that_waited_for_it(
    tmp_path: Path, kind: type[EnvironmentFailed]
) -> None:
    environments = UvEnvironments(tmp_path, EndedTools(ToolRun(0, tmp_path, "", b"")), environ={})
    recipe = FailingRecipe(kind(Reason(ReasonCode.INSTALL_TIMEOUT), "log"))
    terms = InstallTerms("A", builds=False)
    calls = [asyncio.create_task(environments._find_or_build(recipe, terms, "w"))]
    await asyncio.wait_for(recipe.installing.wait(), 10)
    calls.append(asyncio.create_task(environments._find_or_build(recipe, terms, "w")))
    await asyncio.sleep(0)  # the second call begins to wait
    recipe.release.set()
    failures = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in failures] == [kind, kind]
    assert {str(each) for each in failures} == {str(recipe.error)}
    assert recipe.installs == 1
    with pytest.raises(kind):  # a later call tries again
        await environments._find_or_build(recipe, terms, "w")
    assert recipe.installs == 2
    assert not environments._callers and not environments._failures


def test_preparation_leaves_space_for_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "envs"
    environments = UvEnvironments(root, EndedTools(ToolRun(0, tmp_path, "", b"")), environ={})
    monkeypatch.setattr(environment, "FREE_BYTES", 1)
    environments.check_room()
    monkeypatch.setattr(environment, "FREE_BYTES", 2**60)
    with pytest.raises(DiskShort):
        environments.check_room()


# --- other machines ----------------------------------------------------------------------------


class KnownRecipe(FailingRecipe):
    """A recipe that installs nothing."""

    links: dict[str, str] = {}

    def __init__(self) -> None:
        super().__init__(OSError())


TERMS = InstallTerms("A", builds=False)
ARCHIVE = EnvironmentArchive("V", "k", "d" * 64, 1)


def installer(root: Path) -> UvEnvironments:
    return UvEnvironments(root, EndedTools(ToolRun(0, root, "", b"")), environ={})


@pytest.mark.anyio
@pytest.mark.parametrize("number", [errno.ENOENT, errno.EIO, errno.ENOSPC])
async def test_what_cannot_be_fetched_is_built_here(tmp_path: Path, number: int) -> None:
    async def fetch(keys: Any, target: Path) -> EnvironmentPlace:
        raise OSError(number, os.strerror(number))

    work = installer(tmp_path)._find_or_fetch(KnownRecipe(), TERMS, "w", OtherMachines(fetch))
    if number == errno.ENOSPC:
        with pytest.raises(EnvironmentFailed, match="disk is full"):
            await work
    else:
        assert await work is None
    assert not [*tmp_path.glob(".fetched-*")]


@pytest.mark.anyio
async def test_nothing_is_fetched_to_a_disk_that_runs_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Path] = []

    async def fetch(keys: Any, target: Path) -> EnvironmentPlace:
        calls.append(target)
        return EnvironmentPlace()

    for kept, count in ((2**60, 0), (1, 1)):
        monkeypatch.setattr(environment, "FREE_BYTES", kept)
        others = OtherMachines(fetch)
        found = installer(tmp_path)._find_or_fetch(KnownRecipe(), TERMS, "w", others)
        assert await found is None
        assert len(calls) == count


@pytest.mark.anyio
async def test_nothing_is_unpacked_or_packed_to_a_disk_that_runs_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "FREE_BYTES", 2**60)
    environments, recipe = installer(tmp_path), KnownRecipe()
    environments._prepare_root()
    with pytest.raises(BadArchive, match="too little free space"):
        await environments._place(recipe, TERMS, "w", ARCHIVE, tmp_path / "packed")

    async def packable(*_: object) -> Any:
        return recipe, TERMS

    monkeypatch.setattr(environments, "_packable", packable)
    with pytest.raises(DiskShort):
        await environments.pack(cast(RunnableVersion, None), tmp_path, "A", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def an_archive(folder: Path) -> bytes:
    """A packed environment with one file."""
    (folder / CONTENT).mkdir(parents=True)
    (folder / CONTENT / "module.py").write_text("x = 1")
    (folder / LOG).write_text("")
    environment_archive.pack(folder, folder / "packed", {})
    return (folder / "packed").read_bytes()


@pytest.mark.anyio
@pytest.mark.parametrize("case", ["other files", "no archive", "too large", "no answer"])
async def test_only_an_archive_that_is_wrong_itself_is_packed_again(
    tmp_path: Path, case: str
) -> None:
    data = b"no archive" if case == "no archive" else an_archive(tmp_path / "made")
    refused: list[tuple[str, float]] = []
    began = time.time()

    async def fetch(keys: Any, target: Path) -> EnvironmentPlace:
        if case == "no answer":
            raise Unavailable("cut")
        target.write_bytes(data)
        return EnvironmentPlace(replace(ARCHIVE, key=keys[0], tree="of other files"))

    async def refuse(digest: str, read_at: float) -> None:
        refused.append((digest, read_at))
        raise Unavailable("the database is away, so the next machine decides it")

    environments = installer(tmp_path / "root")
    if case == "too large":
        environments._max_bytes = 10
    for others in (OtherMachines(fetch), OtherMachines(fetch, refuse)):
        assert await environments._find_or_fetch(KnownRecipe(), TERMS, "w", others) is None
    if case in ("too large", "no answer"):
        assert refused == []
    else:
        [(digest, read_at)] = refused
        assert digest == ARCHIVE.digest and began <= read_at <= time.time()


@pytest.mark.anyio
async def test_a_fetched_environment_waits_for_another_process_without_a_thread(
    tmp_path: Path,
) -> None:
    environments, recipe = installer(tmp_path), KnownRecipe()
    environments._prepare_root()
    (tmp_path / "packed").write_bytes(b"no archive")
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    with locked(tmp_path / LOCKS / environment_key(recipe, TERMS)):
        placing = asyncio.create_task(
            environments._place(recipe, TERMS, "w", ARCHIVE, tmp_path / "packed")
        )
        for _ in range(3):
            await asyncio.wait_for(asyncio.to_thread(int), 60)
        assert not placing.done()
    with pytest.raises(BadArchive):
        await placing


# --- failures of the installation --------------------------------------------------------------


AWAY = RegistryAway(Reason.of(ReasonCode.PACKAGES_FAILED, detail="timed out"), "its own log")
TIMEOUT = EnvironmentFailed(Reason.of(ReasonCode.INSTALL_TIMEOUT, seconds=6), "its own log")
CONFLICT = Reason.of(ReasonCode.PACKAGES_FAILED, detail="one and two contradict each other")
SLOW = Reason.of(ReasonCode.INSTALL_TIMEOUT, seconds=600)
FULL = ReasonCode.INSTALL_DISK_FULL
LOGIN = Reason.of(ReasonCode.REGISTRY_LOGIN, detail="401")


class Told:
    """A machine on which installing raises ``error``, after it was told of ``reason``."""

    def __init__(
        self, folder: Path, reason: Reason, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.environments = installer(folder)
        self.recipe = FailingRecipe(error)
        self.recipe.release.set()
        self.sources = self.recipe.settings.sources
        self.reason = reason

        async def recipe(*_: object) -> Any:
            return self.recipe

        monkeypatch.setattr(self.environments, "_recipe", recipe)

    async def fetch(self, keys: Any, target: Path) -> EnvironmentPlace:
        return EnvironmentPlace(
            failure=InstallFailure(self.reason, "the log", keys[0], self.sources)
        )

    async def ensure(self) -> EnvironmentFailed:
        version = a_runnable_version("w")
        with pytest.raises(EnvironmentFailed) as raised:
            await self.environments.ensure(version, Path("/"), "A", False, self.fetch)
        return raised.value


@pytest.mark.anyio
async def test_what_the_installation_has_found_ends_an_attempt_without_a_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(tmp_path, CONFLICT, AWAY, monkeypatch)
    failed = await told.ensure()
    assert (type(failed), failed.reason, failed.log) == (EnvironmentFailed, CONFLICT, "the log")
    assert told.recipe.installs == 0
    assert not [*tmp_path.glob(".fetched-*")]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reason", "registry"),
    [(CONFLICT, "https://two.invalid"), (SLOW, ""), (LOGIN, "")],
    ids=["other registries", "slow", "login"],
)
async def test_what_this_machine_may_not_find_counts_if_it_finds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: Reason, registry: str
) -> None:
    told = Told(tmp_path, reason, AWAY, monkeypatch)
    if registry:
        told.recipe.settings = PackageClient({}, {}, (Registry(registry),))
    failed = await told.ensure()
    assert (type(failed), failed.reason, failed.log) == (EnvironmentFailed, reason, "the log")
    assert told.recipe.installs == 1
    told.recipe.error = TIMEOUT
    failed = await told.ensure()
    assert (failed.reason, failed.log) == (TIMEOUT.reason, "its own log"), "it found out itself"


@pytest.mark.anyio
async def test_nodes_are_told_of_what_is_not_a_matter_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(tmp_path, CONFLICT, AWAY, monkeypatch)

    async def tell(failed: EnvironmentFailed, **changes: Any) -> InstallFailure | None:
        version = replace(a_runnable_version("w"), **changes)
        return await told.environments.failure_for_others(version, tmp_path, "A", failed)

    key = archive_key(told.recipe, InstallTerms("A", builds=False))
    for reason in (CONFLICT, SLOW, LOGIN):
        failure = await tell(EnvironmentFailed(reason, "log"))
        assert failure == InstallFailure(reason, "log", key, told.sources)
    missing = Reason.of(ReasonCode.INSTALLER_MISSING, program="npm")
    for failed in (AWAY, EnvironmentFailed(missing), EnvironmentFailed(Reason(FULL))):
        assert await tell(failed) is None
    assert await tell(EnvironmentFailed(CONFLICT), builds=True) is None
