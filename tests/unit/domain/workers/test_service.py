from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fyke.contracts.blobs import Blobs
from fyke.contracts.state import Storage
from fyke.domain.catalog.service import Catalog
from fyke.domain.workers.bundles import bundle_name
from fyke.domain.workers.page import PageChange
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, InvalidRequest, VersionUnavailable, WorkerNotFound
from fyke.kit.clock import ManualClock
from fyke.kit.ids import new_ulid
from fyke.model.account import Account, Caller, Role
from fyke.model.worker import Language, VersionState
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.sql.state.storage import open_storage
from support.prepared import state_in

pytestmark = pytest.mark.anyio


def project(code: str = "print(1)", title: str = "Quote Finder", description: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("main.py", code)
        made.writestr("input_schema.json", f'{{"properties": [], "description": "{description}"}}')
        made.writestr("README.md", f"# {title}\n\nFinds quotes.\n" if title else "")
    return out.getvalue()


@dataclass
class Place:
    storage: Storage
    blobs: Blobs
    workers: Workers
    catalog: Catalog
    alice: Caller
    bob: Caller


async def add_account(storage: Storage, name: str) -> Caller:
    account = Account(new_ulid(), name, False, 0, 0, 0, 0, 0)
    await storage.write(lambda tx: tx.accounts.add(account))
    return Caller(account.id, name, False, new_ulid(), new_ulid())


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    url = state_in(tmp_path)
    storage = open_storage(url, durable=False, notify=lambda _: None, hiding=frozenset())
    blobs = FilesystemBlobs(tmp_path / "blobs")
    workers = Workers(storage, blobs, ManualClock())
    alice, bob = await add_account(storage, "alice"), await add_account(storage, "bob")
    yield Place(storage, blobs, workers, Catalog(storage), alice, bob)
    await storage.close()


async def test_publish_makes_worker_version_and_blob(place: Place) -> None:
    worker, version, findings = await place.workers.publish(place.alice, project())
    assert (worker.path, worker.title) == ("alice/quote-finder", "Quote Finder")
    assert worker.description == "Finds quotes."
    assert not worker.public
    assert (version.number, worker.latest) == ("v1.0.1", "v1.0.1")
    assert version.language == Language.PYTHON
    bundle = await place.blobs.get(bundle_name(version.digest))
    assert zipfile.ZipFile(io.BytesIO(bundle)).read("main.py") == b"print(1)"
    assert {finding.severity for finding in findings} == {"warning"}
    assert await place.workers.find(place.alice, worker.id) == worker
    assert await place.workers.version(place.alice, worker) == version


async def test_same_content_is_the_same_version(place: Place) -> None:
    worker, first, _ = await place.workers.publish(place.alice, project())
    again, same, _ = await place.workers.publish(
        place.alice, project(), name="quote-finder", title="New", public=True
    )
    assert same == first
    assert (again.id, again.title, again.public) == (worker.id, "New", True)
    _, second, _ = await place.workers.publish(
        place.alice, project("print(2)"), name="Quote Finder"
    )
    assert second.number == "v1.0.2"
    kept = await place.workers.find(None, worker.id)
    assert (kept.public, kept.latest) == (True, "v1.0.2")
    numbers = [v.number for v in await place.workers.versions(None, "alice/quote-finder")]
    assert numbers == ["v1.0.2", "v1.0.1"]


async def test_what_is_given_wins(place: Place) -> None:
    worker, _, _ = await place.workers.publish(
        place.alice,
        project(description="schema"),
        name="N",
        title="T",
        description="D",
        public=True,
    )
    assert (worker.name, worker.title, worker.description) == ("n", "T", "D")
    other, _, _ = await place.workers.publish(place.alice, project(title=""), name="plain one")
    assert (other.name, other.title) == ("plain-one", "plain-one")


async def test_publishing_at_the_same_time(place: Place) -> None:
    made = await asyncio.gather(
        *(place.workers.publish(place.alice, project(f"print({n})")) for n in range(6))
    )
    assert sorted(version.number for _, version, _ in made) == [f"v1.0.{n}" for n in range(1, 7)]
    assert len({worker.id for worker, _, _ in made}) == 1


async def test_bad_publications(place: Place) -> None:
    with pytest.raises(InvalidRequest, match="name"):
        await place.workers.publish(place.alice, project(), name="a/b")
    with pytest.raises(InvalidRequest, match="name"):
        await place.workers.publish(place.alice, project(title=""))
    with pytest.raises(InvalidRequest, match="title"):
        await place.workers.publish(place.alice, project(), title="x" * 201)
    with pytest.raises(InvalidRequest, match="archive"):
        await place.workers.publish(place.alice, b"no zip", name="x")
    with pytest.raises(Forbidden):
        await place.workers.publish(replace(place.alice, role=Role.VIEWER), project())
    with pytest.raises(WorkerNotFound):
        await place.workers.find(place.alice, "alice/quote-finder")


async def test_find_by_every_form(place: Place) -> None:
    worker, _, _ = await place.workers.publish(place.alice, project(), public=True)
    path = "alice{}quote-finder"
    for ref in (worker.id, *(path.format(sign) for sign in ("/", "~", "%2F", "%2f", "%7E"))):
        assert (await place.workers.find(None, ref)).id == worker.id
    for ref in (
        "",
        "x",
        new_ulid(),
        "alice/other",
        "bob/quote-finder",
        "alice/",
        worker.id.lower(),
    ):
        with pytest.raises(WorkerNotFound):
            await place.workers.find(place.alice, ref)


async def test_private_workers_of_others_do_not_exist(place: Place) -> None:
    worker, _, _ = await place.workers.publish(place.alice, project())
    for caller in (None, place.bob):
        for ref in (worker.id, worker.path):
            with pytest.raises(WorkerNotFound):
                await place.workers.find(caller, ref)
        with pytest.raises(WorkerNotFound):
            await place.workers.versions(caller, worker.id)
    with pytest.raises(WorkerNotFound):
        await place.workers.withdraw(place.bob, worker.id, "v1.0.1")
    same_name, _, _ = await place.workers.publish(place.bob, project())
    assert same_name.path == "bob/quote-finder"


async def test_choosing_a_version(place: Place) -> None:
    worker, first, _ = await place.workers.publish(place.alice, project())
    _, second, _ = await place.workers.publish(place.alice, project("print(2)"))
    for number in (None, "", "latest", "auto", "v1.0.2"):
        assert await place.workers.version(place.alice, worker, number) == second
    assert await place.workers.version(place.alice, worker, "v1.0.1") == first
    with pytest.raises(InvalidRequest, match=r"v9 *.*the latest is v1\.0\.2"):
        await place.workers.version(place.alice, worker, "v9")
    ghost = replace(worker, id=new_ulid())
    with pytest.raises(WorkerNotFound):
        await place.workers.version(place.alice, ghost)


async def test_withdrawing(place: Place) -> None:
    worker, _, _ = await place.workers.publish(place.alice, project(), public=True)
    await place.workers.publish(place.alice, project("print(2)"))
    gone = await place.workers.withdraw(place.alice, worker.path, "v1.0.2")
    assert gone.state == VersionState.WITHDRAWN
    assert (await place.workers.version(place.alice, worker)).number == "v1.0.1"
    with pytest.raises(VersionUnavailable, match=r"v1\.0\.2 was withdrawn; the latest is v1\.0\.1"):
        await place.workers.version(place.alice, worker, "v1.0.2")
    _, third, _ = await place.workers.publish(place.alice, project("print(2)"))
    assert third.number == "v1.0.3"
    for number in ("v1.0.3", "v1.0.1"):
        await place.workers.withdraw(place.alice, worker.id, number)
    with pytest.raises(VersionUnavailable, match="no version is published"):
        await place.workers.version(place.alice, worker)
    with pytest.raises(InvalidRequest, match="none is published"):
        await place.workers.version(place.alice, worker, "v7")
    with pytest.raises(InvalidRequest, match="v8"):
        await place.workers.withdraw(place.alice, worker.id, "v8")
    with pytest.raises(Forbidden):
        await place.workers.withdraw(place.bob, worker.id, "v1.0.1")


async def test_publishing_at_a_reference(place: Place) -> None:
    worker, first, _ = await place.workers.publish_at(
        place.alice, "alice~Quote Finder", project(), PageChange(categories=(5,)), public=True
    )
    assert (worker.path, worker.categories, first.number) == (
        "alice/quote-finder",
        (5,),
        "v1.0.1",
    )
    same, second, _ = await place.workers.publish_at(
        place.alice, worker.id, project("print(2)"), PageChange()
    )
    assert (same.id, same.public, same.categories, second.number) == (
        worker.id,
        True,
        (5,),
        "v1.0.2",
    )
    with pytest.raises(Forbidden, match="publish versions"):
        await place.workers.publish_at(place.bob, worker.id, project(), PageChange())
    for ref in ("alice~nothing", new_ulid(), "quote-finder"):
        with pytest.raises(WorkerNotFound):
            await place.workers.publish_at(place.bob, ref, project(), PageChange())
    with pytest.raises(InvalidRequest, match="name"):
        await place.workers.publish_at(place.alice, "alice~", project(), PageChange())
    viewer = replace(place.alice, role=Role.VIEWER)
    with pytest.raises(Forbidden, match="viewer"):
        await place.workers.publish_at(viewer, worker.id, project(), PageChange())


async def test_replacing_a_page(place: Place) -> None:
    worker, _, _ = await place.workers.publish(place.alice, project(), public=True)
    changed = await place.workers.replace_page(
        place.alice, worker.path, "v1.0.1", PageChange("New", categories=(9,)), project()
    )
    assert (changed.title, changed.description, changed.categories) == ("New", "", (9,))
    assert await place.workers.find(None, worker.id) == changed
    page = PageChange("Newer")
    with pytest.raises(InvalidRequest, match=r"v1\.0\.1, and a version never changes"):
        await place.workers.replace_page(
            place.alice, worker.id, "v1.0.1", page, project("print(2)")
        )
    with pytest.raises(VersionUnavailable, match="v9"):
        await place.workers.replace_page(place.alice, worker.id, "v9", page)
    with pytest.raises(Forbidden):
        await place.workers.replace_page(place.bob, worker.id, "v1.0.1", page)
    await place.workers.withdraw(place.alice, worker.id, "v1.0.1")
    with pytest.raises(VersionUnavailable, match="withdrawn"):
        await place.workers.replace_page(place.alice, worker.id, "v1.0.1", page)
    assert await place.workers.find(None, worker.id) == replace(
        changed, latest="", latest_approved=""
    )


async def test_restoring_a_version(place: Place) -> None:
    worker, first, _ = await place.workers.publish(place.alice, project())
    await place.workers.withdraw(place.alice, worker.id, "v1.0.1")
    assert await place.workers.restore(place.alice, worker.id, "v1.0.1") == first
    assert await place.workers.version(place.alice, worker) == first
    with pytest.raises(InvalidRequest, match="v8"):
        await place.workers.restore(place.alice, worker.id, "v8")


async def test_lists_are_paged(place: Place) -> None:
    for number in range(3):
        await place.workers.publish(place.alice, project(), name=f"quote-{number}")
    count, found = await place.workers.own_page(place.alice, " QUOTE ", offset=1, limit=1)
    assert (count, len(found)) == (3, 1)
    assert await place.workers.own_page(place.bob, "", offset=0, limit=9) == (0, [])
    assert await place.catalog.page(place.bob, "", offset=0, limit=9) == (0, [])
    count, found = await place.catalog.page(place.alice, "", offset=2, limit=9)
    assert (count, len(found)) == (3, 1)


async def test_catalog(place: Place) -> None:
    shown, _, _ = await place.workers.publish(place.alice, project(), public=True)
    hidden, _, _ = await place.workers.publish(place.alice, project(), name="quote-hidden")
    for caller, ids in (
        (None, {shown.id}),
        (place.bob, {shown.id}),
        (place.alice, {shown.id, hidden.id}),
    ):
        assert {worker.id for worker in await place.catalog.search(caller, " QUOTE ", 50)} == ids
    assert len(await place.catalog.search(place.alice, "quote", 0)) == 1
    assert await place.catalog.search(None, "nothing") == []
    for text in ("", "  ", "x" * 501):
        with pytest.raises(InvalidRequest, match="search"):
            await place.catalog.search(None, text)
