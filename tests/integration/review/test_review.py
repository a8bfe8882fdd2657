"""The review that a version of an account needs before other accounts may use it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fyke.domain.review.service import DecidedAlready
from fyke.domain.runs.service import StartRequest
from fyke.errors import (
    Forbidden,
    InvalidFields,
    NotFound,
    UnknownVersion,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.model.account import Role
from fyke.model.run import Origin
from fyke.model.submission import SubmissionState
from support.app import App
from support.projects import python_project

pytestmark = pytest.mark.anyio
INPUT = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}


async def waiting(app: App) -> list[str]:
    _, views = await app.services.reviews.page(app.owner, waiting=True, offset=0, limit=50)
    return [view.submission.id for view in views]


async def the_one(app: App) -> str:
    [submission] = await waiting(app)
    return submission


async def test_a_waiting_version_is_visible_to_its_account_only_until_it_is_approved(
    app: App,
) -> None:
    services = app.services
    worker = await app.publish("prices", caller=app.other)
    assert (worker.public, worker.latest, worker.latest_approved) == (False, "v1.0.1", "")
    for caller in (None, replace(app.owner, operator=False)):
        with pytest.raises(WorkerNotFound):
            await services.workers.find(caller, worker.path)
        assert await services.catalog.page(caller, "prices", offset=0, limit=5) == (0, [])
    run = await services.runs.start(app.other, StartRequest(worker.id, None, INPUT, "", Origin.API))
    assert run.version == "v1.0.1"

    submission = await the_one(app)
    decided = await services.reviews.approve(app.owner, submission, " fine ")
    assert (decided.state, decided.reply) == (SubmissionState.APPROVED, "fine")
    visible = await services.workers.find(None, worker.path)
    assert (visible.public, visible.latest) == (True, "v1.0.1")
    assert [v.number for v in await services.workers.versions(None, worker.id)] == ["v1.0.1"]
    assert (await services.reviews.of_worker(app.other, worker.id))[0].decided_by


async def test_other_accounts_keep_the_last_approved_version(
    app: App,
) -> None:
    services = app.services
    worker = await app.publish("prices", caller=app.other)
    await services.reviews.approve(app.owner, await the_one(app))
    newer = await app.publish("prices", caller=app.other, main="print('two')\n")
    assert (newer.latest, newer.latest_approved) == ("v1.0.2", "v1.0.1")
    stranger = replace(app.owner, operator=False)
    visible = await services.workers.find(stranger, worker.id)
    assert visible.latest == "v1.0.1"
    assert (await services.workers.version(stranger, visible)).number == "v1.0.1"
    assert [v.number for v in await services.workers.versions(stranger, worker.id)] == ["v1.0.1"]
    with pytest.raises(UnknownVersion, match=r"v1\.0\.2.*the latest is v1\.0\.1"):
        await services.workers.version(stranger, visible, "v1.0.2")
    _, [listed] = await services.catalog.page(stranger, "prices", offset=0, limit=5)
    assert listed.latest == "v1.0.1"
    run = await services.runs.start(stranger, StartRequest(worker.id, None, INPUT, "", Origin.API))
    assert run.version == "v1.0.1"
    own = await services.workers.find(app.other, worker.id)
    assert (await services.workers.version(app.other, own)).number == "v1.0.2"


async def test_the_operator_publishes_directly_and_private_workers_need_no_review(
    app: App,
) -> None:
    own_worker = await app.publish("mine")
    assert (own_worker.public, own_worker.latest_approved) == (True, "v1.0.1")
    await app.publish("secret", caller=app.other, public=False)
    assert await waiting(app) == []


async def test_a_returned_version_stays_with_its_account_and_can_be_submitted_again(
    app: App,
) -> None:
    reviews = app.services.reviews
    worker = await app.publish("prices", caller=app.other)
    submission = await the_one(app)
    with pytest.raises(InvalidFields, match="describe what to change"):
        await reviews.send_back(app.owner, submission, "  ")
    await reviews.send_back(app.owner, submission, "Name the site in the README")
    [returned] = await reviews.of_worker(app.other, worker.id)
    assert (returned.state, returned.reply) == (
        SubmissionState.RETURNED,
        "Name the site in the README",
    )
    with pytest.raises(WorkerNotFound):
        await app.services.workers.find(None, worker.id)
    resubmitted = await reviews.share(app.other, worker.id, "", "It is in the title")
    assert resubmitted is not None and resubmitted.state is SubmissionState.WAITING
    view = await reviews.get(app.owner, resubmitted.id)
    assert (view.submission.note, view.version.number) == ("It is in the title", "v1.0.1")


async def test_a_newer_version_replaces_the_waiting_one(app: App) -> None:
    worker = await app.publish("prices", caller=app.other)
    first = await the_one(app)
    await app.publish("prices", caller=app.other, main="print('two')\n")
    second = await the_one(app)
    assert first != second
    with pytest.raises(DecidedAlready, match="it was replaced"):
        await app.services.reviews.approve(app.owner, first)
    await app.services.reviews.take_back(app.other, worker.id)
    assert await waiting(app) == []
    with pytest.raises(NotFound, match="No version of this worker is waiting"):
        await app.services.reviews.take_back(app.other, worker.id)


async def test_the_second_of_two_reviewers_gets_the_decision_of_the_first(app: App) -> None:
    reviews = app.services.reviews
    await app.publish("prices", caller=app.other)
    submission = await the_one(app)
    results = await asyncio.gather(
        *(reviews.approve(app.owner, submission) for _ in range(4)),
        *(reviews.send_back(app.owner, submission, "no") for _ in range(4)),
        return_exceptions=True,
    )
    late = [result for result in results if isinstance(result, DecidedAlready)]
    assert len(late) == 7
    decided = (await reviews.get(app.owner, submission)).submission
    assert all(item.submission == decided for item in late)
    assert decided.decided_at and decided.decided_by


async def test_the_content_of_an_approved_version_is_approved_again(app: App) -> None:
    worker = await app.publish("prices", caller=app.other)
    await app.services.reviews.approve(app.owner, await the_one(app))
    await app.publish("prices", caller=app.other, main="print('two')\n")
    await app.services.reviews.take_back(app.other, worker.id)
    back = await app.publish("prices", caller=app.other)
    assert (back.latest, back.latest_approved) == ("v1.0.3", "v1.0.3")
    assert await waiting(app) == []


async def test_making_a_worker_private_withdraws_its_submission(app: App) -> None:
    services = app.services
    worker = await app.publish("prices", caller=app.other)
    await services.reviews.approve(app.owner, await the_one(app))
    await app.publish("prices", caller=app.other, main="print('two')\n")
    await services.reviews.unshare(app.other, worker.id)
    assert await waiting(app) == []
    with pytest.raises(WorkerNotFound):
        await services.workers.find(None, worker.id)
    assert await services.reviews.share(app.other, worker.id, "v1.0.1") is None
    assert (await services.workers.find(None, worker.id)).latest == "v1.0.1"


async def test_a_withdrawn_version_cannot_be_approved(app: App) -> None:
    worker = await app.publish("prices", caller=app.other)
    submission = await the_one(app)
    await app.withdraw(worker, "v1.0.1")
    with pytest.raises(VersionUnavailable, match=r"version v1\.0\.1 was withdrawn$"):
        await app.services.reviews.approve(app.owner, submission)
    await app.services.reviews.send_back(app.owner, submission, "you withdrew it")


async def test_the_reviewer_runs_a_sample_and_sees_its_state(app: App) -> None:
    services = app.services
    worker = await app.publish("prices", caller=app.other)
    submission = await the_one(app)
    assert (await services.workers.find(app.owner, worker.id)).id == worker.id
    run = await services.reviews.sample(app.owner, submission, INPUT)
    assert (run.account_id, run.origin) == (app.owner.account_id, Origin.TEST)
    await app.execute([{"a": 1}])
    view = await services.reviews.get(app.owner, submission)
    assert view.submission.sample_run_id == run.id
    assert view.sample_state is not None and view.sample_state.value == "succeeded"
    await services.reviews.send_back(app.owner, submission, "no")
    with pytest.raises(DecidedAlready):
        await services.reviews.sample(app.owner, submission, INPUT)
    with pytest.raises(WorkerNotFound):
        await services.workers.find(app.owner, worker.id)


async def test_each_role_has_its_permissions_in_a_review(app: App) -> None:
    reviews = app.services.reviews
    worker = await app.publish("prices", caller=app.other)
    submission = await the_one(app)
    for call in (
        reviews.approve(app.other, submission),
        reviews.send_back(app.other, submission, "x"),
        reviews.sample(app.other, submission, INPUT),
        reviews.page(app.other, waiting=True, offset=0, limit=5),
        reviews.approve(replace(app.owner, role=Role.VIEWER), submission),
        reviews.share(replace(app.other, role=Role.VIEWER), worker.id),
        reviews.share(app.owner, worker.id),
    ):
        with pytest.raises(Forbidden):
            await call
    assert (await reviews.get(app.other, submission)).submission.id == submission
    stranger = replace(app.other, account_id=app.owner.account_id, operator=False)
    with pytest.raises(NotFound):
        await reviews.get(stranger, submission)
    assert (await reviews.waiting(app.owner), await reviews.waiting(app.other)) == (1, 0)


async def test_publishing_reports_that_a_version_waits(app: App) -> None:
    _, version, findings = await app.services.workers.publish(
        app.other, python_project("print(1)\n"), name="prices", public=True
    )
    [notice] = [finding for finding in findings if finding.code == "review_waiting"]
    assert version.number in notice.message
