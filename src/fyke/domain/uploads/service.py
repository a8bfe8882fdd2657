"""Uploads: stored while they are checked, so that the user may leave the page and come back.

The server that received the upload checks it, and renews its claim meanwhile. When the server
stops, the claim expires, and the next server that reads the upload continues.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import structlog

from fyke.contracts.blobs import Blobs
from fyke.contracts.git import Git, GitFailed
from fyke.contracts.signals import Signals, upload_topic
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.rights import require_editor
from fyke.domain.review.service import ReviewStarter
from fyke.domain.runs.service import StartRequest
from fyke.domain.uploads.checking import Checking, failed, first_steps, with_step
from fyke.domain.uploads.turns import Turns
from fyke.domain.workers.archive import MAX_PACKED
from fyke.domain.workers.naming import checked_name, name_from_title
from fyke.domain.workers.service import Workers
from fyke.errors import FykeError, InvalidRequest, NotFound, Refused, Unavailable
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
AT_ONCE = 2  # checked at the same time by one server, one of an account
CHECK_SECONDS = 120.0  # that the checks of one upload may take
MAX_UPLOADS = 100  # that one account may keep
KEEP_MS = 14 * 24 * 3600 * 1000
_UPLOADING = "Uploading workers"


def blob_name(upload_id: str) -> str:
    """The name of the blob of an upload's archive."""
    return f"uploads/{upload_id.lower()}"


class _Gone(Exception):
    """The upload was removed while it was checked."""


class Uploads:
    """The uploads of all accounts, each seen only by its own. ``close`` it at the end."""

    def __init__(
        self,
        storage: Storage,
        blobs: Blobs,
        workers: Workers,
        runs: ReviewStarter,
        git: Git,
        signals: Signals,
        *,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._storage = storage
        self._blobs = blobs
        self._workers = workers
        self._runs = runs
        self._git = git
        self._signals = signals
        self._check_seconds = check_seconds
        self._turns = Turns(AT_ONCE)
        self._working: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Stop all checks; the next server that reads an upload continues."""
        tasks = list(self._working.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- coming in -------------------------------------------------------------------------

    async def add_zip(self, caller: Caller, data: bytes, label: str) -> Upload:
        """Store an archive and start checking it. Raise ``InvalidRequest``, ``Forbidden``,
        ``Refused`` when the account has too many uploads.
        """
        require_editor(caller, _UPLOADING)
        if not data:
            raise InvalidRequest("is empty; choose the ZIP of the project", field="file")
        if len(data) > MAX_PACKED:
            raise InvalidRequest(
                f"has {len(data):,} bytes, at most {MAX_PACKED:,} are allowed; leave out "
                "dependencies and build products",
                field="file",
            )
        shown = "".join(c for c in label if c.isprintable()).strip()[:200] or "project.zip"
        upload = replace(_new(caller, UploadSource.ZIP, shown), size=len(data))
        await self._refuse_many(caller)
        await self._blobs.put(blob_name(upload.id), data)
        return await self._begin(upload)

    async def add_git(self, caller: Caller, source: GitSource) -> Upload:
        """Start fetching and checking a repository. Raise as ``add_zip``."""
        require_editor(caller, _UPLOADING)
        self._git.check(source)
        await self._refuse_many(caller)
        upload = replace(
            _new(caller, UploadSource.GIT, source.url.strip()),
            git_url=source.url.strip(),
            git_ref=source.ref.strip(),
            git_folder=source.folder.strip(),
        )
        return await self._begin(upload)

    async def without_git(self) -> str:
        """Why no repository can be fetched here, or ``""``."""
        return await self._git.unavailable_reason()

    async def again(self, caller: Caller, upload_id: str) -> Upload:
        """Repeat all steps, after a failure or to fetch a newer commit."""
        require_editor(caller, _UPLOADING)

        def work(tx: Transaction) -> Upload:
            upload = _own(tx, caller, upload_id)
            if upload.state.in_progress or upload.state is UploadState.PUBLISHED:
                raise Refused(f"this upload is {upload.state.value}; upload anew instead")
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
        self._go_on(upload)
        return upload

    async def _refuse_many(self, caller: Caller) -> None:
        count, _ = await self.page(caller, offset=0, limit=1)
        if count >= MAX_UPLOADS:
            raise Refused(f"your account keeps {count} uploads, at most {MAX_UPLOADS}; remove some")

    async def _begin(self, upload: Upload) -> Upload:
        def work(tx: Transaction) -> Upload:
            dated = replace(upload, created_at=tx.now, updated_at=tx.now)
            tx.uploads.add(dated)
            return dated

        made = await self._storage.write(work)
        self._go_on(made)
        return made

    # --- looking ---------------------------------------------------------------------------

    async def get(self, caller: Caller, upload_id: str) -> Upload:
        """The upload and its progress. Raise ``NotFound``, including for another account's."""
        upload, now = await self._storage.read(lambda tx: (_own(tx, caller, upload_id), tx.now))
        if upload.state.in_progress and upload.working_until < now:
            self._go_on(upload)
        return upload

    async def page(self, caller: Caller, *, offset: int, limit: int) -> tuple[int, list[Upload]]:
        """Total count and one page, newest first."""
        return await self._storage.read(
            lambda tx: tx.uploads.of_account(caller.account_id, offset=offset, limit=limit)
        )

    async def follow(self, caller: Caller, upload_id: str) -> AsyncIterator[Upload]:
        """Yield the upload, and again after every change, until its checks have ended."""
        async with self._signals.listen() as listener:
            seen: Upload | None = None
            while True:
                upload = await self.get(caller, upload_id)
                if upload != seen:
                    yield upload
                if not upload.state.in_progress:
                    return
                seen = upload
                await listener.wait(frozenset({upload_topic(upload_id)}), 2.0)

    async def remove(self, caller: Caller, upload_id: str) -> None:
        """Remove it; a version published from it stays. Raise ``NotFound``."""
        require_editor(caller, _UPLOADING)

        def work(tx: Transaction) -> None:
            tx.uploads.delete(_own(tx, caller, upload_id).id)
            tx.notify(upload_topic(upload_id))

        await self._storage.write(work)
        await self._drop(upload_id)

    async def remove_old(self) -> int:
        """Remove uploads that were not published for two weeks; return how many."""
        old = await self._storage.read(lambda tx: tx.uploads.older_than(tx.now - KEEP_MS, 100))
        for upload in old:
            await self._storage.write(partial(_delete, upload))
            await self._drop(upload.id)
        return len(old)

    async def _drop(self, upload_id: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            await self._blobs.delete(blob_name(upload_id))

    # --- what it is for --------------------------------------------------------------------

    async def publish(
        self,
        caller: Caller,
        upload_id: str,
        *,
        name: str = "",
        title: str = "",
        public: bool | None = None,
        note: str = "",
    ) -> tuple[Worker, Version, list[Finding]]:
        """Publish it as the next version of the caller's worker ``name``, or of the one named after
        its title. Raise ``Refused`` unless its checks have passed, else as ``Workers.publish``.
        """
        data = await self._checked_data(caller, upload_id)
        worker, version, findings = await self._workers.publish(
            caller, data, name=name or None, title=title or None, public=public, note=note
        )
        await self._note(caller, upload_id, worker.id, version.number, published=True)
        return worker, version, findings

    async def try_out(self, caller: Caller, upload_id: str, input: object, name: str = "") -> Run:
        """Run it once as a draft that only this account can see. Raise as a start."""
        upload = await self.get(caller, upload_id)
        data = await self._checked_data(caller, upload_id)
        wanted = checked_name(name) if name else ""
        made = await self._workers.draft(
            caller, data, name=wanted or name_from_title(upload.title or upload.label)
        )
        await self._note(caller, upload_id, made.worker.id, made.version.number)

        def also(tx: Transaction, run: Run) -> None:
            kept = tx.uploads.get(upload_id)
            if kept is not None:
                tx.uploads.update(replace(kept, test_run_id=run.id, updated_at=tx.now))

        return await self._runs.start(
            caller,
            StartRequest(
                worker_ref=made.worker.id,
                version=made.version.number,
                input=input,
                callback_url="",
                origin=Origin.TEST,
                also=also,
            ),
        )

    async def _checked_data(self, caller: Caller, upload_id: str) -> bytes:
        require_editor(caller, _UPLOADING)
        upload = await self.get(caller, upload_id)
        if upload.state not in (UploadState.READY, UploadState.PUBLISHED):
            raise Refused(
                f"this upload is {upload.state.value}; only one whose checks have passed can be "
                "tried out and published"
            )
        try:
            return await self._blobs.get(blob_name(upload_id))
        except FileNotFoundError:
            raise NotFound("The files of this upload are gone; upload them again") from None

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

    # --- the work --------------------------------------------------------------------------

    def _go_on(self, upload: Upload) -> None:
        if upload.id not in self._working:
            task = asyncio.create_task(self._work(upload.id, upload.account_id))
            self._working[upload.id] = task
            task.add_done_callback(lambda _: self._working.pop(upload.id, None))

    async def _work(self, upload_id: str, account_id: str) -> None:
        async with self._turns.of(account_id):
            try:
                upload = await self._storage.write(
                    lambda tx: tx.uploads.claim(upload_id, tx.now, tx.now + CLAIM_MS)
                )
            except Unavailable:
                return  # the next server that reads it continues
            if upload is None:
                return
            work = _Work(self._storage, self._blobs, self._git, upload, self._check_seconds)
            try:
                await work.do()
            except _Gone:
                await self._drop(upload_id)
            except Exception:
                log.exception("upload_failed", upload=upload_id)
                with contextlib.suppress(FykeError, _Gone):
                    await work.fail("something went wrong on the server; try again")


class _Work:
    """The processing of one upload."""

    def __init__(
        self, storage: Storage, blobs: Blobs, git: Git, upload: Upload, check_seconds: float
    ) -> None:
        self._storage = storage
        self._blobs = blobs
        self._git = git
        self._upload = upload
        self._check_seconds = check_seconds

    async def do(self) -> None:
        renewing = asyncio.create_task(self._renew())
        try:
            data = await self._data()
            if data is not None:
                await self._check(data)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _check(self, data: bytes) -> None:
        """A check that exceeds the deadline continues in its thread until it reads the archive
        again, which is closed by then.
        """
        try:
            async with asyncio.timeout(self._check_seconds):
                checked = await Checking(self._report).run(self._upload, data)
        except TimeoutError:
            await self.fail(
                f"the checks took more than {self._check_seconds:g} s; make the project smaller "
                "or try again"
            )
        else:
            await self._report(checked)

    async def fail(self, why: str) -> None:
        """End it with a failure in the present step."""
        names = [s.name for s in self._upload.steps if s.state is StepState.RUNNING] or [UNPACK]
        await self._report(failed(self._upload, names[0], why))

    async def _data(self) -> bytes | None:
        """The archive; None when there is none, which is then reported already."""
        if self._upload.source is UploadSource.ZIP:
            try:
                return await self._blobs.get(blob_name(self._upload.id))
            except FileNotFoundError:
                await self.fail("the archive is gone; upload it again")
                return None
        await self._report(with_step(self._upload, FETCH, StepState.RUNNING))
        said: list[str] = []
        try:
            fetched = await self._git.fetch(self._upload.git, said.append)
        except (GitFailed, InvalidRequest) as error:
            await self.fail(str(error))
            return None
        await self._blobs.put(blob_name(self._upload.id), fetched.archive)
        left_out = [line for line in said if line.endswith("left out")]
        note = "; ".join([f"commit {fetched.commit[:12]}", *left_out])
        state = StepState.WARNED if left_out else StepState.PASSED
        upload = replace(self._upload, git_commit=fetched.commit)
        await self._report(with_step(upload, FETCH, state, note))
        return fetched.archive

    async def _report(self, upload: Upload) -> None:
        def work(tx: Transaction) -> Upload:
            until = tx.now + CLAIM_MS if upload.state.in_progress else 0
            dated = replace(upload, updated_at=tx.now, working_until=until)
            if not tx.uploads.update(dated):
                raise _Gone
            tx.notify(upload_topic(upload.id))
            return dated

        self._upload = await self._storage.write(work)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._report(self._upload)


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
