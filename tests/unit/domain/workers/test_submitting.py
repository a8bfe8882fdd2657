"""Publishing a version to all accounts: at once, or once a reviewer has approved it."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.workers.submitting import share, take_back, waiting_finding
from fyke.model.submission import Submission, SubmissionState
from fyke.model.worker import Version, VersionState, Worker
from support.published import PublishedState

pytestmark = pytest.mark.anyio


async def share_version(
    state: PublishedState, worker: Worker, version: Version, *, review: bool, **more: Any
) -> Submission | None:
    found = await state.do("workers.get", worker.id)
    return await state.write(lambda tx: share(tx, found, version, required=review, **more))


async def approved_numbers(state: PublishedState, worker: Worker) -> list[str]:
    versions = await state.do("workers.versions", worker.id)
    return sorted(version.number for version in versions if version.approved)


async def is_public(state: PublishedState, worker: Worker) -> bool:
    return bool((await state.do("workers.get", worker.id)).public)


async def state_of(state: PublishedState, submission: Submission) -> SubmissionState:
    return (await state.do("submissions.get", submission.id)).state  # type: ignore[no-any-return]


async def test_without_a_review_every_published_version_is_approved(state: PublishedState) -> None:
    worker = await state.worker()
    await state.version(worker, "v1.0.1", approved=False)
    await state.version(worker, "v1.0.2", approved=False, state=VersionState.DRAFT)
    version = await state.version(worker, "v1.0.3", approved=False)
    assert await share_version(state, worker, version, review=False) is None
    assert await approved_numbers(state, worker) == ["v1.0.1", "v1.0.3"]
    assert await is_public(state, worker)


async def test_before_a_review_nothing_changes_for_other_accounts(state: PublishedState) -> None:
    worker = await state.worker()
    version = await state.version(worker, approved=False)
    waiting = await share_version(state, worker, version, review=True, note="Please")
    assert waiting is not None
    assert (waiting.version, waiting.note, waiting.state) == (
        "v1.0.1",
        "Please",
        SubmissionState.WAITING,
    )
    assert waiting.account_id == worker.account_id
    assert await state.do("submissions.waiting_of", worker.id) == waiting
    assert await approved_numbers(state, worker) == []
    assert not await is_public(state, worker)


async def test_a_version_is_submitted_once_and_a_newer_one_replaces_it(
    state: PublishedState,
) -> None:
    worker = await state.worker()
    first = await state.version(worker, "v1.0.1", approved=False)
    waiting = await share_version(state, worker, first, review=True)
    assert waiting is not None
    assert await share_version(state, worker, first, review=True) == waiting
    second = await state.version(worker, "v1.0.2", approved=False)
    newer = await share_version(state, worker, second, review=True)
    assert newer is not None
    assert await state.do("submissions.waiting_of", worker.id) == newer
    assert await state_of(state, waiting) is SubmissionState.REPLACED


async def test_the_content_of_an_approved_version_needs_no_review(state: PublishedState) -> None:
    worker = await state.worker()
    await state.version(worker, "v1.0.1", digest="a")
    waits = await state.version(worker, "v1.0.2", digest="b", approved=False)
    submission = await share_version(state, worker, waits, review=True)
    assert submission is not None
    again = await state.version(worker, "v1.0.3", digest="a", approved=False)
    assert await share_version(state, worker, again, review=True) is None
    assert await approved_numbers(state, worker) == ["v1.0.1", "v1.0.3"]
    assert await is_public(state, worker)
    assert await state_of(state, submission) is SubmissionState.REPLACED


async def test_an_approved_version_makes_its_worker_public_again(state: PublishedState) -> None:
    worker = await state.worker()
    version = await state.version(worker)
    assert await share_version(state, worker, version, review=True) is None
    assert await is_public(state, worker)


async def test_only_waiting_submissions_can_be_withdrawn(state: PublishedState) -> None:
    worker = await state.worker()
    taken = SubmissionState.TAKEN_BACK
    assert not await state.write(lambda tx: take_back(tx, worker.id, taken))
    submission = await state.submit(worker)
    assert await state.write(lambda tx: take_back(tx, worker.id, taken))
    ended = await state.do("submissions.get", submission.id)
    assert ended.state is taken
    assert ended.decided_at > 0
    assert not await state.write(lambda tx: take_back(tx, worker.id, taken))


async def test_a_waiting_version_has_a_finding(state: PublishedState) -> None:
    finding = waiting_finding(await state.submit(await state.worker(), "v1.0.7"))
    assert (finding.severity, finding.code) == ("warning", "review_waiting")
    assert finding.message.startswith("version v1.0.7 waits for a review;")
    assert finding.remedy
