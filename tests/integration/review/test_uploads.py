"""Uploads from the file to a published version, with real storage and a real git server."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.blobs import BlobsRefused, Folder
from fyke.contracts.git import FetchedProject, GitFailed
from fyke.domain.runs.service import StartRequest
from fyke.domain.uploads.service import Uploads, blob_name
from fyke.errors import Forbidden, InvalidRequest, NotFound, Refused, UnknownVersion
from fyke.kit.addresses import AddressRules
from fyke.model.account import Role
from fyke.model.run import Origin
from fyke.model.upload import GitSource, StepState, Upload, UploadState
from fyke.model.worker import VersionState
from fyke.parsing.pools import ThreadPool
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support.app import SCHEMA, App, open_app
from support.git_sandboxes import sandboxed_git
from support.git_server import git_server, make_repository
from support.projects import python_project

pytestmark = [pytest.mark.anyio, pytest.mark.needs("git")]
MAIN = "from sdk import CoreSDK\n"
GOOD = python_project(MAIN, schema=SCHEMA, output=[{"name": "title", "type": "string"}])
INPUT = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}


async def finished(app: App, upload: Upload, caller: Any = None) -> Upload:
    """The upload after its checks have ended."""
    async for seen in app.services.uploads.follow(caller or app.other, upload.id):
        last = seen
    return last


def states(upload: Upload) -> dict[str, StepState]:
    return {step.name: step.state for step in upload.steps}


async def test_a_valid_project_passes_all_checks(app: App) -> None:
    uploads = app.services.uploads
    started = await uploads.add_zip(app.other, GOOD, "prices.zip")
    assert started.state is UploadState.QUEUED
    assert set(states(started).values()) == {StepState.WAITING}
    seen = [upload async for upload in uploads.follow(app.other, started.id)]
    assert seen[-1].state is UploadState.READY
    assert len(seen) > 1
    assert set(states(seen[-1]).values()) == {StepState.PASSED, StepState.WARNED}
    assert seen[-1].steps[0].name == "archive"
    notes = {step.name: step.note for step in seen[-1].steps}
    assert notes["entry"] == "main.py"
    assert notes["schemas"] == "2 input fields, 1 output column"
    assert seen[-1].digest and seen[-1].input_schema


async def test_a_finding_has_file_line_rule_and_remedy(app: App) -> None:
    bad = python_project("x = (\n", schema={"properties": [{"type": "string"}]})
    upload = await finished(app, await app.services.uploads.add_zip(app.other, bad, "bad.zip"))
    assert upload.state is UploadState.FAULTY
    assert states(upload)["code"] is StepState.FAILED
    by_code = {finding.code: finding for finding in upload.findings}
    syntax = by_code["python_syntax"]
    assert (syntax.file, syntax.line) == ("main.py", 1)
    assert "syntax error" in syntax.message and syntax.remedy
    assert "sdk_not_imported" not in by_code, (
        "a program that cannot be read gets that finding alone"
    )
    with pytest.raises(Refused, match="whose checks have passed"):
        await app.services.uploads.publish(app.other, upload.id)
    with pytest.raises(Refused, match="whose checks have passed"):
        await app.services.uploads.test_run(app.other, upload.id, INPUT)


async def test_a_file_that_is_not_an_archive_is_refused(app: App) -> None:
    upload = await finished(
        app, await app.services.uploads.add_zip(app.other, b"no zip", "x\n.zip")
    )
    assert (upload.state, upload.label) == (UploadState.FAULTY, "x.zip")
    assert states(upload)["archive"] is StepState.FAILED
    assert states(upload)["entry"] is StepState.SKIPPED
    assert upload.findings[0].code == "archive_unreadable"
    with pytest.raises(InvalidRequest, match="empty"):
        await app.services.uploads.add_zip(app.other, b"", "x.zip")


async def test_an_upload_is_published_and_available_to_others_after_a_review(app: App) -> None:
    uploads, reviews = app.services.uploads, app.services.reviews
    upload = await finished(app, await uploads.add_zip(app.other, GOOD, "prices.zip"))
    worker, version, findings = await uploads.publish(
        app.other, upload.id, name="prices", title="Prices", public=True, note="please"
    )
    assert (worker.path, worker.title, version.number) == ("other/prices", "Prices", "v1.0.1")
    assert "review_waiting" in {finding.code for finding in findings}
    stored = await uploads.get(app.other, upload.id)
    assert (stored.state, stored.worker_id, stored.version) == (
        UploadState.PUBLISHED,
        worker.id,
        "v1.0.1",
    )
    _, [view] = await reviews.page(app.owner, waiting=True, offset=0, limit=5)
    assert view.submission.note == "please"


async def test_a_test_run_uses_a_draft_that_only_its_account_sees(app: App) -> None:
    services = app.services
    upload = await finished(app, await services.uploads.add_zip(app.other, GOOD, "p.zip"))
    run = await services.uploads.test_run(app.other, upload.id, INPUT, "prices")
    assert (run.origin, run.version) == (Origin.TEST, "v1.0.1")
    await app.execute([{"title": "x"}])
    stored = await services.uploads.get(app.other, upload.id)
    assert (stored.test_run_id, stored.state) == (run.id, UploadState.READY)
    worker = await services.workers.find(app.other, "other/prices")
    assert (worker.latest, worker.public) == ("", False)
    [draft] = await services.workers.versions(app.other, worker.id)
    assert draft.state is VersionState.DRAFT
    with pytest.raises(UnknownVersion):
        await services.workers.version(app.owner, worker, "v1.0.1")
    second_run = await services.uploads.test_run(app.other, upload.id, INPUT, "prices")
    assert second_run.version == "v1.0.1"  # the same content is the same draft

    published, version, _ = await services.uploads.publish(app.other, upload.id, name="prices")
    assert (version.id, version.state) == (draft.id, VersionState.PUBLISHED)
    assert published.latest == "v1.0.1"
    started = await services.runs.start(
        app.other, StartRequest(worker.id, None, INPUT, "", Origin.API)
    )
    assert started.version == "v1.0.1"


async def test_without_a_name_an_upload_goes_to_its_worker_as_long_as_that_exists(
    app: App,
) -> None:
    uploads, removal = app.services.uploads, app.services.removal
    first = await finished(app, await uploads.add_zip(app.other, GOOD, "scraper.zip"))
    target, _, _ = await uploads.publish(app.other, first.id, name="prices")

    data = python_project(f"{MAIN}x = 1\n", schema=SCHEMA)
    upload = await uploads.add_zip(app.other, data, "scraper.zip", worker=target.id)
    upload = await finished(app, upload)
    run = await uploads.test_run(app.other, upload.id, INPUT)
    assert run.worker_id == target.id
    published, version, _ = await uploads.publish(app.other, upload.id)
    assert (published.id, version.number) == (target.id, "v1.0.2")

    again = await uploads.add_zip(app.other, data, "scraper.zip", worker=target.id)
    again = await finished(app, again)
    await removal.delete(app.other, target.id)
    run = await uploads.test_run(app.other, again.id, INPUT)
    made = await app.services.workers.find(app.other, run.worker_id)
    assert made.path == "other/scraper.zip" and made.id != target.id
    published, version, _ = await uploads.publish(app.other, again.id)
    assert (published.id, version.number) == (made.id, "v1.0.1")


async def test_each_role_has_its_permissions_for_uploads(app: App) -> None:
    uploads = app.services.uploads
    upload = await finished(app, await uploads.add_zip(app.other, GOOD, "prices.zip"))
    for ref in (upload.id, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "x"):
        with pytest.raises(NotFound):
            await uploads.get(app.owner, ref)
    viewer = replace(app.other, role=Role.VIEWER)
    assert (await uploads.get(viewer, upload.id)).id == upload.id
    for call in (
        uploads.add_zip(viewer, GOOD, "x.zip"),
        uploads.add_git(viewer, GitSource("https://example.com/a")),
        uploads.publish(viewer, upload.id),
        uploads.test_run(viewer, upload.id, INPUT),
        uploads.remove(viewer, upload.id),
    ):
        with pytest.raises(Forbidden):
            await call
    await uploads.remove(app.other, upload.id)
    assert await uploads.page(app.other, offset=0, limit=5) == (0, [])


class StuckGit:
    """Fetches never return; ``began`` is set by the first one."""

    def __init__(self) -> None:
        self.began = asyncio.Event()

    def check(self, source: GitSource) -> None:
        pass

    async def unavailable_reason(self) -> str:
        return ""

    async def fetch(self, source: GitSource, progress: Callable[[str], None]) -> FetchedProject:
        self.began.set()
        await asyncio.Event().wait()
        raise GitFailed("never")


class QuickGit(StuckGit):
    """Every repository contains the valid project."""

    async def fetch(self, source: GitSource, progress: Callable[[str], None]) -> FetchedProject:
        return FetchedProject(GOOD, "c" * 40)


def server(app: App, tmp_path: Path, git: Any, **options: Any) -> Uploads:
    """The uploads service of another server."""
    blobs, services = FilesystemBlobs(tmp_path / "blobs"), app.services
    return Uploads(
        app.storage,
        blobs,
        ThreadPool(),
        services.workers,
        services.runs,
        git,
        app.signals,
        **options,
    )


async def test_nothing_is_uploaded_to_a_storage_that_is_not_that_of_the_installation(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_emptied = True

    async def check_place() -> None:
        if is_emptied:
            raise BlobsRefused("it was emptied")

    async def end_of(uploads: Uploads, upload: Upload) -> Upload:
        return [seen async for seen in uploads.follow(app.other, upload.id)][-1]

    monkeypatch.setattr(app.services.workers, "_check_place", check_place)
    blobs = FilesystemBlobs(tmp_path / "blobs")
    before = [blob.name async for blob in blobs.walk(Folder.UPLOADS)]
    uploads = server(app, tmp_path, QuickGit())
    with pytest.raises(BlobsRefused, match="it was emptied"):
        await uploads.add_zip(app.other, GOOD, "prices.zip")
    with pytest.raises(BlobsRefused, match="it was emptied"):
        await uploads.add_git(app.other, GitSource("https://example.com/a"))
    assert await uploads.page(app.other, offset=0, limit=5) == (0, [])

    is_emptied = False
    upload = await end_of(uploads, await uploads.add_git(app.other, GitSource("https://a.example")))
    assert upload.state is UploadState.READY
    await uploads.remove(app.other, upload.id)
    upload = await uploads.add_git(app.other, GitSource("https://a.example"))
    is_emptied = True  # after it was accepted
    upload = await end_of(uploads, upload)
    assert "it was emptied" in {step.note for step in upload.steps}
    assert [blob.name async for blob in blobs.walk(Folder.UPLOADS)] == before
    await uploads.close()


async def test_uploads_of_one_account_do_not_delay_those_of_another(
    app: App, tmp_path: Path
) -> None:
    git = StuckGit()
    uploads = server(app, tmp_path, git)
    for _ in range(3):
        await uploads.add_git(app.other, GitSource("https://example.com/a"))
    await git.began.wait()
    upload = await uploads.add_zip(app.owner, GOOD, "prices.zip")
    async with asyncio.timeout(30):
        async for seen in uploads.follow(app.owner, upload.id):
            last = seen
    assert last.state is UploadState.READY
    await uploads.close()


async def test_checks_end_at_their_deadline(app: App, tmp_path: Path) -> None:
    uploads = server(app, tmp_path, QuickGit(), check_seconds=0)
    upload = await uploads.add_zip(app.other, GOOD, "prices.zip")
    last = await finished(app, upload)
    assert last.state is UploadState.FAILED
    assert "the checks took more than 0 s" in last.step("archive").note  # type: ignore[union-attr]
    await uploads.close()


async def test_another_server_continues_the_checks(app: App, tmp_path: Path) -> None:
    """The first server stops during the checks; its claim expires, and the next server finishes."""

    git = StuckGit()
    first, second = server(app, tmp_path, git), server(app, tmp_path, QuickGit())
    upload = await first.add_git(app.other, GitSource("https://example.com/a"))
    await git.began.wait()
    await second.get(app.other, upload.id)  # has no effect while the claim is valid
    assert (await second.get(app.other, upload.id)).state is UploadState.WORKING
    await first.close()

    def expire(tx: Any) -> None:
        stored = tx.uploads.get(upload.id)
        tx.uploads.update(replace(stored, working_until=1))

    await app.storage.write(expire)
    async for seen in second.follow(app.other, upload.id):
        last = seen
    assert (last.state, last.git_commit) == (UploadState.READY, "c" * 40)
    await second.close()


async def test_an_upload_removed_during_its_checks_leaves_no_files(
    app: App, tmp_path: Path
) -> None:
    uploads = app.services.uploads
    upload = await uploads.add_zip(app.other, GOOD, "prices.zip")
    await uploads.remove(app.other, upload.id)
    await uploads.close()
    assert not await FilesystemBlobs(tmp_path / "blobs").exists(blob_name(upload.id))


async def test_old_uploads_are_removed(app: App, tmp_path: Path) -> None:
    uploads = app.services.uploads
    upload = await finished(app, await uploads.add_zip(app.other, GOOD, "prices.zip"))
    assert await uploads.remove_old() == 0
    old = replace(upload, id="01ARZ3NDEKTSV4RRFFQ69G5FAV", created_at=1)
    await app.storage.write(lambda tx: tx.uploads.add(old))
    assert await uploads.remove_old() == 1
    assert (await uploads.page(app.other, offset=0, limit=5))[0] == 1


async def test_a_repository_becomes_a_published_version(tmp_path: Path, templates: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with git_server(tmp_path) as server:
        make_repository(server.root / "prices", files)
        rules = AddressRules([f"localhost:{server.port}"])
        git = sandboxed_git(rules, certificates=server.certificate)
        folder = tmp_path / "house"
        folder.mkdir()
        async with open_app(folder, templates, git=git) as app:
            uploads = app.services.uploads
            source = GitSource(f"{server.url}/prices/.git", "main")
            upload = await finished(app, await uploads.add_git(app.other, source))
            assert upload.state is UploadState.READY, upload.steps
            assert upload.step("fetch").note.startswith("commit ")  # type: ignore[union-attr]
            _, version, _ = await uploads.publish(app.other, upload.id, name="prices")
            assert version.number == "v1.0.1"

            wrong = GitSource(f"{server.url}/prices/.git", "nowhere")
            failed = await finished(app, await uploads.add_git(app.other, wrong))
            assert failed.state is UploadState.FAILED
            assert "no branch, tag or commit 'nowhere'" in failed.step("fetch").note  # type: ignore[union-attr]
            restarted = await finished(app, await uploads.restart(app.other, failed.id))
            assert restarted.state is UploadState.FAILED
            with pytest.raises(InvalidRequest, match="SSH is not supported"):
                await uploads.add_git(app.other, GitSource("git@github.com:a/b"))
        git.close()
