"""Which files a runner on another machine may have: those of its own work, on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.nodes.file_places import FilePlaces
from fyke.domain.runs.last_pages import page_blob
from fyke.errors import InvalidRequest, StaleLease, VersionUnavailable
from fyke.model.last_page import (
    MAX_CONSOLE,
    MAX_FILE_BYTES,
    MAX_HTML,
    MAX_PAGES,
    LastPage,
    PageFileKind,
)
from fyke.model.run import AttemptKey
from fyke.model.runner import Lease
from fyke.model.worker import EnvironmentState, Version, VersionEnvironment
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support import records
from support.run_endings import Setup

pytestmark = pytest.mark.anyio
DIGEST = "a" * 64
HTML = PageFileKind.HTML


class Place:
    """A run whose version has a bundle, leased to the runner ``r1``."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.setup = setup
        self.blobs = FilesystemBlobs(folder, durable=False)

    def places(self, runner_id: str = "r1") -> FilePlaces:
        return FilePlaces(self.setup.storage, self.blobs, runner_id)

    async def start(self) -> tuple[AttemptKey, Lease, Version]:
        run, [lease] = await self.setup.start()
        version = records.version(run.worker_id, run.version, digest=DIGEST)
        await self.setup.storage.write(lambda tx: tx.workers.add_version(version))
        await self.blobs.put(f"bundles/{DIGEST}", b"zip")
        return key_of(lease), lease, version

    async def prepare(self, version: Version, runner_id: str, state: EnvironmentState) -> None:
        environment = VersionEnvironment(version.id, state, runner_id=runner_id)
        await self.setup.storage.write(lambda tx: tx.environments.put(environment))


def key_of(lease: Lease) -> AttemptKey:
    one = lease.attempt
    return AttemptKey(one.id, one.run_id, one.ordinal, one.number, one.token)


@pytest.fixture
def place(setup: Setup, tmp_path: Path) -> Place:
    return Place(setup, tmp_path / "blobs")


# --- bundles -----------------------------------------------------------------------------------


async def test_an_attempt_may_read_the_bundle_of_its_version(place: Place) -> None:
    key, _, _ = await place.start()
    expected = f"bundles/{DIGEST}"
    assert await place.places().bundle(key, DIGEST) == expected
    # the key counts by its id and token; the run is that of the attempt
    assert await place.places().bundle(replace(key, run_id="other"), DIGEST) == expected


async def test_an_attempt_may_read_no_other_bundle(place: Place) -> None:
    key, _, _ = await place.start()
    other = records.version((await place.start())[2].worker_id, "2.0.0", digest="b" * 64)
    await place.setup.storage.write(lambda tx: tx.workers.add_version(other))
    await place.blobs.put(f"bundles/{other.digest}", b"zip")
    for digest in (other.digest, "", "../state"):
        with pytest.raises(InvalidRequest, match="digest must be that of the version"):
            await place.places().bundle(key, digest)


async def test_attempts_of_others_and_ended_ones_may_read_nothing(place: Place) -> None:
    key, lease, _ = await place.start()
    stale = [
        (place.places("r2"), key),
        (place.places(), replace(key, token=key.token + 1)),
        (place.places(), replace(key, id="none")),
    ]
    for places, wrong in stale:
        with pytest.raises(StaleLease):
            await places.bundle(wrong, DIGEST)
        with pytest.raises(StaleLease):
            await places.page(wrong, {HTML: 1})
    await place.setup.end(lease)
    with pytest.raises(StaleLease):
        await place.places().bundle(key, DIGEST)
    with pytest.raises(StaleLease):
        await place.places().page(key, {HTML: 1})


async def test_a_missing_bundle_is_named_with_its_version(place: Place) -> None:
    key, _, version = await place.start()
    await place.blobs.delete(f"bundles/{DIGEST}")
    with pytest.raises(VersionUnavailable) as missing:
        await place.places().bundle(key, DIGEST)
    assert missing.value.reason is not None
    assert missing.value.reason.params == {"number": version.number}


async def test_a_missing_version_is_named(place: Place) -> None:
    run, [lease] = await place.setup.start()
    with pytest.raises(VersionUnavailable) as missing:
        await place.places().bundle(key_of(lease), DIGEST)
    assert missing.value.reason is not None
    assert missing.value.reason.params == {"number": run.version}


async def test_a_runner_may_read_what_it_prepares(place: Place) -> None:
    _, _, version = await place.start()
    with pytest.raises(StaleLease):
        await place.places().bundle(version.id, DIGEST)
    await place.prepare(version, "r1", EnvironmentState.PREPARING)
    found = await place.places().bundle(version.id, DIGEST)
    assert found == f"bundles/{DIGEST}"
    with pytest.raises(InvalidRequest):
        await place.places().bundle(version.id, "b" * 64)
    with pytest.raises(StaleLease):
        await place.places("r2").bundle(version.id, DIGEST)
    await place.prepare(version, "r1", EnvironmentState.READY)
    with pytest.raises(StaleLease):
        await place.places().bundle(version.id, DIGEST)


async def test_nothing_is_prepared_by_no_runner(place: Place) -> None:
    _, _, version = await place.start()
    await place.prepare(version, "", EnvironmentState.PREPARING)
    with pytest.raises(StaleLease):
        await place.places("").bundle("", DIGEST)
    with pytest.raises(StaleLease):
        await place.places().bundle(version.id, DIGEST)


# --- pages -------------------------------------------------------------------------------------


async def test_an_attempt_may_write_the_files_of_its_page(place: Place) -> None:
    key, _, _ = await place.start()
    sizes: Any = dict(MAX_FILE_BYTES)
    expected = {kind: page_blob(key.id, kind) for kind in PageFileKind}
    assert await place.places().page(key, sizes) == expected
    assert await place.places().page(key, {}) == {}


@pytest.mark.parametrize(
    ("kind", "size"), [(HTML, MAX_HTML + 1), (HTML, -1), (PageFileKind.CONSOLE, MAX_CONSOLE + 1)]
)
async def test_files_of_a_page_have_limits(place: Place, kind: PageFileKind, size: int) -> None:
    key, _, _ = await place.start()
    with pytest.raises(InvalidRequest, match=f"{kind.value} must have at most"):
        await place.places().page(key, {kind: size})


async def test_a_run_has_a_limited_number_of_pages(place: Place) -> None:
    key, lease, _ = await place.start()
    page = LastPage(5, "", "", ())

    def fill(tx: Transaction) -> None:
        for number in range(MAX_PAGES):
            tx.last_pages.add(f"A{number}", lease.run.id, page, tx.now)

    await place.setup.storage.write(fill)
    with pytest.raises(InvalidRequest, match="20 last pages already"):
        await place.places().page(key, {HTML: 1})
