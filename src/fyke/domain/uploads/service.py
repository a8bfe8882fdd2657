"""Uploads: stored while they are checked, so that the user may leave the page and come back.

The server that received the upload checks it, and renews its claim in the meantime. When the server
stops, the claim expires, and the next server that reads the upload continues.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import structlog

from fyke.contracts.blobs import Blobs, BlobsRefused, Folder
from fyke.contracts.git import Git, GitFailed
from fyke.contracts.parsing import THOROUGH, ParserPool
from fyke.contracts.signals import Signals, upload_topic
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.rights import require_editor
from fyke.domain.review.service import ReviewStarter
from fyke.domain.runs.service import StartRequest
from fyke.domain.uploads.checking import check, failed, first_steps, with_step
from fyke.domain.workers.archive import MAX_PACKED
from fyke.domain.workers.lookup import find_own_worker
from fyke.domain.workers.naming import checked_name, name_from_title
from fyke.domain.workers.service import Workers
from fyke.errors import (
    BlobsAway,
    FykeError,
    InvalidRequest,
    NotFound,
    RateLimited,
    Refused,
    TooComplex,
    Unavailable,
    WorkerNotFound,
)
from fyke.kit.fair_semaphore import FairSemaphore
from fyke.kit.ids import is_ulid, new_ulid
from fyke.model.account import Caller
from fyke.model.run import Origin, Run
from fyke.model.upload import (
    FETCH,
    UNPACK,
    GitSource,
    StepState,
    Upload,
    UploadSource,
    UploadState,
)
from fyke.model.worker import Finding, Version, Worker

log = structlog.get_logger()

CLAIM_MS = 20_000  # how long a claim is valid without renewal
RENEW_SECONDS = 5.0
MAX_CONCURRENT = 2  # uploads that one server checks at the same time, at most one of an account
MAX_UPLOADS = 100  # of one account
KEEP_MS = 14 * 24 * 3600 * 1000
_ACTION = "Uploading workers"


def blob_name(upload_id: str) -> str:
    """The name of the blob of an upload's archive."""
    return f"{Folder.UPLOADS}/{upload_id.lower()}"


class _Removed(Exception):
    """The upload was removed while it was checked."""


class Uploads:
    """The uploads of all accounts; each account can read only its own. ``close`` it at the end."""

    def __init__(
        self,
        storage: Storage,
        blobs: Blobs,
        parsers: ParserPool,
        workers: Workers,
        runs: ReviewStarter,
        git: Git,
        signals: Signals,
        *,
        check_seconds: float = THOROUGH.seconds,
    ) -> None:
        self._storage = storage
        self._blobs = blobs
        self._parsers = parsers
        self._workers = workers
        self._runs = runs
        self._git = git
        self._signals = signals
        self._check_seconds = check_seconds
        self._slots = FairSemaphore(MAX_CONCURRENT)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Stop all checks; the next server that reads an upload continues."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- adding ----------------------------------------------------------------------------

    async def add_zip(self, caller: Caller, data: bytes, label: str, *, worker: str = "") -> Upload:
        """Store an archive and start checking it. ``worker``: the caller's worker that is to get
        it as a version. Raise ``InvalidRequest``, ``Forbidden``, ``WorkerNotFound``, ``Refused``
        when the account has too many uploads, and ``BlobsRefused``.
        """
        require_editor(caller, _ACTION)
        if not data:
            raise InvalidRequest("is empty; choose the ZIP of the project", field="file")
        if len(data) > MAX_PACKED:
            raise InvalidRequest(
                f"has {len(data):,} bytes, at most {MAX_PACKED:,} are allowed; leave out "
                "dependencies and build products",
                field="file",
            )
        file_name = "".join(c for c in label if c.isprintable()).strip()[:200] or "project.zip"
        worker_id = (await self.target(caller, worker)).id if worker else ""
        upload = replace(
            _new(caller, UploadSource.ZIP, file_name), size=len(data), worker_id=worker_id
        )
        await self._check_count(caller)
        await self._workers.require_place()
        await self._blobs.put(blob_name(upload.id), data)
        return await self._begin(upload)

    async def target(self, caller: Caller, ref: str) -> Worker:
        """The caller's worker that is to get an upload as a version. Raise ``WorkerNotFound``, and
        ``Forbidden`` for one of another account.
        """
        return await self._storage.read(
            lambda tx: find_own_worker(tx, caller, ref, "publish versions of it")
        )

    async def add_git(self, caller: Caller, source: GitSource, *, worker: str = "") -> Upload:
        """Start fetching and checking a repository. Raise the errors of ``add_zip``."""
        require_editor(caller, _ACTION)
        self._git.check(source)
        await self._check_count(caller)
        await self._workers.require_place()
        worker_id = (await self.target(caller, worker)).id if worker else ""
        upload = replace(
            _new(caller, UploadSource.GIT, source.url.strip()),
            worker_id=worker_id,
            git_url=source.url.strip(),
            git_ref=source.ref.strip(),
            git_folder=source.folder.strip(),
        )
        return await self._begin(upload)

    async def git_problem(self) -> str:
        """Why no repository can be fetched here, or ``""``."""
        return await self._git.unavailable_reason()

    async def restart(self, caller: Caller, upload_id: str) -> Upload:
        """Repeat all steps, after a failure or to fetch a newer commit. Raise ``NotFound``,
        ``Forbidden``, ``Refused`` while it is checked or after it was published.
        """
        require_editor(caller, _ACTION)

        def work(tx: Transaction) -> Upload:
            upload = _own(tx, caller, upload_id)
            if upload.state.in_progress or upload.state is UploadState.PUBLISHED:
                raise Refused(f"this upload is {upload.state.value}; add a new upload instead")
            fresh = replace(
                upload,
                state=UploadState.QUEUED,
                steps=first_steps(upload.source),
                findings=(),
                digest="",
                egress=None,
                builds=False,
                git_commit="",
                working_until=0,
                updated_at=tx.now,
            )
            tx.uploads.update(fresh)
            tx.notify(upload_topic(upload.id))
            return fresh

        upload = await self._storage.write(work)
        self._process(upload)
        return upload

    async def _check_count(self, caller: Caller) -> None:
        count, _ = await self.page(caller, offset=0, limit=1)
        if count >= MAX_UPLOADS:
            raise Refused(f"an account has at most {MAX_UPLOADS} uploads; remove some")

    async def _begin(self, upload: Upload) -> Upload:
        def work(tx: Transaction) -> Upload:
            dated = replace(upload, created_at=tx.now, updated_at=tx.now)
            tx.uploads.add(dated)
            return dated

        stored = await self._storage.write(work)
        self._process(stored)
        return stored

    # --- reading and removing --------------------------------------------------------------

    async def get(self, caller: Caller, upload_id: str) -> Upload:
        """The upload and its progress. Raise ``NotFound``, also for another account's upload."""
        upload, now = await self._storage.read(lambda tx: (_own(tx, caller, upload_id), tx.now))
        if upload.state.in_progress and upload.working_until < now:
            self._process(upload)
        return upload

    async def page(self, caller: Caller, *, offset: int, limit: int) -> tuple[int, list[Upload]]:
        """Total count and one page, newest first."""
        return await self._storage.read(
            lambda tx: tx.uploads.of_account(caller.account_id, offset=offset, limit=limit)
        )

    async def follow(self, caller: Caller, upload_id: str) -> AsyncIterator[Upload]:
        """Yield the upload, and again after every change, until its checks have ended."""
        async with self._signals.listen() as listener:
            last: Upload | None = None
            while True:
                upload = await self.get(caller, upload_id)
                if upload != last:
                    yield upload
                if not upload.state.in_progress:
                    return
                last = upload
                await listener.wait(frozenset({upload_topic(upload_id)}), 2.0)

    async def remove(self, caller: Caller, upload_id: str) -> None:
        """Remove an upload; a published version stays. Raise ``NotFound``, ``Forbidden``."""
        require_editor(caller, _ACTION)

        def work(tx: Transaction) -> None:
            tx.uploads.delete(_own(tx, caller, upload_id).id)
            tx.notify(upload_topic(upload_id))

        await self._storage.write(work)
        await self._drop(upload_id)

    async def remove_old(self) -> int:
        """Remove uploads that are older than ``KEEP_MS``; return how many."""
        old = await self._storage.read(lambda tx: tx.uploads.older_than(tx.now - KEEP_MS, 100))
        for upload in old:
            await self._storage.write(partial(_delete, upload))
            await self._drop(upload.id)
        return len(old)

    async def _drop(self, upload_id: str) -> None:
        await self._blobs.delete(blob_name(upload_id))

    # --- publishing and testing ------------------------------------------------------------

    async def publish(
        self,
        caller: Caller,
        upload_id: str,
        *,
        name: str = "",
        title: str = "",
        public: bool | None = None,
        note: str = "",
        new: bool = False,
        worker: str = "",
        promote: bool = True,
        replace_waiting: bool | None = None,
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish an upload as the next version of the caller's worker ``worker`` (a reference) or
        ``name``; by default of the one that it was uploaded for or tested with, unless that is
        deleted, otherwise it is named after its title. ``new``, ``promote`` and
        ``replace_waiting``: as in ``Workers.publish``. Raise ``Refused`` unless its checks have
        passed, and the errors of ``Workers.publish``.
        """
        upload = await self.get(caller, upload_id)
        data = await self._checked_data(caller, upload_id)
        if not name and not worker:
            known = await self._known_target(caller, upload)
            worker = known.id if known else ""
        published, version, findings = await self._workers.publish(
            caller,
            data,
            name=name or None,
            title=title or None,
            public=public,
            note=note,
            new=new,
            ref=worker,
            promote=promote,
            replace_waiting=replace_waiting,
        )
        await self._note(caller, upload_id, published.id, version.number, published=True)
        return published, version, findings

    async def test_run(self, caller: Caller, upload_id: str, input: object, name: str = "") -> Run:
        """Start a run of an upload, as a draft that only this account can read. Raise ``Refused``
        unless its checks have passed, and the errors of a start.
        """
        upload = await self.get(caller, upload_id)
        data = await self._checked_data(caller, upload_id)
        known = None if name else await self._known_target(caller, upload)
        if known is not None:
            worker_name = known.name
        else:
            title = upload.title or upload.label
            worker_name = checked_name(name) if name else name_from_title(title)
        draft = await self._workers.draft(caller, data, name=worker_name)
        await self._note(caller, upload_id, draft.worker.id, draft.version.number)

        def in_transaction(tx: Transaction, run: Run) -> None:
            current = tx.uploads.get(upload_id)
            if current is not None:
                tx.uploads.update(replace(current, test_run_id=run.id, updated_at=tx.now))

        return await self._runs.start(
            caller,
            StartRequest(
                worker_ref=draft.worker.id,
                version=draft.version.number,
                input=input,
                callback_url="",
                origin=Origin.TEST,
                in_transaction=in_transaction,
            ),
        )

    async def _known_target(self, caller: Caller, upload: Upload) -> Worker | None:
        """The worker that an upload was uploaded for or tested with, None if it is deleted."""
        if not upload.worker_id:
            return None
        try:
            return await self.target(caller, upload.worker_id)
        except WorkerNotFound:
            return None

    async def _checked_data(self, caller: Caller, upload_id: str) -> bytes:
        require_editor(caller, _ACTION)
        upload = await self.get(caller, upload_id)
        if upload.state not in (UploadState.READY, UploadState.PUBLISHED):
            raise Refused(
                f"this upload is {upload.state.value}; only one whose checks have passed can be "
                "tested and published"
            )
        try:
            return await self._blobs.get(blob_name(upload_id))
        except FileNotFoundError:
            raise NotFound("The files of this upload were deleted; upload them again") from None

    async def _note(
        self,
        caller: Caller,
        upload_id: str,
        worker_id: str,
        number: str,
        *,
        published: bool = False,
    ) -> None:
        def work(tx: Transaction) -> None:
            upload = _own(tx, caller, upload_id)
            state = UploadState.PUBLISHED if published else upload.state
            tx.uploads.update(
                replace(upload, worker_id=worker_id, version=number, state=state, updated_at=tx.now)
            )

        await self._storage.write(work)

    # --- processing ------------------------------------------------------------------------

    def _process(self, upload: Upload) -> None:
        """Process the upload in a task, unless this server does so already."""
        if upload.id not in self._tasks:
            task = asyncio.create_task(self._claim_and_process(upload.id, upload.account_id))
            self._tasks[upload.id] = task
            task.add_done_callback(lambda _: self._tasks.pop(upload.id, None))

    async def _claim_and_process(self, upload_id: str, account_id: str) -> None:
        async with self._slots.slot(account_id):
            try:
                upload = await self._storage.write(
                    lambda tx: tx.uploads.claim(upload_id, tx.now, tx.now + CLAIM_MS)
                )
            except Unavailable:
                return  # the next server that reads it continues
            if upload is None:
                return
            processing = _Processing(
                self._storage,
                self._blobs,
                self._parsers,
                self._workers,
                self._git,
                upload,
                self._check_seconds,
            )
            try:
                await processing.run()
            except _Removed:
                await self._drop(upload_id)
            except Exception as error:
                if isinstance(error, BlobsAway):  # an outage, of which a traceback says nothing
                    log.warning("upload_failed", upload=upload_id, error=str(error))
                else:
                    log.exception("upload_failed", upload=upload_id)
                reason = "an internal error occurred on the server; try again"
                if isinstance(error, BlobsRefused):
                    reason = error.message
                with contextlib.suppress(FykeError, _Removed):
                    await processing.fail(reason)


class _Processing:
    """The processing of one upload."""

    def __init__(
        self,
        storage: Storage,
        blobs: Blobs,
        parsers: ParserPool,
        workers: Workers,
        git: Git,
        upload: Upload,
        check_seconds: float,
    ) -> None:
        self._storage = storage
        self._blobs = blobs
        self._parsers = parsers
        self._workers = workers
        self._git = git
        self._upload = upload
        self._check_seconds = check_seconds
        self._reporting = asyncio.Lock()

    async def run(self) -> None:
        renewal = asyncio.create_task(self._renew())
        try:
            data = await self._data()
            if data is not None:
                await self._check(data)
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)

    async def _check(self, data: bytes) -> None:
        """Run the checks, within the limits of the pool and a deadline."""
        limits = replace(THOROUGH, seconds=self._check_seconds)
        try:
            checked = await self._parsers.run_steps(
                self._upload.account_id,
                check,
                self._upload,
                data,
                on_item=self._report,
                limits=limits,
            )
        except TooComplex:
            await self.fail(
                f"the checks took more than {self._check_seconds:g} s, or too much processor time "
                "or memory; make the project smaller or try again"
            )
        except RateLimited as error:
            await self.fail(f"{error.message}; try again")
        else:
            await self._report(checked)

    async def fail(self, reason: str) -> None:
        """End the upload with a failure in the current step."""
        names = [s.name for s in self._upload.steps if s.state is StepState.RUNNING] or [UNPACK]
        await self._report(failed(self._upload, names[0], reason))

    async def _data(self) -> bytes | None:
        """The archive; None after a failure, which is then reported already."""
        if self._upload.source is UploadSource.ZIP:
            try:
                return await self._blobs.get(blob_name(self._upload.id))
            except FileNotFoundError:
                await self.fail("the archive was deleted; upload it again")
                return None
        await self._report(with_step(self._upload, FETCH, StepState.RUNNING))
        messages: list[str] = []
        try:
            fetched = await self._git.fetch(self._upload.git, messages.append)
        except (GitFailed, InvalidRequest) as error:
            await self.fail(str(error))
            return None
        await self._workers.require_place()  # a repetition comes this way too
        await self._blobs.put(blob_name(self._upload.id), fetched.archive)
        left_out = [line for line in messages if line.endswith("left out")]
        note = "; ".join([f"commit {fetched.commit[:12]}", *left_out])
        state = StepState.WARNED if left_out else StepState.PASSED
        upload = replace(self._upload, git_commit=fetched.commit)
        await self._report(with_step(upload, FETCH, state, note))
        return fetched.archive

    async def _report(self, upload: Upload | None) -> None:
        """Store the progress, or with None that of before, with a new claim."""
        async with self._reporting:  # a renewal must not store an earlier state afterwards
            await self._store(upload or self._upload)

    async def _store(self, upload: Upload) -> None:
        def work(tx: Transaction) -> Upload:
            until = tx.now + CLAIM_MS if upload.state.in_progress else 0
            dated = replace(upload, updated_at=tx.now, working_until=until)
            if not tx.uploads.update(dated):
                raise _Removed
            tx.notify(upload_topic(upload.id))
            return dated

        self._upload = await self._storage.write(work)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._report(None)


def _delete(upload: Upload, tx: Transaction) -> None:
    tx.uploads.delete(upload.id)


def _own(tx: Transaction, caller: Caller, upload_id: str) -> Upload:
    upload = tx.uploads.get(upload_id) if is_ulid(upload_id) else None
    if upload is None or upload.account_id != caller.account_id:
        raise NotFound("Upload does not exist")
    return upload


def _new(caller: Caller, source: UploadSource, label: str) -> Upload:
    return Upload(
        id=new_ulid(),
        account_id=caller.account_id,
        source=source,
        state=UploadState.QUEUED,
        label=label,
        steps=first_steps(source),
    )
