"""The transaction of a publication: the worker and version it writes, and their visibility."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.workers.builds import Builds
from fyke.domain.workers.page import PageChange
from fyke.domain.workers.publication import (
    PublishRequest,
    PublishResult,
    draft_transaction,
    make_private,
    publish_transaction,
    texts_to_read,
)
from fyke.domain.workers.suggested_page import suggestion_of
from fyke.errors import WorkerNotFound
from fyke.kit.clock import ManualClock
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.submission import SubmissionState
from fyke.model.worker import (
    BrowserNeed,
    EnvironmentState,
    Finding,
    Language,
    Project,
    SystemDefaults,
    VersionEnvironment,
    VersionFacts,
    VersionState,
)
from fyke.reasons import Reason, ReasonCode
from fyke.storage.sql.state.workers import SqlWorkers
from support.published import ALICE, OPERATOR, PublishedState

pytestmark = pytest.mark.anyio

REQUEST = PublishRequest("quotes")
FINDING = Finding("warning", "c", "main.py", 1, "m", "r")


def project(content: str, **changes: Any) -> Project:
    made = Project(
        language=Language.PYTHON,
        bundle=content.encode(),
        digest=content,
        input_schema='{"properties": []}',
        output_schema="",
        readme="",
        requirements="",
        title="Quotes",
        description="Finds them",
        findings=[FINDING],
    )
    return replace(made, **changes)


async def publish(
    state: PublishedState,
    content: str,
    request: PublishRequest = REQUEST,
    *,
    by: Caller = ALICE,
    review: bool = False,
    **changes: Any,
) -> PublishResult:
    if "readme" not in changes:  # as ``read_project`` finds title and description
        made = project(content, **changes)
        changes["readme"] = f"# {made.title}\n\n{made.description}\n"
    made = project(content, **changes)
    earlier = await state.read(texts_to_read, by, made, request)
    suggested = tuple(suggestion_of(it.id, it.readme, it.input_schema) for it in earlier)
    request = replace(request, suggested=suggested)
    return await state.write(publish_transaction(by, made, request, ManualClock(), review=review))


async def draft(state: PublishedState, content: str) -> PublishResult:
    return await state.write(draft_transaction(ALICE, project(content), REQUEST, ManualClock()))


async def numbers(state: PublishedState, worker_id: str) -> list[str]:
    return [version.number for version in await state.do("workers.versions", worker_id)]


async def test_the_first_publication_creates_a_private_worker_with_the_page_of_its_project(
    state: PublishedState,
) -> None:
    result = await publish(state, "a", egress=("example.org",), builds=True, secrets=("KEY",))
    assert (result.worker.path, result.worker.title) == ("alice/quotes", "Quotes")
    assert (result.worker.description, result.worker.public) == ("Finds them", False)
    assert (result.version.number, result.worker.latest) == ("v1.0.1", "v1.0.1")
    assert (result.version.state, result.version.approved) == (VersionState.PUBLISHED, True)
    assert (result.version.egress, result.version.builds) == (("example.org",), True)
    assert result.version.secrets == ("KEY",)
    assert result.submission is None
    facts = await state.do("worker_facts.of_versions", result.worker.id)
    assert facts == {"v1.0.1": VersionFacts(1, (FINDING,))}
    entries = await state.do("audit.page", ALICE.account_id, before=0, limit=9, action="")
    assert [(entry.action, entry.target, entry.detail) for entry in entries] == [
        (AuditAction.PUBLISHED, "alice/quotes", "v1.0.1")
    ]


async def test_a_project_without_a_title_gets_its_name_as_title_or_keeps_the_earlier_page(
    state: PublishedState,
) -> None:
    result = await publish(state, "a", title="", description="")
    assert (result.worker.title, result.worker.description) == ("quotes", "")
    await publish(state, "b", title="Two", description="Better")
    result = await publish(state, "c", title="", description="")
    assert (result.worker.title, result.worker.description) == ("Two", "Better")
    page = PageChange("Mine", "", categories=(3,))
    result = await publish(state, "d", PublishRequest("quotes", page=page))
    assert (result.worker.title, result.worker.description, result.worker.categories) == (
        "Mine", "", (3,)
    )  # fmt: skip


async def test_a_title_or_description_edited_by_hand_stays(state: PublishedState) -> None:
    result = await publish(state, "a")
    followed = await publish(state, "b", title="Two", description="Better")
    assert followed.worker.page == replace(result.worker.page, title="Two", description="Better")
    page = replace(followed.worker.page, title="Mine")
    await state.do("workers.update", result.worker.id, page, public=False)
    kept = await publish(state, "c", title="Three", description="Best")
    assert (kept.worker.title, kept.worker.description) == ("Mine", "Best")
    page = replace(kept.worker.page, description="My words")
    await state.do("workers.update", result.worker.id, page, public=False)
    kept = await publish(state, "d", title="Mine", description="Other")
    assert (kept.worker.title, kept.worker.description) == ("Mine", "My words")
    followed = await publish(state, "e", title="Five")  # the README had the same title before
    assert followed.worker.title == "Five"


async def test_what_earlier_versions_suggested_is_read_only_if_that_changes_anything(
    state: PublishedState,
) -> None:
    await publish(state, "a", title="quotes", description="")

    async def read_for(request: PublishRequest = REQUEST, **changes: Any) -> bool:
        made = project("b", **{"title": "quotes", "description": "", **changes})
        return bool(await state.read(texts_to_read, ALICE, made, request))

    assert not await read_for(PublishRequest("other"), title="Two")
    assert not await read_for(title="Two"), "the name is no title of its own"
    assert not await read_for(description="Better"), "there is none yet"
    await publish(state, "a", title="Two", description="Better")
    assert not await read_for(title="Two", description="Better")
    assert not await read_for(title="", description="")
    assert await read_for(title="Three") and await read_for(description="Best")
    given = PublishRequest("quotes", page=PageChange("Mine", "My words"))
    assert not await read_for(given, title="Three", description="Best")


async def test_publishing_the_content_of_the_latest_version_creates_no_version(
    state: PublishedState,
) -> None:
    first = await publish(state, "a")
    again = await publish(state, "a", title="New title")
    assert again.version == first.version
    assert again.worker.title == "New title"
    await publish(state, "b")
    back = await publish(state, "a")  # no longer the latest
    assert await numbers(state, first.worker.id) == ["v1.0.3", "v1.0.2", "v1.0.1"]
    assert back.version.number == "v1.0.3"


async def test_a_version_keeps_its_need_of_a_browser_and_gets_one_that_was_unknown(
    state: PublishedState,
) -> None:
    """An older release has published ``a``; a newer one knows more of the same files."""
    assert (await publish(state, "a")).version.browser is BrowserNeed.UNKNOWN
    need = BrowserNeed.OPTIONAL
    again = await publish(state, "a", browser=need)
    assert (again.version.number, again.version.browser) == ("v1.0.1", need)
    assert not again.version.browser_declared
    other = await publish(state, "b", browser=BrowserNeed.REQUIRED, browser_declared=True)
    assert other.version.browser is BrowserNeed.REQUIRED and other.version.browser_declared
    old = await state.read(lambda tx: tx.workers.version(again.worker.id, "v1.0.1"))
    assert old is not None and old.browser is need


async def test_a_new_version_inherits_the_run_options(state: PublishedState) -> None:
    first = await publish(state, "a")
    assert first.version.defaults == SystemDefaults()
    options = SystemDefaults(memory_mb=2048, timeout_s=60)
    await state.do("workers.set_defaults", first.worker.id, options)
    assert (await publish(state, "b")).version.defaults == options


async def test_a_worker_can_be_published_to_by_its_id_unless_deleted(state: PublishedState) -> None:
    first = await publish(state, "a")
    by_id = PublishRequest("other name", worker_id=first.worker.id)
    assert (await publish(state, "b", by_id)).worker.path == "alice/quotes"
    await state.do("workers.mark_deleted", first.worker.id, 5)
    for worker_id in (first.worker.id, new_ulid()):
        with pytest.raises(WorkerNotFound):
            await publish(state, "c", PublishRequest("quotes", worker_id=worker_id))


async def test_a_choice_that_is_made_meanwhile_is_kept(
    state: PublishedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publication waits for it where it locks the worker."""
    for content in "abc":
        worker = (await publish(state, content)).worker
    lock = SqlWorkers._lock

    def wait(workers: SqlWorkers, worker_id: str) -> None:
        monkeypatch.setattr(SqlWorkers, "_lock", lock)
        workers.set_current(worker_id, own="v1.0.2")

    monkeypatch.setattr(SqlWorkers, "_lock", wait)
    trial = replace(REQUEST, promote=False)
    assert (await publish(state, "d", trial)).worker.latest == "v1.0.2"
    assert worker.latest == "v1.0.3"


async def test_visibility_is_unchanged_unless_the_request_sets_it(state: PublishedState) -> None:
    assert not (await publish(state, "a")).worker.public
    assert (await publish(state, "b", PublishRequest("quotes", public=True))).worker.public
    assert (await publish(state, "c")).worker.public
    assert not (await publish(state, "d", PublishRequest("quotes", public=False))).worker.public


async def test_with_review_other_accounts_keep_the_approved_version(state: PublishedState) -> None:
    request = PublishRequest("quotes", public=True, note="Please")
    first = await publish(state, "a", request, review=True)
    assert first.submission is not None
    assert (first.submission.version, first.submission.note) == ("v1.0.1", "Please")
    assert (first.worker.public, first.version.approved) == (False, False)
    await state.do("workers.approve", first.worker.id, "v1.0.1")
    same = await publish(state, "a", request, review=True)
    assert (same.submission, same.worker.public) == (None, True)
    second = await publish(state, "b", review=True)  # the worker is public by now
    assert second.submission is not None
    assert (second.worker.latest, second.worker.latest_approved) == ("v1.0.2", "v1.0.1")


async def test_a_private_worker_and_the_operator_need_no_review(state: PublishedState) -> None:
    assert (await publish(state, "a", review=True)).submission is None
    result = await publish(state, "a", PublishRequest("own", public=True), by=OPERATOR, review=True)
    assert (result.submission, result.worker.public, result.version.approved) == (None, True, True)


async def test_making_a_worker_private_withdraws_its_submission(state: PublishedState) -> None:
    first = await publish(state, "a", PublishRequest("quotes", public=True), review=True)
    assert first.submission is not None
    await publish(state, "b", PublishRequest("quotes", public=False), review=True)
    ended = await state.do("submissions.get", first.submission.id)
    assert ended.state is SubmissionState.TAKEN_BACK
    shown = await publish(state, "a", PublishRequest("own", public=True))
    await state.write(lambda tx: make_private(tx, shown.worker))
    assert not (await state.do("workers.get", shown.worker.id)).public


async def test_only_its_own_account_sees_a_draft(state: PublishedState) -> None:
    made = await draft(state, "a")
    assert (made.version.state, made.version.approved) == (VersionState.DRAFT, False)
    stored = await state.do("workers.get", made.worker.id)
    assert (stored.latest, stored.public) == ("", False)
    again = await draft(state, "a")
    assert again.version.id == made.version.id
    other = await draft(state, "b")
    assert (other.worker.id, other.version.number) == (made.worker.id, "v1.0.2")


async def test_a_draft_with_known_content_is_the_existing_version_unless_withdrawn(
    state: PublishedState,
) -> None:
    result = await publish(state, "a")
    await publish(state, "b")
    assert (await draft(state, "a")).version.number == "v1.0.1"
    await state.withdraw(result.worker, "v1.0.1")
    assert (await draft(state, "a")).version.number == "v1.0.3"


async def test_publishing_the_newest_draft_keeps_its_number(state: PublishedState) -> None:
    await draft(state, "a")
    made = await draft(state, "b")
    result = await publish(state, "b")
    assert (result.version.id, result.version.state) == (made.version.id, VersionState.PUBLISHED)
    assert result.worker.latest == "v1.0.2"
    older = await publish(state, "a")  # a draft that is not the newest becomes a new version
    assert older.version.number == "v1.0.3"
    assert older.worker.latest == "v1.0.3"


async def test_a_published_draft_is_available_to_all_accounts_without_review(
    state: PublishedState,
) -> None:
    await draft(state, "a")
    result = await publish(state, "a", PublishRequest("quotes", public=True))
    assert (result.version.approved, result.worker.latest_approved) == (True, "v1.0.1")
    await draft(state, "b")
    waits = await publish(state, "b", review=True)
    assert waits.submission is not None
    assert waits.version.approved is False


async def test_a_published_version_is_to_be_prepared_and_a_draft_is_not(
    state: PublishedState,
) -> None:
    tested = await draft(state, "a")
    assert await state.do("environments.get", tested.version.id) is None
    published = await publish(state, "a")  # the draft
    due = VersionEnvironment(tested.version.id, EnvironmentState.PREPARING)
    assert published.version.id == due.version_id
    assert await state.do("environments.get", due.version_id) == due
    failed = replace(due, state=EnvironmentState.FAILED, reason=Reason(ReasonCode.INSTALL_TIMEOUT))
    await state.do("environments.put", failed)
    again = await publish(state, "a")  # the same content: the installation is repeated
    assert again.version == published.version
    assert await state.do("environments.get", due.version_id) == due
    newer = await publish(state, "b")
    assert (await state.do("environments.get", newer.version.id)).state is due.state


async def test_allowed_builds_are_tried_again(state: PublishedState) -> None:
    refused, other = await publish(state, "a", builds=True), await publish(state, "b")
    codes = {refused.version.id: ReasonCode.BUILDS_NOT_ALLOWED, other.version.id: ReasonCode.SIGNAL}
    for version_id, code in codes.items():
        failed = VersionEnvironment(version_id, EnvironmentState.FAILED, Reason(code))
        await state.do("environments.put", failed)
    for allowed in (False, True):
        await Builds(state.storage).allow(OPERATOR, refused.worker.id, allowed=allowed)
        found = await state.do("environments.get", refused.version.id)
        assert (found.state is EnvironmentState.PREPARING) is allowed
    found = await state.do("environments.get", other.version.id)
    assert found.state is EnvironmentState.FAILED
