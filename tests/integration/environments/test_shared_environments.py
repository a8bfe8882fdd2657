"""Environments that one machine installs and packs, and another one fetches."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from fyke.contracts.execution import Environment, EnvironmentFailed
from fyke.errors import BlobsAway, StaleLease, Unavailable
from fyke.kit.zstd import zstd_module
from fyke.model.node import (
    EnvironmentPlace,
    OrderedWorker,
    PreparationOrder,
    RunnableVersion,
)
from fyke.model.worker import (
    EnvironmentArchive,
    EnvironmentState,
    InstallFailure,
    Language,
    VersionEnvironment,
)
from fyke.reasons import ReasonCode
from fyke.runner.preparer import Preparer
from fyke.sandbox.packages import environment, fetching, recipes, sealing
from fyke.sandbox.packages.environment import UvEnvironments
from support.environments import ACCOUNT, Workspace, open_workspace
from support.memory import a_runnable_version, a_worker
from support.wheels import make_wheel, make_wheel_folder

pytestmark = [pytest.mark.anyio, pytest.mark.needs("bwrap")]
VERSION = replace(a_runnable_version("w"), language=Language.PYTHON, requirements="tiny\n")


@dataclass
class Store:
    """What an installation has packed; ``places`` are the answers, the last one again and again.
    ``sent`` is what arrives instead of the file.
    """

    file: Path
    places: list[EnvironmentPlace] = field(default_factory=list)
    sent: bytes | None = None
    error: Exception | None = None
    asked: list[Sequence[str]] = field(default_factory=list)

    async def fetch(self, keys: Sequence[str], target: Path) -> EnvironmentPlace:
        self.asked.append(keys)
        if self.error is not None:
            raise self.error
        place = self.places.pop(0) if len(self.places) > 1 else self.places[0]
        if place.archive is not None:
            if place.archive.key not in keys:
                return EnvironmentPlace()
            target.write_bytes(self.file.read_bytes() if self.sent is None else self.sent)
        return place


@dataclass
class Machines:
    """The installation has a registry and has packed ``VERSION``; ``node`` has none."""

    builder: UvEnvironments
    built: Environment
    node: UvEnvironments
    root: Path
    store: Store

    async def ensure(self, version: RunnableVersion = VERSION) -> Environment:
        return await self.node.ensure(version, self.root, ACCOUNT, False, self.store.fetch)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir() if path.name != ".locks")


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with open_workspace() as workspace:
        make_wheel(make_wheel_folder(workspace.wheels), "tiny")
        yield workspace


@pytest.fixture
async def machines(workspace: Workspace, tmp_path: Path) -> Machines:
    builder = workspace.offline().made
    built = await builder.ensure(VERSION, tmp_path, ACCOUNT, False)
    archive = await builder.pack(VERSION, tmp_path, ACCOUNT, tmp_path / "packed")
    assert archive is not None
    root = workspace.root.with_name("of-the-node")
    settings = {"UV_FIND_LINKS": str(tmp_path / "none"), "UV_OFFLINE": "1", "HOME": str(tmp_path)}
    node = UvEnvironments(root, workspace.tools, environ=settings)
    store = Store(tmp_path / "packed", [EnvironmentPlace(archive)])
    return Machines(builder, built, node, root, store)


async def test_a_machine_without_a_registry_gets_the_same_environment(machines: Machines) -> None:
    fetched = await machines.ensure()
    assert fetched.path is not None and machines.built.path is not None
    assert sealing.read_tree(fetched.path) == sealing.read_tree(machines.built.path)
    assert fetched.log == machines.built.log and "tiny" in fetched.log
    code = "import tiny, sys; print(sys.prefix)"
    ran = subprocess.run(
        [fetched.path / "bin/python", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == str(fetched.path)
    assert machines.left() == [fetched.path.parent.name] == [machines.built.path.parent.name]
    assert await machines.ensure() == fetched
    assert len(machines.store.asked) == 1


async def test_the_digest_of_a_repeated_installation_is_the_same(
    machines: Machines, tmp_path: Path
) -> None:
    again = await machines.builder.pack(VERSION, tmp_path, ACCOUNT, tmp_path / "again")
    assert again == machines.store.places[0].archive


async def test_another_account_does_not_get_what_was_found_for_one(
    machines: Machines, tmp_path: Path
) -> None:
    other = replace(VERSION, requirements="tiny\n")
    with pytest.raises(EnvironmentFailed):
        await machines.node.ensure(other, tmp_path, "ANOTHER", False, machines.store.fetch)
    first = machines.store.asked[0]
    archive = machines.store.places[0].archive
    assert archive is not None and archive.key not in first


async def test_machines_that_differ_do_not_exchange(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes.platform, "libc_ver", lambda: ("glibc", "2.17"))
    with pytest.raises(EnvironmentFailed):
        await machines.ensure()
    archive = machines.store.places[0].archive
    assert archive is not None and archive.key not in machines.store.asked[0]


async def test_what_packages_have_built_stays_on_its_machine(
    machines: Machines, workspace: Workspace, tmp_path: Path
) -> None:
    built = replace(VERSION, builds=True)
    await machines.builder.ensure(built, tmp_path, ACCOUNT, True)
    assert await machines.builder.key(built, tmp_path, ACCOUNT) == ""
    assert await machines.builder.pack(built, tmp_path, ACCOUNT, tmp_path / "no") is None
    with pytest.raises(EnvironmentFailed):
        await machines.node.ensure(built, tmp_path, ACCOUNT, True, machines.store.fetch)
    assert machines.store.asked == []


# --- what cannot be used -----------------------------------------------------------------------


def damaged(data: bytes) -> bytes:
    """The archive with one other byte in a file; the archive itself is well-formed."""
    plain = bytearray(zstd_module().decompress(data))
    at = plain.index(b"include-system-site-packages = false")
    plain[at + 31 : at + 36] = b"true "
    return bytes(zstd_module().compress(bytes(plain)))


@pytest.mark.parametrize("case", ["empty", "cut", "changed", "away", "blobs away"])
async def test_without_a_usable_archive_the_machine_installs_itself(
    machines: Machines, workspace: Workspace, case: str
) -> None:
    data = machines.store.file.read_bytes()
    errors = {"away": Unavailable("cut"), "blobs away": BlobsAway("S3")}
    sent = {"empty": b"", "cut": data[:-1], "changed": damaged(data)}
    machines.store.error, machines.store.sent = errors.get(case), sent.get(case)
    with capture_logs() as logs, pytest.raises(EnvironmentFailed):
        await machines.ensure()
    assert [line["event"] for line in logs if "fetched" in line["event"]] == [
        "environment_not_fetched"
    ]
    assert machines.left() == [], "nothing of it is left"
    able = UvEnvironments(
        machines.root, workspace.tools, environ=dict(machines.builder._python._environ)
    )
    installed = await able.ensure(VERSION, machines.root, ACCOUNT, False, machines.store.fetch)
    assert installed.path is not None and machines.left() == [installed.path.parent.name]


async def test_a_lost_lease_is_not_taken_for_a_missing_archive(machines: Machines) -> None:
    machines.store.error = StaleLease()
    with pytest.raises(StaleLease):
        await machines.ensure()
    assert machines.left() == []


async def test_a_full_disk_is_said(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(environment.environment_archive, "unpack", full)
    with pytest.raises(EnvironmentFailed) as failed:
        await machines.ensure()
    assert failed.value.reason.code is ReasonCode.INSTALL_DISK_FULL
    assert machines.left() == []


async def test_a_larger_one_than_allowed_is_refused(machines: Machines) -> None:
    machines.node._max_bytes = 2000
    with capture_logs() as logs, pytest.raises(EnvironmentFailed):
        await machines.ensure()
    assert "too large" in str(logs)
    assert machines.left() == []


# --- at the same time --------------------------------------------------------------------------


async def test_one_that_is_being_made_is_waited_for(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "POLL_SECONDS", 0)
    machines.store.places[:0] = [EnvironmentPlace(pending=True)] * 3
    assert (await machines.ensure()).path is not None
    assert len(machines.store.asked) == 4


async def test_the_wait_is_bounded(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "WAIT_SECONDS", 0)
    machines.store.places = [EnvironmentPlace(pending=True)]
    with pytest.raises(EnvironmentFailed):
        await machines.ensure()
    assert len(machines.store.asked) == 1


async def test_attempts_of_one_machine_fetch_it_once(machines: Machines) -> None:
    found = await asyncio.gather(*(machines.ensure() for _ in range(4)))
    assert len({one.path for one in found}) == 1
    assert len(machines.store.asked) == 1


# --- packing -----------------------------------------------------------------------------------


async def test_changed_files_are_not_packed(machines: Machines, tmp_path: Path) -> None:
    assert machines.built.path is not None
    file = machines.built.path / "pyvenv.cfg"
    file.chmod(0o644)
    file.write_text("home = /tmp\n")
    with pytest.raises(EnvironmentFailed, match="have changed"):
        await machines.builder.pack(VERSION, tmp_path, ACCOUNT, tmp_path / "no")


class Installation:
    """Wants archives, and notes what it gets."""

    def __init__(self, *versions: RunnableVersion) -> None:
        self.wanted = list(versions)
        self.known: set[str] = set()
        self.stored: list[tuple[EnvironmentArchive, bytes]] = []
        self.gave_up: list[str] = []

    async def take(self) -> PreparationOrder | None:
        if not self.wanted:
            return None
        version = self.wanted.pop(0)
        ready = VersionEnvironment(version.id, EnvironmentState.READY)
        worker = OrderedWorker.of(a_worker(ACCOUNT), is_operators=False)
        return PreparationOrder(worker, version, ready, None)

    async def reuse(self, version_id: str, key: str) -> bool:
        return key in self.known

    async def store(self, archive: EnvironmentArchive, file: Path) -> None:
        self.stored.append((archive, file.read_bytes()))
        self.known.add(archive.key)

    async def drop(self, digest: str, read_at: float) -> None:
        raise AssertionError("nothing was fetched")

    async def failed(
        self, version_id: str, *, soon: bool, failure: InstallFailure | None = None
    ) -> None:
        self.gave_up.append(version_id)


async def test_a_runner_of_the_installation_packs_what_is_wanted(
    machines: Machines, tmp_path: Path
) -> None:
    missing = replace(VERSION, id="missing", requirements="no-such-package\n")
    built = replace(VERSION, id="built", builds=True)
    installation = Installation(VERSION, replace(VERSION, id="same"), missing, built)

    class Bundles:
        async def ensure(self, *_: Any) -> Path:
            (tmp_path / "bundles/one").mkdir(parents=True, exist_ok=True)
            return tmp_path / "bundles/one"

    empty = UvEnvironments(
        tmp_path / "empty",
        machines.builder._python.package_installer._tools,
        environ=dict(machines.builder._python._environ),
    )
    deps: Any = SimpleNamespace(
        gateway=None,  # it asks no other machine for what it packs
        environments=empty,
        bundles=Bundles(),
        publishing=installation,
    )
    preparer = Preparer(deps, lambda: True)
    while await preparer._publish_next():
        pass
    [(archive, data)] = installation.stored
    known = machines.store.places[0].archive
    assert known is not None and (archive.key, archive.tree) == (known.key, known.tree)
    assert (archive.digest, archive.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert installation.gave_up == ["missing", "built"]
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == ["one"]
