"""The workers service: publishing, versions, pages and visibility."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.blobs import Blobs, BlobsRefused
from fyke.contracts.state import Storage, Transaction
from fyke.domain.catalog.service import Catalog
from fyke.domain.workers import readme, suggested_page
from fyke.domain.workers.bundles import bundle_name
from fyke.domain.workers.page import PageChange
from fyke.domain.workers.service import Workers
from fyke.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    TooComplex,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.kit.clock import ManualClock
from fyke.kit.ids import new_ulid
from fyke.model.account import Account, Caller, Role
from fyke.model.worker import EnvironmentState, Language, VersionEnvironment, VersionState
from fyke.parsing.pools import ThreadPool
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support.prepared import state_in
from support.stores import open_state

pytestmark = pytest.mark.anyio


def project(code: str = "print(1)", title: str = "Quote Finder", description: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("main.py", code)
        made.writestr("input_schema.json", f'{{"properties": [], "description": "{description}"}}')
        made.writestr("README.md", f"# {title}\n\nFinds quotes.\n" if title else "")
    return out.getvalue()


@dataclass
class Setup:
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
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    url = state_in(tmp_path)
    async with open_state(url) as storage:
        blobs = FilesystemBlobs(tmp_path / "blobs", durable=False)
        workers = Workers(storage, blobs, ThreadPool(), ManualClock())
        alice, bob = await add_account(storage, "alice"), await add_account(storage, "bob")
        yield Setup(storage, blobs, workers, Catalog(storage), alice, bob)


async def test_publishing_creates_worker_version_and_blob(setup: Setup) -> None:
    worker, version, findings = await setup.workers.publish(setup.alice, project())
    assert (worker.path, worker.title) == ("alice/quote-finder", "Quote Finder")
    assert worker.description == "Finds quotes."
    assert not worker.public
    assert (version.number, worker.latest) == ("v1.0.1", "v1.0.1")
    assert version.language == Language.PYTHON
    bundle = await setup.blobs.get(bundle_name(version.digest))
    assert zipfile.ZipFile(io.BytesIO(bundle)).read("main.py") == b"print(1)"
    assert {finding.severity for finding in findings} == {"warning"}
    assert await setup.workers.find(setup.alice, worker.id) == worker
    assert await setup.workers.version(setup.alice, worker) == version


async def test_nothing_is_published_while_the_storage_is_not_that_of_the_installation(
    setup: Setup,
) -> None:
    async def refuse() -> None:
        raise BlobsRefused("it was emptied")

    setup.workers._check_place = refuse
    with pytest.raises(BlobsRefused):
        await setup.workers.publish(setup.alice, project())
    assert [blob async for blob in setup.blobs.walk()] == []
    with pytest.raises(WorkerNotFound):
        await setup.workers.find(setup.alice, "alice/quote-finder")


async def test_publishing_the_same_content_returns_the_same_version(setup: Setup) -> None:
    worker, first, _ = await setup.workers.publish(setup.alice, project())
    again, same, _ = await setup.workers.publish(
        setup.alice, project(), name="quote-finder", title="New", public=True
    )
    assert same == first
    assert (again.id, again.title, again.public) == (worker.id, "New", True)
    _, second, _ = await setup.workers.publish(
        setup.alice, project("print(2)"), name="Quote Finder"
    )
    assert second.number == "v1.0.2"
    stored = await setup.workers.find(None, worker.id)
    assert (stored.public, stored.latest) == (True, "v1.0.2")
    numbers = [v.number for v in await setup.workers.versions(None, "alice/quote-finder")]
    assert numbers == ["v1.0.2", "v1.0.1"]


async def test_fields_of_the_request_take_precedence(setup: Setup) -> None:
    worker, _, _ = await setup.workers.publish(
        setup.alice,
        project(description="schema"),
        name="N",
        title="T",
        description="D",
        public=True,
    )
    assert (worker.name, worker.title, worker.description) == ("n", "T", "D")
    other, _, _ = await setup.workers.publish(setup.alice, project(title=""), name="plain one")
    assert (other.name, other.title) == ("plain-one", "plain-one")


async def test_no_readme_is_rendered_in_a_transaction(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a stranger's, and other writers wait meanwhile."""
    write, render, writing, seen = setup.storage.write, readme._rendered, False, []

    async def watched(work: Callable[[Transaction], Any], *, urgent: bool = False) -> Any:
        def inside(tx: Transaction) -> Any:
            nonlocal writing
            writing = True
            try:
                return work(tx)
            finally:
                writing = False

        return await write(inside, urgent=urgent)

    def noted(source: str) -> str:
        seen.append(writing)
        return render(source)

    monkeypatch.setattr(setup.storage, "write", watched)
    monkeypatch.setattr(readme, "_rendered", noted)
    await setup.workers.publish(setup.alice, project(title="One"), name="quotes")
    changed = project("print(2)", title="Two")
    worker, _, _ = await setup.workers.publish(setup.alice, changed, name="quotes")
    assert worker.title == "Two", "it follows the README"
    assert seen and not any(seen)


async def test_a_title_stays_when_the_earlier_readme_takes_too_long(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        raise TooComplex

    await setup.workers.publish(setup.alice, project(title="One"), name="quotes")
    monkeypatch.setattr(suggested_page, "suggestion_of", slow)
    changed = project("print(2)", title="Two")
    worker, version, _ = await setup.workers.publish(setup.alice, changed, name="quotes")
    assert (worker.title, version.number) == ("One", "v1.0.2")


async def test_concurrent_publications_get_different_numbers(setup: Setup) -> None:
    made = await asyncio.gather(
        *(setup.workers.publish(setup.alice, project(f"print({n})")) for n in range(6))
    )
    assert sorted(version.number for _, version, _ in made) == [f"v1.0.{n}" for n in range(1, 7)]
    assert len({worker.id for worker, _, _ in made}) == 1


async def test_invalid_publications_are_refused(setup: Setup) -> None:
    with pytest.raises(InvalidRequest, match="name"):
        await setup.workers.publish(setup.alice, project(), name="a/b")
    with pytest.raises(InvalidRequest, match="name"):
        await setup.workers.publish(setup.alice, project(title=""))
    with pytest.raises(InvalidRequest, match="title"):
        await setup.workers.publish(setup.alice, project(), title="x" * 201)
    with pytest.raises(InvalidRequest, match="archive"):
        await setup.workers.publish(setup.alice, b"no zip", name="x")
    with pytest.raises(Forbidden):
        await setup.workers.publish(replace(setup.alice, role=Role.VIEWER), project())
    with pytest.raises(WorkerNotFound):
        await setup.workers.find(setup.alice, "alice/quote-finder")


async def test_a_worker_is_found_by_every_form_of_reference(setup: Setup) -> None:
    worker, _, _ = await setup.workers.publish(setup.alice, project(), public=True)
    path = "alice{}quote-finder"
    for ref in (worker.id, *(path.format(sign) for sign in ("/", "~", "%2F", "%2f", "%7E"))):
        assert (await setup.workers.find(None, ref)).id == worker.id
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
            await setup.workers.find(setup.alice, ref)


async def test_private_workers_of_other_accounts_are_not_found(setup: Setup) -> None:
    worker, _, _ = await setup.workers.publish(setup.alice, project())
    for caller in (None, setup.bob):
        for ref in (worker.id, worker.path):
            with pytest.raises(WorkerNotFound):
                await setup.workers.find(caller, ref)
        with pytest.raises(WorkerNotFound):
            await setup.workers.versions(caller, worker.id)
    with pytest.raises(WorkerNotFound):
        await setup.workers.set_state(setup.bob, worker.id, "v1.0.1", VersionState.WITHDRAWN)
    same_name, _, _ = await setup.workers.publish(setup.bob, project())
    assert same_name.path == "bob/quote-finder"


async def test_a_version_is_found_by_number_or_as_the_latest(setup: Setup) -> None:
    worker, first, _ = await setup.workers.publish(setup.alice, project())
    _, second, _ = await setup.workers.publish(setup.alice, project("print(2)"))
    for number in (None, "", "latest", "auto", "v1.0.2"):
        assert await setup.workers.version(setup.alice, worker, number) == second
    assert await setup.workers.version(setup.alice, worker, "v1.0.1") == first
    with pytest.raises(InvalidRequest, match=r"v9 *.*the latest is v1\.0\.2"):
        await setup.workers.version(setup.alice, worker, "v9")
    deleted = replace(worker, id=new_ulid())
    with pytest.raises(WorkerNotFound):
        await setup.workers.version(setup.alice, deleted)


async def test_withdrawn_versions_are_not_found(setup: Setup) -> None:
    worker, _, _ = await setup.workers.publish(setup.alice, project(), public=True)
    await setup.workers.publish(setup.alice, project("print(2)"))
    withdraw = partial(setup.workers.set_state, state=VersionState.WITHDRAWN)
    changed, withdrawn = await withdraw(setup.alice, worker.path, "v1.0.2")
    assert (changed.latest, withdrawn.state) == ("v1.0.1", VersionState.WITHDRAWN)
    assert (await setup.workers.version(setup.alice, worker)).number == "v1.0.1"
    with pytest.raises(VersionUnavailable, match=r"v1\.0\.2 was withdrawn; the latest is v1\.0\.1"):
        await setup.workers.version(setup.alice, worker, "v1.0.2")
    _, third, _ = await setup.workers.publish(setup.alice, project("print(2)"))
    assert third.number == "v1.0.3"
    for number in ("v1.0.3", "v1.0.1"):
        await withdraw(setup.alice, worker.id, number)
    with pytest.raises(VersionUnavailable, match="no version is published"):
        await setup.workers.version(setup.alice, worker)
    with pytest.raises(InvalidRequest, match="none is published"):
        await setup.workers.version(setup.alice, worker, "v7")
    with pytest.raises(InvalidRequest, match="v8"):
        await withdraw(setup.alice, worker.id, "v8")
    with pytest.raises(Forbidden):
        await withdraw(setup.bob, worker.id, "v1.0.1")


async def test_a_change_with_another_current_version_than_expected_is_refused(setup: Setup) -> None:
    worker, first, _ = await setup.workers.publish(setup.alice, project())
    for then in ("v1.0.1", "v1.0.2"):
        with pytest.raises(Conflict, match="would now be none; check again"):
            await setup.workers.set_state(
                setup.alice, worker.id, "v1.0.1", VersionState.WITHDRAWN, then=(then, then)
            )
    assert await setup.workers.version(setup.alice, worker) == first, "nothing was changed"
    deprecated, _ = await setup.workers.set_state(
        setup.alice, worker.id, "v1.0.1", VersionState.DEPRECATED, then=("v1.0.1", "")
    )
    assert deprecated.latest == "v1.0.1"


async def test_a_worker_is_published_by_its_id_or_path(setup: Setup) -> None:
    worker, first, _ = await setup.workers.publish_at(
        setup.alice, "alice~Quote Finder", project(), PageChange(categories=(5,)), public=True
    )
    assert (worker.path, worker.categories, first.number) == (
        "alice/quote-finder",
        (5,),
        "v1.0.1",
    )
    same, second, _ = await setup.workers.publish_at(
        setup.alice, worker.id, project("print(2)"), PageChange()
    )
    assert (same.id, same.public, same.categories, second.number) == (
        worker.id,
        True,
        (5,),
        "v1.0.2",
    )
    with pytest.raises(Forbidden, match="publish versions"):
        await setup.workers.publish_at(setup.bob, worker.id, project(), PageChange())
    for ref in ("alice~nothing", new_ulid(), "quote-finder"):
        with pytest.raises(WorkerNotFound):
            await setup.workers.publish_at(setup.bob, ref, project(), PageChange())
    with pytest.raises(InvalidRequest, match="name"):
        await setup.workers.publish_at(setup.alice, "alice~", project(), PageChange())
    viewer = replace(setup.alice, role=Role.VIEWER)
    with pytest.raises(Forbidden, match="viewer"):
        await setup.workers.publish_at(viewer, worker.id, project(), PageChange())


async def test_a_page_is_replaced(setup: Setup) -> None:
    worker, _, _ = await setup.workers.publish(setup.alice, project(), public=True)
    changed = await setup.workers.replace_page(
        setup.alice, worker.path, "v1.0.1", PageChange("New", categories=(9,))
    )
    assert (changed.title, changed.description, changed.categories) == ("New", "", (9,))
    assert await setup.workers.find(None, worker.id) == changed
    page = PageChange("Newer")
    with pytest.raises(VersionUnavailable, match="v9"):
        await setup.workers.replace_page(setup.alice, worker.id, "v9", page)
    with pytest.raises(Forbidden):
        await setup.workers.replace_page(setup.bob, worker.id, "v1.0.1", page)
    await setup.workers.set_state(setup.alice, worker.id, "v1.0.1", VersionState.WITHDRAWN)
    with pytest.raises(VersionUnavailable, match="withdrawn"):
        await setup.workers.replace_page(setup.alice, worker.id, "v1.0.1", page)
    assert await setup.workers.find(None, worker.id) == replace(
        changed, latest="", latest_approved=""
    )


async def test_shipped_workers_fetch_nothing_before_a_run(setup: Setup) -> None:
    workers = Workers(
        setup.storage, setup.blobs, ThreadPool(), ManualClock(), shipped=frozenset({"crawler"})
    )
    operator = replace(setup.alice, operator=True)
    for caller, name, due in (
        (operator, "crawler", False),
        (operator, "other", True),
        (setup.bob, "crawler", True),
    ):
        _, version, _ = await workers.publish(caller, project(), name=name)
        found = await setup.storage.read(lambda tx, one=version: tx.environments.get(one.id))
        assert (found is not None) is due


async def test_a_rollback_of_a_shipped_worker_stays_after_a_start(setup: Setup) -> None:
    workers = Workers(
        setup.storage, setup.blobs, ThreadPool(), ManualClock(), shipped=frozenset({"crawler"})
    )
    operator = replace(setup.alice, operator=True)

    async def start(code: str) -> tuple[str, str]:
        data = project(code, title=code)
        worker, version, _ = await workers.publish(operator, data, name="crawler")
        return version.number, f"{worker.latest} {worker.title}"

    assert await start("print(1)") == ("v1.0.1", "v1.0.1 print(1)")
    assert await start("print(2)") == ("v1.0.2", "v1.0.2 print(2)")
    worker = await workers.find(operator, "alice/crawler")
    await setup.storage.write(lambda tx: tx.workers.set_current(worker.id, own="v1.0.1"))
    await workers.change_page(operator, worker.id, PageChange("print(1)"))
    assert await start("print(2)") == ("v1.0.2", "v1.0.1 print(1)")
    assert await start("print(3)") == ("v1.0.3", "v1.0.3 print(3)")


async def test_replaced_files_are_published_unless_a_version_has_them(setup: Setup) -> None:
    worker, first, _ = await setup.workers.publish(setup.alice, project(), public=True)
    page = PageChange("New")

    async def replace_with(code: str, number: str = "v1.0.1") -> str:
        _, version, _ = await setup.workers.replace_version(
            setup.alice, worker.id, number, page, project(code)
        )
        return version.number

    assert await replace_with("print(2)") == "v1.0.2"
    made = await setup.workers.version(setup.alice, worker, "v1.0.2")
    failed = VersionEnvironment(made.id, EnvironmentState.FAILED)
    await setup.storage.write(lambda tx: tx.environments.put(failed))
    assert await replace_with("print(2)") == "v1.0.2"
    due = await setup.storage.read(lambda tx: tx.environments.get(made.id))
    assert due is not None and due.state is EnvironmentState.PREPARING
    assert await replace_with("print(1)") == await replace_with("print(1)", "v1.0.2") == "v1.0.1"
    assert await setup.workers.version(setup.alice, worker, "v1.0.1") == first
    await setup.workers.set_state(setup.alice, worker.id, "v1.0.2", VersionState.WITHDRAWN)
    assert await replace_with("print(2)") == "v1.0.3"  # a withdrawn version cannot run
    found = await setup.workers.find(None, worker.id)
    assert (found.title, found.latest) == ("New", "v1.0.3")
    for who, number, refusal in (
        (setup.alice, "v9", VersionUnavailable),
        (setup.alice, "v1.0.2", VersionUnavailable),
        (setup.bob, "v1.0.1", Forbidden),
        (replace(setup.alice, role=Role.VIEWER), "v1.0.1", Forbidden),
    ):
        with pytest.raises(refusal):
            await setup.workers.replace_version(who, worker.id, number, page, project("print(4)"))
    assert len(await setup.workers.versions(setup.alice, worker.id)) == 3


async def test_a_withdrawn_version_is_restored(setup: Setup) -> None:
    worker, first, _ = await setup.workers.publish(setup.alice, project())
    await setup.workers.set_state(setup.alice, worker.id, "v1.0.1", VersionState.WITHDRAWN)
    restore = partial(setup.workers.set_state, state=VersionState.PUBLISHED)
    _, restored = await restore(setup.alice, worker.id, "v1.0.1")
    assert restored == first
    assert await setup.workers.version(setup.alice, worker) == first
    with pytest.raises(InvalidRequest, match="v8"):
        await restore(setup.alice, worker.id, "v8")


async def test_workers_are_listed_in_pages(setup: Setup) -> None:
    for number in range(3):
        await setup.workers.publish(setup.alice, project(), name=f"quote-{number}")
    count, found = await setup.workers.own_page(setup.alice, " QUOTE ", offset=1, limit=1)
    assert (count, len(found)) == (3, 1)
    assert await setup.workers.own_page(setup.bob, "", offset=0, limit=9) == (0, [])
    assert await setup.catalog.page(setup.bob, "", offset=0, limit=9) == (0, [])
    count, found = await setup.catalog.page(setup.alice, "", offset=2, limit=9)
    assert (count, len(found)) == (3, 1)


async def test_the_catalog_shows_public_workers_and_those_of_the_caller(setup: Setup) -> None:
    shown, _, _ = await setup.workers.publish(setup.alice, project(), public=True)
    hidden, _, _ = await setup.workers.publish(setup.alice, project(), name="quote-hidden")
    for caller, ids in (
        (None, {shown.id}),
        (setup.bob, {shown.id}),
        (setup.alice, {shown.id, hidden.id}),
    ):
        assert {worker.id for worker in await setup.catalog.search(caller, " QUOTE ", 50)} == ids
    assert len(await setup.catalog.search(setup.alice, "quote", 0)) == 1
    assert await setup.catalog.search(None, "nothing") == []
    for text in ("", "  ", "x" * 501):
        with pytest.raises(InvalidRequest, match="search"):
            await setup.catalog.search(None, text)
