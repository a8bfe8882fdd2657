"""Bundles are unpacked only when all of them has arrived unchanged."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import cast

import pytest

from fyke.domain.nodes.files import InstallationFiles
from fyke.domain.runs.last_pages import LastPages
from fyke.domain.workers.bundles import bundle_name, read_bundle
from fyke.errors import VersionUnavailable
from fyke.model.node import RunnableVersion
from fyke.runner.bundles import LOCK, BundleCache
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support import records
from support.projects import python_project

pytestmark = pytest.mark.anyio


class Bundle:
    """A published bundle, and the cache of a runner."""

    def __init__(self, folder: Path) -> None:
        self.data = python_project("print('hello')\n")
        digest = hashlib.sha256(self.data).hexdigest()
        self.published = records.version(records.ordered_id(), digest=digest)
        self.version = RunnableVersion.of(self.published)
        self.blobs = FilesystemBlobs(folder / "blobs", durable=False)
        self.root = folder / "bundles"
        files = InstallationFiles(self.blobs, cast(LastPages, None))
        self.cache = BundleCache(files, self.root)

    async def store(self, data: bytes) -> None:
        await self.blobs.put(bundle_name(self.version.digest), data)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path)


async def test_a_bundle_is_unpacked_once(bundle: Bundle) -> None:
    await bundle.store(bundle.data)
    folder = await bundle.cache.ensure("V", bundle.version)
    assert (folder / "main.py").read_text() == "print('hello')\n"
    await bundle.blobs.delete(bundle_name(bundle.version.digest))
    assert await bundle.cache.ensure("V", bundle.version) == folder


async def test_each_use_is_noted_for_prune(bundle: Bundle) -> None:
    await bundle.store(bundle.data)
    folder = await bundle.cache.ensure("V", bundle.version)
    os.utime(folder, (1, 1))
    await bundle.cache.ensure("V", bundle.version)
    assert folder.stat().st_mtime > 1


async def test_a_changed_bundle_is_refused_and_fetched_again(bundle: Bundle) -> None:
    changed = bundle.data.replace(b"PK", b"QK", 1)
    await bundle.store(changed)
    actual = hashlib.sha256(changed).hexdigest()
    with pytest.raises(VersionUnavailable, match=f"were changed: their SHA-256 is {actual}"):
        await bundle.cache.ensure("V", bundle.version)
    with pytest.raises(VersionUnavailable, match="were changed"):
        await read_bundle(bundle.blobs, bundle.published)
    assert {path.name for path in bundle.root.iterdir()} == {LOCK}
    await bundle.store(bundle.data)
    assert (await bundle.cache.ensure("V", bundle.version) / "main.py").is_file()


async def test_a_missing_bundle_is_named(bundle: Bundle) -> None:
    with pytest.raises(VersionUnavailable, match="are missing"):
        await bundle.cache.ensure("V", bundle.version)
    await bundle.store(b"")
    with pytest.raises(VersionUnavailable, match="were changed"):
        await bundle.cache.ensure("V", bundle.version)
