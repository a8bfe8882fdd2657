"""The contract of the state: versions that wait for a review, and uploads."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.uploads.checking import first_steps
from fyke.errors import Conflict, WorkerNotFound
from fyke.model.submission import Submission, SubmissionState
from fyke.model.upload import StepState, Upload, UploadSource, UploadState, UploadStep
from fyke.model.worker import Finding, VersionState
from support import records

pytestmark = pytest.mark.anyio
State = Any
START = records.START


def submission(account: str, worker: str, **changes: Any) -> Submission:
    base = Submission(
        records.ordered_id(), account, worker, "1.0.0", SubmissionState.WAITING, "please", START
    )
    return replace(base, **changes)


def upload(account: str, **changes: Any) -> Upload:
    base = Upload(
        id=records.ordered_id(),
        account_id=account,
        source=UploadSource.GIT,
        state=UploadState.QUEUED,
        label="a\u00e9.zip",
        git_url="https://example.org/a",
        git_ref="main",
        steps=first_steps(UploadSource.GIT),
        created_at=START,
        updated_at=START,
    )
    return replace(base, **changes)


async def test_a_worker_has_one_waiting_submission(state: State) -> None:
    owner, worker = await state.write(records.seed)
    first = submission(owner, worker)
    await state.write(lambda tx: tx.submissions.add(first))
    assert await state.read(lambda tx: tx.submissions.get(first.id)) == first
    assert await state.read(lambda tx: tx.submissions.waiting_of(worker)) == first
    second = submission(owner, worker, version="1.0.1")
    with pytest.raises(Conflict):
        await state.write(lambda tx: tx.submissions.add(second))
    ended = replace(first, state=SubmissionState.RETURNED, decided_at=7, decided_by="ada")
    assert await state.write(lambda tx: tx.submissions.end(ended))
    assert not await state.write(lambda tx: tx.submissions.end(ended))
    assert await state.read(lambda tx: tx.submissions.waiting_of(worker)) is None
    await state.write(lambda tx: tx.submissions.add(second))
    assert await state.read(lambda tx: tx.submissions.of_worker(worker, 9)) == [second, ended]
    assert await state.read(lambda tx: tx.submissions.of_version(worker, "1.0.0")) == ended


async def test_one_of_several_concurrent_decisions_counts(state: State) -> None:
    owner, worker = await state.write(records.seed)
    waiting = submission(owner, worker)
    await state.write(lambda tx: tx.submissions.add(waiting))

    async def decide(number: int) -> bool:
        kind = SubmissionState.APPROVED if number % 2 else SubmissionState.RETURNED
        ended = replace(waiting, state=kind, decided_by=str(number), decided_at=number)
        was_ended: bool = await state.write(lambda tx: tx.submissions.end(ended))
        return was_ended

    assert sorted(await asyncio.gather(*map(decide, range(1, 9)))) == [False] * 7 + [True]


async def test_waiting_submissions_are_listed_oldest_first_and_the_rest_newest_first(
    state: State,
) -> None:
    def fill(tx: Transaction) -> list[Submission]:
        submissions = []
        for number in range(4):
            owner, worker = records.seed(tx)
            state = SubmissionState.WAITING if number < 2 else SubmissionState.APPROVED
            submissions.append(submission(owner, worker, state=state, created_at=START + number))
            tx.submissions.add(submissions[-1])
        return submissions

    a, b, c, d = await state.write(fill)
    waiting = [SubmissionState.WAITING]
    page = await state.read(lambda tx: tx.submissions.page(waiting, offset=0, limit=9))
    assert page == (2, [a, b])
    rest = [SubmissionState.APPROVED, SubmissionState.RETURNED]
    page = await state.read(lambda tx: tx.submissions.page(rest, offset=1, limit=9))
    assert page == (2, [c])
    await state.write(lambda tx: tx.submissions.note_sample(d.id, "R"))
    assert (await state.read(lambda tx: tx.submissions.get(d.id))).sample_run_id == "R"


async def test_other_accounts_get_the_newest_approved_version(state: State) -> None:
    owner, worker = await state.write(records.seed)

    def publish(tx: Transaction) -> None:
        tx.workers.add_version(records.version(worker, "1", approved=False))
        tx.workers.add_version(records.version(worker, "2", approved=False))
        draft = records.version(worker, "3", approved=False, state=VersionState.DRAFT)
        tx.workers.add_version(draft)

    def newest(tx: Transaction) -> tuple[str, str]:
        stored = tx.workers.get(worker)
        assert stored is not None
        return stored.latest, stored.latest_approved

    def found_by(account: str | None) -> Any:
        return lambda tx: tx.workers.search("", account_id=account, offset=0, limit=9)[0]

    await state.write(publish)
    assert await state.read(newest) == ("2", "")
    assert (await state.read(found_by(None)), await state.read(found_by(owner))) == (0, 1)
    await state.write(lambda tx: tx.workers.approve(worker, "1"))
    assert await state.read(newest) == ("2", "1")
    assert await state.read(found_by(None)) == 1
    await state.write(lambda tx: tx.workers.approve(worker, "2"))
    assert await state.read(newest) == ("2", "2")
    await state.write(lambda tx: tx.workers.set_version_state(worker, "2", VersionState.WITHDRAWN))
    assert await state.read(newest) == ("1", "1")


async def test_a_worker_is_locked_unless_it_is_deleted(state: State) -> None:
    _, worker = await state.write(records.seed)

    def choose(tx: Transaction) -> None:
        tx.workers.add_version(records.version(worker, "1"))
        tx.workers.add_version(records.version(worker, "2"))
        tx.workers.set_current(worker, own="1")

    def publish(tx: Transaction) -> tuple[str, str]:
        before = tx.workers.get(worker)
        assert before is not None
        return before.latest, tx.workers.lock(worker).latest

    await state.write(choose)
    assert await state.write(publish) == ("1", "1")
    await state.write(lambda tx: tx.workers.mark_deleted(worker, 7))
    with pytest.raises(WorkerNotFound):
        await state.write(publish)


async def test_an_upload_is_stored_with_its_steps_and_findings(state: State) -> None:
    owner, _ = await state.write(records.seed)
    an_upload = upload(owner)
    await state.write(lambda tx: tx.uploads.add(an_upload))
    assert await state.read(lambda tx: tx.uploads.get(an_upload.id)) == an_upload
    finding = Finding("error", "code", "main.py", 3, "it is \u4e2d", "fix it")
    changed = replace(
        an_upload,
        state=UploadState.FAULTY,
        steps=(UploadStep("code", StepState.FAILED, "x"),),
        findings=(finding,),
        size=9,
        egress=(),
    )
    assert await state.write(lambda tx: tx.uploads.update(changed))
    assert await state.read(lambda tx: tx.uploads.get(an_upload.id)) == changed
    newer = upload(owner, created_at=START + 1, egress=("a.example", "*.b.example"), builds=True)
    await state.write(lambda tx: tx.uploads.add(newer))
    page = await state.read(lambda tx: tx.uploads.of_account(owner, offset=0, limit=9))
    assert page == (2, [newer, changed])
    assert await state.read(lambda tx: tx.uploads.of_account("x", offset=0, limit=9)) == (0, [])
    assert await state.read(lambda tx: tx.uploads.older_than(START + 1, 9)) == [changed]
    assert await state.write(lambda tx: tx.uploads.delete(an_upload.id))
    assert not await state.write(lambda tx: tx.uploads.delete(an_upload.id))
    assert not await state.write(lambda tx: tx.uploads.update(changed))


async def test_one_server_processes_an_upload_until_its_claim_expires(state: State) -> None:
    owner, _ = await state.write(records.seed)
    an_upload = upload(owner)
    await state.write(lambda tx: tx.uploads.add(an_upload))

    async def claim(now: int) -> Upload | None:
        claimed: Upload | None = await state.write(
            lambda tx: tx.uploads.claim(an_upload.id, now, now + 9)
        )
        return claimed

    winners = [item for item in await asyncio.gather(*(claim(100) for _ in range(6))) if item]
    assert winners == [replace(an_upload, state=UploadState.WORKING, working_until=109)]
    assert await claim(109) is None
    assert await claim(110) is not None
    ready = replace(an_upload, state=UploadState.READY)
    await state.write(lambda tx: tx.uploads.update(ready))
    assert await claim(10_000) is None
