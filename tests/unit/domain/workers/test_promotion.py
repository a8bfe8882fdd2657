"""The current version of a worker, what a change of it changes, and tags."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.workers import promotion
from fyke.domain.workers.history import VersionHistory
from fyke.domain.workers.lookup import find_version
from fyke.domain.workers.promotion import Promotions, TagTaken, checked_tag
from fyke.domain.workers.publication import (
    PublishRequest,
    publish_transaction,
    texts_to_read,
)
from fyke.domain.workers.suggested_page import read_suggestions
from fyke.errors import Forbidden, InvalidRequest, NotFound, Refused, UnknownVersion
from fyke.kit.clock import ManualClock
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.task import NamedTasks, Task
from fyke.model.worker import Language, Project, VersionState, Worker, WorkerPage
from fyke.parsing.pools import ThreadPool
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support import records
from support.published import ALICE, BOB, PublishedState

pytestmark = pytest.mark.anyio

PUBLIC = PublishRequest("quotes", public=True)


async def publish(state: PublishedState, content: str, **more: Any) -> Worker:
    field = {"name": content, "type": "string", "title": "T", "required": more.get("required")}
    title = more.get("title", "")
    project = Project(
        language=Language.PYTHON,
        bundle=content.encode(),
        digest=content,
        input_schema=json.dumps({"properties": [field]}),
        output_schema="",
        readme=f"# {title}\n",
        requirements="",
        title=title,
        description="",
    )
    waiting = more.get("replace_waiting")
    request = replace(PUBLIC, promote=more.get("promote", True), replace_waiting=waiting)
    earlier = await state.read(texts_to_read, ALICE, project, request)
    suggested = await read_suggestions(ThreadPool(), "", earlier)
    request = replace(request, suggested=suggested)
    work = publish_transaction(
        ALICE, project, request, ManualClock(), review=more.get("review", False)
    )
    return (await state.write(work)).worker


async def current(state: PublishedState, worker: Worker, who: Caller = ALICE) -> str:
    return (await state.read(find_version, who, worker.id, None)).number


@pytest.fixture
def promotions(state: PublishedState, tmp_path: Path) -> Promotions:
    blobs = FilesystemBlobs(tmp_path / "blobs", durable=False)
    parsers = ThreadPool()
    history = VersionHistory(state.storage, blobs, parsers)
    return Promotions(state.storage, history, parsers, lambda caller, name: name != "shipped")


async def test_an_earlier_version_runs_until_the_next_publication(
    state: PublishedState, promotions: Promotions
) -> None:
    for content in "abc":
        worker = await publish(state, content)
    before, version = await promotions.promote(ALICE, worker.id, "v1.0.2")
    assert (before.latest, version.number) == ("v1.0.3", "v1.0.2")
    assert await current(state, worker) == await current(state, worker, BOB) == "v1.0.2"
    assert (await publish(state, "b")).latest == "v1.0.2", "these files are current already"
    assert (await publish(state, "c")).latest == "v1.0.3", "the newest has these files"
    await promotions.promote(ALICE, worker.id, "v1.0.1")
    assert (await publish(state, "d")).latest == "v1.0.4"
    assert await current(state, worker, BOB) == "v1.0.4"
    entries = await state.do("audit.page", ALICE.account_id, before=0, limit=9, action="")
    promoted = [entry.detail for entry in entries if entry.action == AuditAction.PROMOTED]
    assert promoted == ["v1.0.1, before: v1.0.3", "v1.0.3", "v1.0.2, before: v1.0.3"]


async def test_a_version_can_be_published_without_becoming_the_current_one(
    state: PublishedState, promotions: Promotions
) -> None:
    worker = await publish(state, "a", promote=False)
    assert worker.latest == "v1.0.1", "there was none"
    for content in ("b", "b", "c"):
        worker = await publish(state, content, promote=False, title="Another title")
    assert (worker.latest, worker.latest_approved) == ("v1.0.1", "v1.0.1")
    assert worker.title == "quotes", "the page is that of the current version"
    assert await current(state, worker, BOB) == "v1.0.1"
    numbers = await state.read(lambda tx: [v.number for v in tx.workers.versions(worker.id)])
    assert numbers == ["v1.0.3", "v1.0.2", "v1.0.1"]
    assert (await publish(state, "c")).latest == "v1.0.3", "published again"
    worker = await publish(state, "d", review=True, promote=False)
    await state.do("workers.approve", worker.id, "v1.0.4")
    assert await current(state, worker) == await current(state, worker, BOB) == "v1.0.3"
    await promotions.promote(ALICE, worker.id, "v1.0.4")
    assert await current(state, worker, BOB) == "v1.0.4"


async def test_others_keep_their_version_until_the_current_one_is_approved(
    state: PublishedState, promotions: Promotions
) -> None:
    for content in "ab":
        worker = await publish(state, content)
    await promotions.promote(ALICE, worker.id, "v1.0.1")
    await publish(state, "c", review=True)
    assert await current(state, worker) == "v1.0.3"
    assert await current(state, worker, BOB) == "v1.0.1", "and not the newest approved one"
    preview = await promotions.preview(ALICE, worker.id, "v1.0.3")
    assert preview.others == "v1.0.1"
    await state.do("workers.approve", worker.id, "v1.0.3")
    assert await current(state, worker, BOB) == "v1.0.3"
    await publish(state, "d", review=True)
    await promotions.promote(ALICE, worker.id, "v1.0.2")
    await state.do("workers.approve", worker.id, "v1.0.4")
    assert await current(state, worker, BOB) == "v1.0.2", "as its owner has chosen"


async def test_only_a_published_version_is_kept_as_the_current_one(
    state: PublishedState, promotions: Promotions
) -> None:
    worker = await publish(state, "a")
    set_state = "workers.set_version_state"
    await state.do(set_state, worker.id, "v1.0.1", VersionState.DEPRECATED)
    assert (await publish(state, "b", promote=False)).latest == "v1.0.2"
    await state.do(set_state, worker.id, "v1.0.1", VersionState.PUBLISHED)
    assert await current(state, worker) == "v1.0.2", "v1.0.1 was not chosen"


async def test_other_accounts_without_a_choice_follow_the_owner(state: PublishedState) -> None:
    for content in "ab":
        worker = await publish(state, content)
    await state.do("workers.set_current", worker.id, own="v1.0.1", others="")
    assert await current(state, worker, BOB) == "v1.0.1"


async def test_the_page_is_that_of_the_current_version_unless_it_was_edited(
    state: PublishedState, promotions: Promotions
) -> None:
    async def title_after(number: str) -> str:
        await promotions.promote(ALICE, worker.id, number)
        return str((await state.do("workers.get", worker.id)).title)

    await publish(state, "a", title="First")
    worker = await publish(state, "b", title="Second", promote=False)
    assert worker.title == "First"
    assert await title_after("v1.0.2") == "Second"
    assert (await publish(state, "c", title="Third")).title == "Third", "it was not edited"
    assert await title_after("v1.0.1") == "First"
    await state.do("workers.update", worker.id, WorkerPage("By hand", ""), public=True)
    assert await title_after("v1.0.2") == "By hand"


async def test_a_version_on_trial_replaces_no_submission_until_it_is_the_current_one(
    state: PublishedState, promotions: Promotions
) -> None:
    async def waiting() -> str:
        return str((await state.do("submissions.waiting_of", worker.id)).version)

    await publish(state, "a")
    await publish(state, "b", review=True)
    worker = await publish(state, "c", review=True, promote=False)
    assert await waiting() == "v1.0.2"
    await publish(state, "a", review=True, promote=False)
    assert await waiting() == "v1.0.2", "also when its files are approved"
    await publish(state, "d", review=True, promote=False, replace_waiting=True)
    assert await waiting() == "v1.0.5", "held for a reason that is not the author's choice"
    with pytest.raises(Refused, match="not approved"):
        await promotions.tag(ALICE, worker.id, "stable", "v1.0.3")
    await promotions.promote(ALICE, worker.id, "v1.0.3")
    assert await waiting() == "v1.0.3"


async def test_dependencies_of_shipped_workers_are_not_fetched_by_a_choice(
    state: PublishedState, promotions: Promotions
) -> None:
    for name, due in (("quotes", True), ("shipped", False)):
        worker = await state.worker(name)
        version = await state.version(worker)
        await promotions.promote(ALICE, worker.id, version.number)
        found = await state.do("environments.get", version.id)
        assert (found is not None) is due


async def test_a_choice_ends_with_its_version(
    state: PublishedState, promotions: Promotions
) -> None:
    for content in "abc":
        worker = await publish(state, content)
    await promotions.promote(ALICE, worker.id, "v1.0.1")
    set_state = "workers.set_version_state"
    await state.do(set_state, worker.id, "v1.0.1", VersionState.WITHDRAWN)
    assert await current(state, worker) == await current(state, worker, BOB) == "v1.0.3"
    with pytest.raises(Refused, match="restore it first"):
        await promotions.promote(ALICE, worker.id, "v1.0.1")
    await state.do(set_state, worker.id, "v1.0.1", VersionState.PUBLISHED)
    assert await current(state, worker) == "v1.0.3"
    with pytest.raises(UnknownVersion):
        await promotions.promote(ALICE, worker.id, "v9.0.0")
    with pytest.raises(Forbidden):
        await promotions.promote(BOB, worker.id, "v1.0.1")


async def test_a_preview_names_changes_and_tasks_without_a_version(
    state: PublishedState, promotions: Promotions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotion, "MAX_TASKS", 1)  # the newer one of them names a version
    for content in "ab":
        worker = await publish(state, content)
    follows = records.task(ALICE.account_id, worker.id)
    fixed = records.task(ALICE.account_id, worker.id, version="v1.0.1")
    for item in (follows, fixed):
        await state.do("tasks.add", item)
    preview = await promotions.preview(ALICE, worker.id, "v1.0.1")
    assert preview.before is not None and preview.before.number == "v1.0.2"
    assert {(change.kind.value, change.field) for change in preview.schema} == {
        ("added", "a"), ("removed", "b")
    }  # fmt: skip
    assert [item.task.id for item in preview.tasks] == [follows.id]
    assert (preview.tasks_total, preview.others) == (1, "")
    assert await current(state, worker) == "v1.0.2", "nothing was changed"


async def test_tasks_with_an_input_that_the_version_refuses_come_first(
    state: PublishedState, promotions: Promotions
) -> None:
    for content in "ab":
        worker = await publish(state, content, required=content == "b", promote=False)
    await promotions.tag(ALICE, worker.id, "stable", "v1.0.1")

    async def task(custom: dict[str, Any], version: str = "") -> Task:
        text = json.dumps({"parameters": {"custom": custom}})
        item = records.task(ALICE.account_id, worker.id, version=version, input_json=text)
        await state.do("tasks.add", item)
        return item

    breaks, mistyped = await task({}), await task({"b": 5})
    fits = await task({"b": "x"})
    tagged = await task({}, "stable")
    unknown = records.task(ALICE.account_id, worker.id, input_json="{}")
    await state.do("tasks.add", unknown)
    preview = await promotions.preview(ALICE, worker.id, "v1.0.2")
    assert [(item.task.id, item.refused, item.checked) for item in preview.tasks] == [
        (mistyped.id, ("T",), True), (breaks.id, ("T",), True),
        (unknown.id, (), False), (fits.id, (), True),
    ]  # fmt: skip
    total, [moved] = await promotions.moved(ALICE, worker.id, "Stable", "v1.0.2")
    assert (total, moved.task.id, moved.refused) == (1, tagged.id, ("T",))
    named = await promotions.tagged(ALICE, worker.id)
    assert named == {"stable": NamedTasks(1, {tagged.id: tagged.title})}
    versions = await state.read(lambda tx: tx.workers.versions(worker.id))
    assert await promotions.breaks(ALICE, worker.id, versions[0].input_schema) == 2
    await promotions.promote(ALICE, worker.id, "v1.0.2")
    assert await promotions.breaks(ALICE, worker.id, versions[0].input_schema) == 0, "already"
    with pytest.raises(TagTaken, match=r"v1\.0\.1 has the tag stable"):
        await promotions.tag(ALICE, worker.id, "stable", "v1.0.2", move=False)


async def test_a_withdrawal_names_the_next_current_version_and_the_tasks_it_stops(
    state: PublishedState, promotions: Promotions
) -> None:
    for content in "abc":
        worker = await publish(state, content, required=content == "c")
    await promotions.promote(ALICE, worker.id, "v1.0.1")
    await promotions.tag(ALICE, worker.id, "stable", "v1.0.1")
    follows, tagged, named, other = [
        records.task(
            ALICE.account_id,
            worker.id,
            version=version,
            input_json=json.dumps({"parameters": {"custom": {}}}),
        )
        for version in ("", "stable", "v1.0.1", "v1.0.2")
    ]
    for item in (follows, tagged, named, other):
        await state.do("tasks.add", item)
    preview = await promotions.preview_state(ALICE, worker.id, "v1.0.1", VersionState.WITHDRAWN)
    assert (preview.after, preview.others, preview.stopped_total) == ("v1.0.3", "v1.0.3", 2)
    assert {item.task.id for item in preview.stopped} == {tagged.id, named.id}
    assert preview.promotion is not None and preview.promotion.schema
    [following] = preview.promotion.tasks
    assert (following.task.id, following.refused) == (follows.id, ("T",))
    preview = await promotions.preview_state(ALICE, worker.id, "v1.0.1", VersionState.DEPRECATED)
    assert (preview.after, preview.stopped_total) == ("v1.0.3", 0), "it starts by its number"
    preview = await promotions.preview_state(ALICE, worker.id, "v1.0.2", VersionState.WITHDRAWN)
    assert (preview.after, preview.promotion) == ("v1.0.1", None)
    assert [item.task.id for item in preview.stopped] == [other.id]
    assert await current(state, worker) == "v1.0.1", "nothing was changed"
    with pytest.raises(Refused, match="published already"):
        await promotions.preview_state(ALICE, worker.id, "v1.0.1", VersionState.PUBLISHED)
    with pytest.raises(Forbidden):
        await promotions.preview_state(BOB, worker.id, "v1.0.1", VersionState.WITHDRAWN)


async def test_a_tag_names_one_version(state: PublishedState, promotions: Promotions) -> None:
    for content in "ab":
        worker = await publish(state, content)
    await promotions.tag(ALICE, worker.id, "Stable", "v1.0.1")
    await promotions.tag(ALICE, worker.id, "beta", "v1.0.2")
    for who in (ALICE, BOB):
        assert (await state.read(find_version, who, worker.id, "stable")).number == "v1.0.1"
    await promotions.tag(ALICE, worker.id, "stable", "v1.0.2")
    assert await state.do("workers.tags", worker.id) == {"beta": "v1.0.2", "stable": "v1.0.2"}
    await promotions.remove_tag(ALICE, worker.id, "stable")
    with pytest.raises(UnknownVersion):
        await state.read(find_version, ALICE, worker.id, "stable")
    with pytest.raises(NotFound):
        await promotions.remove_tag(ALICE, worker.id, "stable")
    with pytest.raises(Forbidden):
        await promotions.tag(BOB, worker.id, "stable", "v1.0.1")


@pytest.mark.parametrize(
    "tag", ["", "latest", "AUTO", "current", "v1", "v1.0.3", "1.0", "a b", "x" * 41]
)
def test_a_tag_cannot_be_mistaken_for_something_else(tag: str) -> None:
    with pytest.raises(InvalidRequest, match="beginning with a letter"):
        checked_tag(tag)
