"""The versions of a worker: list, comparison and changelog for each caller."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.workers import history as module
from fyke.domain.workers.bundles import bundle_name
from fyke.domain.workers.declared_changes import DeclaredKind
from fyke.domain.workers.history import VersionHistory
from fyke.errors import UnknownVersion, VersionUnavailable, WorkerNotFound
from fyke.model.account import Caller
from fyke.model.worker import (
    EnvironmentState,
    Version,
    VersionEnvironment,
    VersionFacts,
    VersionState,
    Worker,
)
from fyke.parsing.pools import ThreadPool
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support.published import ALICE, BOB, OPERATOR, PublishedState
from support.zips import Entry, make_zip

pytestmark = pytest.mark.anyio


class Setup:
    def __init__(self, state: PublishedState, folder: Path) -> None:
        self.state = state
        self.blobs = FilesystemBlobs(folder / "blobs", durable=False)
        self.history = VersionHistory(state.storage, self.blobs, ThreadPool())

    async def version(
        self, worker: Worker, number: str, files: dict[str, bytes] | None = None, **changes: Any
    ) -> Version:
        """A version with its bundle."""
        entries = [Entry(name, data) for name, data in (files or {"main.py": b""}).items()]
        bundle = make_zip(entries)
        digest = hashlib.sha256(bundle).hexdigest()
        await self.blobs.put(bundle_name(digest), bundle)
        return await self.state.version(worker, number, digest=digest, **changes)

    async def numbers(self, caller: Caller | None, worker: Worker) -> list[str]:
        _, entries = await self.history.list(caller, worker.id)
        return [entry.version.number for entry in entries]


@pytest.fixture
def setup(state: PublishedState, tmp_path: Path) -> Setup:
    return Setup(state, tmp_path)


def schema(*names: str) -> str:
    return json.dumps({"properties": [{"name": name, "type": "string"} for name in names]})


async def test_others_see_the_versions_that_they_may_run(setup: Setup) -> None:
    worker = await setup.state.worker(public=True)
    await setup.version(worker, "v1.0.1")
    await setup.version(worker, "v1.0.2", approved=False)
    await setup.version(worker, "v1.0.3", state=VersionState.DRAFT)
    await setup.state.withdraw(worker, "v1.0.1")
    for caller in (ALICE, OPERATOR):
        assert await setup.numbers(caller, worker) == ["v1.0.3", "v1.0.2", "v1.0.1"]
    for caller in (BOB, None):
        assert await setup.numbers(caller, worker) == ["v1.0.1"]
    hidden = await setup.state.worker("hidden")
    with pytest.raises(WorkerNotFound):
        await setup.numbers(BOB, hidden)


async def test_the_latest_version_is_the_one_that_the_caller_would_run(setup: Setup) -> None:
    worker = await setup.state.worker(public=True)
    first = await setup.version(worker, "v1.0.1")
    await setup.version(worker, "v1.0.2", approved=False)
    facts = VersionFacts(7)
    await setup.state.do("worker_facts.add_version", first.id, facts)
    for caller, latest in ((ALICE, "v1.0.2"), (BOB, "v1.0.1")):
        _, entries = await setup.history.list(caller, worker.id)
        assert [entry.version.number for entry in entries if entry.latest] == [latest]
        assert {entry.version.number: entry.facts for entry in entries}["v1.0.1"] == facts
    _, entries = await setup.history.list(ALICE, worker.id)
    assert (entries[0].facts, entries[0].environment) == (None, None)


async def test_all_who_see_a_version_see_whether_it_is_ready(setup: Setup) -> None:
    worker = await setup.state.worker(public=True)
    first = await setup.version(worker, "v1.0.1")
    second = await setup.version(worker, "v1.0.2", approved=False)
    ready = VersionEnvironment(first.id, EnvironmentState.READY)
    await setup.state.do("environments.put", ready)
    await setup.state.do("environments.request", second.id)
    for caller in (ALICE, BOB, None):
        _, entries = await setup.history.list(caller, worker.id)
        assert entries[-1].environment == ready
        assert await setup.history.environment(caller, worker.id, "v1.0.1") == ready
    due = await setup.history.environment(ALICE, worker.id, "v1.0.2")
    assert due is not None and due.state is EnvironmentState.PREPARING
    with pytest.raises(UnknownVersion):
        await setup.history.environment(BOB, worker.id, "v1.0.2")


async def test_files_are_compared_for_the_account_and_the_operator_only(setup: Setup) -> None:
    worker = await setup.state.worker(public=True)
    await setup.version(worker, "v1.0.1", {"main.py": b"a\n"}, input_schema=schema("a"))
    await setup.version(
        worker, "v1.0.2", {"main.py": b"b\n"}, input_schema=schema("a", "b"), egress=("x.org",)
    )
    for caller, files in ((ALICE, True), (OPERATOR, True), (BOB, False), (None, False)):
        found = await setup.history.compare(caller, worker.id, "v1.0.1", "v1.0.2")
        assert (found.before.number, found.after.number) == ("v1.0.1", "v1.0.2")
        assert [change.field for change in found.schema] == ["b"]
        assert [change.kind for change in found.declared] == [DeclaredKind.CLOSED]
        assert (found.files is not None) is files
    back = await setup.history.compare(ALICE, worker.id, "v1.0.2", "v1.0.1")
    assert [change.kind for change in back.declared] == [DeclaredKind.OPENED]
    assert back.files is not None
    assert [file.path for file in back.files.files] == ["main.py"]


async def test_unavailable_versions_cannot_be_compared(setup: Setup) -> None:
    worker = await setup.state.worker(public=True)
    first = await setup.version(worker, "v1.0.1")
    await setup.version(worker, "v1.0.2", {"main.py": b"2"}, approved=False)
    with pytest.raises(UnknownVersion, match=r"'v1\.0\.2' .*; the latest is v1\.0\.1"):
        await setup.history.compare(BOB, worker.id, "v1.0.1", "v1.0.2")
    await setup.blobs.delete(bundle_name(first.digest))
    with pytest.raises(VersionUnavailable, match=r"v1\.0\.1"):
        await setup.history.compare(ALICE, worker.id, "v1.0.1", "v1.0.2")
    assert (await setup.history.compare(BOB, worker.id, "v1.0.1", "v1.0.1")).schema == ()


async def test_a_changelog_step_has_the_changes_since_the_previous_visible_version(
    setup: Setup,
) -> None:
    worker = await setup.state.worker(public=True)
    await setup.version(worker, "v1.0.1", input_schema=schema("a"))
    await setup.version(worker, "v1.0.2", input_schema=schema("a", "b"), approved=False)
    await setup.version(worker, "v1.0.3", input_schema=schema(), state=VersionState.DRAFT)
    await setup.version(worker, "v1.0.4", input_schema=schema("a", "b", "c"))

    async def steps(caller: Caller | None) -> list[tuple[str, list[str], bool]]:
        found = await setup.history.changelog(caller, worker.id)
        return [
            (step.version.number, [change.field for change in step.changes], step.first)
            for step in found.steps
        ]

    assert await steps(ALICE) == [
        ("v1.0.4", ["c"], False),
        ("v1.0.2", ["b"], False),
        ("v1.0.1", [], True),
    ]
    assert await steps(BOB) == [("v1.0.4", ["b", "c"], False), ("v1.0.1", [], True)]


async def test_the_changelog_of_a_worker_with_drafts_only_is_empty(setup: Setup) -> None:
    worker = await setup.state.worker()
    assert (await setup.history.changelog(ALICE, worker.id)).steps == ()
    await setup.version(worker, "v1.0.1", state=VersionState.DRAFT)
    found = await setup.history.changelog(ALICE, worker.id)
    assert (found.steps, found.text) == ((), "")


async def test_the_changelog_is_cut_to_its_newest_steps(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 2)
    worker = await setup.state.worker()
    for number in (1, 2, 3):
        await setup.version(worker, f"v1.0.{number}")
    found = await setup.history.changelog(ALICE, worker.id)
    assert [step.version.number for step in found.steps] == ["v1.0.3", "v1.0.2"]
    assert not any(step.first for step in found.steps)  # there is one before them


async def test_the_changelog_text_is_that_of_the_latest_version(setup: Setup) -> None:
    worker = await setup.state.worker(public=True)
    await setup.version(worker, "v1.0.1", {"ChangeLog.MD": b"\xef\xbb\xbf# One\xff"})
    await setup.version(worker, "v1.0.2", {"CHANGELOG.md": b"# Two"}, approved=False)
    assert (await setup.history.changelog(ALICE, worker.id)).text == "# Two"
    assert (await setup.history.changelog(None, worker.id)).text == "# One\ufffd"
    await setup.version(worker, "v1.0.3", {"main.py": b"", "docs/CHANGELOG.md": b"# Three"})
    assert (await setup.history.changelog(None, worker.id)).text == ""


async def test_a_limited_number_of_changelog_texts_is_cached_by_digest(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CACHED_CHANGELOGS", 1)
    one, two = await setup.state.worker("one"), await setup.state.worker("two")
    first = await setup.version(one, "v1.0.1", {"CHANGELOG.md": b"# One"})
    await setup.version(two, "v1.0.1", {"CHANGELOG.md": b"# Two"})
    assert (await setup.history.changelog(ALICE, one.id)).text == "# One"
    await setup.blobs.delete(bundle_name(first.digest))
    assert (await setup.history.changelog(ALICE, one.id)).text == "# One"
    assert (await setup.history.changelog(ALICE, two.id)).text == "# Two"
    with pytest.raises(VersionUnavailable):
        await setup.history.changelog(ALICE, one.id)
