"""Where the blobs of an installation are: what the start refuses, and how they are copied."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.app import blobs as module
from fyke.app.blob_place import MARK
from fyke.app.blobs import (
    Copied,
    check_blobs,
    copy_blobs,
    folder_blobs,
    needed_blobs,
    open_blobs,
    place_check,
)
from fyke.app.folder import make_home
from fyke.app.state import open_state
from fyke.contracts.blobs import BlobsRefused
from fyke.contracts.state import Transaction
from fyke.errors import Conflict, Unavailable
from fyke.kit.ids import new_ulid
from fyke.model.upload import Upload, UploadSource, UploadState
from fyke.settings import Settings
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.blobs.s3 import S3Blobs
from support import records
from support.prepared import rows_in, state_in
from support.s3_servers import MotoApp, S3Server, moto_server, s3_settings
from support.sealed import sealed_run_in

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[S3Server, MotoApp]]:
    with moto_server() as started:
        yield started


@pytest.fixture
def in_folder(tmp_path: Path) -> Settings:
    """An installation with its blobs in its folder."""
    settings = Settings(home=tmp_path / "home")
    make_home(settings)
    state_in(settings.home)
    rows_in(settings.home)
    return settings


@pytest.fixture
def in_s3(in_folder: Settings, moto: tuple[S3Server, MotoApp]) -> Settings:
    """The same one with its blobs in S3."""
    return moved(in_folder, moto[0])


def moved(settings: Settings, server: S3Server) -> Settings:
    """The settings with another, empty place in S3."""
    return Settings(**s3_settings(settings.home, server))


async def names(settings: Settings) -> set[str]:
    return {blob.name async for blob in open_blobs(settings).walk()}


async def check(settings: Settings) -> list[str]:
    reports: list[str] = []
    async with open_state(settings) as storage:
        await check_blobs(settings, storage, reports.append)
    return reports


async def test_the_settings_choose_the_storage(in_folder: Settings, in_s3: Settings) -> None:
    assert isinstance(open_blobs(in_folder), FilesystemBlobs)
    assert isinstance(open_blobs(in_s3), S3Blobs)
    half = in_s3.model_copy(update={"s3_key_id": ""})
    with pytest.raises(Conflict, match="s3_key_id and s3_secret belong together"):
        open_blobs(half)


async def test_the_missing_package_is_named(
    in_s3: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "fyke.storage.blobs.s3")
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(Conflict, match=r"install .*whl\[s3\]\""):
        open_blobs(in_s3)


async def test_a_start_with_blobs_in_the_folder_stores_nothing(in_folder: Settings) -> None:
    assert await check(in_folder) == []
    assert await names(in_folder) == set()


async def test_the_first_start_claims_the_place(in_s3: Settings, in_folder: Settings) -> None:
    assert await check(in_s3) == []
    assert await names(in_s3) == {MARK}
    assert await check(in_s3) == []
    with pytest.raises(Conflict, match=rf"are in {in_s3.blobs_url}, and blobs_url is empty"):
        await check(in_folder)


async def test_the_place_of_another_installation_is_refused(
    in_s3: Settings, tmp_path: Path
) -> None:
    await check(in_s3)
    other = in_s3.model_copy(update={"home": tmp_path / "other"})
    make_home(other)
    state_in(other.home)
    rows_in(other.home)
    with pytest.raises(Conflict, match="has the blobs of another installation"):
        await check(other)


async def test_a_known_place_without_its_mark_is_refused(
    in_s3: Settings, moto: tuple[S3Server, MotoApp]
) -> None:
    """The bucket was emptied, or is one of the same name on another server."""
    await check(in_s3)
    own = await open_blobs(in_s3).get(MARK)
    await open_blobs(in_s3).delete(MARK)
    with pytest.raises(Conflict, match=f"{MARK} is missing. Set s3_endpoint.*--accept-missing"):
        await check(in_s3)
    assert await names(in_s3) == set()
    await open_blobs(in_s3).put(MARK, own)
    assert await check(in_s3) == []


async def test_nothing_is_published_to_a_place_that_was_emptied_meanwhile(
    in_s3: Settings, in_folder: Settings
) -> None:
    await check(in_s3)
    blobs = open_blobs(in_s3)
    async with open_state(in_s3) as storage:
        is_own = place_check(in_s3, storage, blobs)
        await is_own()
        await place_check(in_folder, storage, folder_blobs(in_folder))()
        await blobs.delete(MARK)
        with pytest.raises(BlobsRefused, match=f"{MARK} is missing.*--accept-missing") as refused:
            await is_own()
    assert str(refused.value).startswith("Nothing can be uploaded or published. ")


async def test_blobs_in_the_folder_have_to_be_copied_first(
    in_folder: Settings, in_s3: Settings
) -> None:
    await folder_blobs(in_folder).put("bundles/a", b"data")
    with pytest.raises(Conflict, match="fyke db copy-blobs"):
        await check(in_s3)
    copied = await copy_blobs(in_s3)
    assert (copied.source, copied.target) == (str(in_folder.blobs_dir), in_s3.blobs_url)
    assert (copied.blobs, copied.bytes) == (1, 4)
    assert await check(in_s3) == []
    assert await open_blobs(in_s3).get("bundles/a") == b"data"
    assert await copy_blobs(in_s3) == Copied(in_s3.blobs_url, in_s3.blobs_url, 0, 0)


async def add_version(settings: Settings, digest: str) -> None:
    account = records.account()
    worker = records.worker(account.id)

    def work(tx: Transaction) -> None:
        tx.accounts.add(account)
        tx.workers.add(worker)
        tx.workers.add_version(records.version(worker.id, digest=digest))

    async with open_state(settings) as storage:
        await storage.write(work)


async def add_upload(settings: Settings, state: UploadState) -> str:
    upload = Upload(new_ulid(), "account", UploadSource.ZIP, state, "project.zip", ())

    def work(tx: Transaction) -> None:
        tx.accounts.add(replace(records.account(), id="account"))
        tx.uploads.add(upload)

    async with open_state(settings) as storage:
        await storage.write(work)
    return f"uploads/{upload.id.lower()}"


@pytest.mark.parametrize("state", [UploadState.READY, UploadState.PUBLISHED])
async def test_uploads_that_can_be_published_are_needed(
    in_folder: Settings, in_s3: Settings, state: UploadState
) -> None:
    name = await add_upload(in_folder, state)
    with pytest.raises(Conflict, match="fyke db copy-blobs"):
        await check(in_s3)
    with pytest.raises(Conflict, match=f"lacks 1 of the blobs .*{name}"):
        await copy_blobs(in_s3)


async def test_uploads_that_cannot_be_published_are_not_needed(
    in_folder: Settings, in_s3: Settings
) -> None:
    await add_upload(in_folder, UploadState.FAULTY)
    assert await check(in_s3) == []


async def test_a_file_without_a_name_is_not_copied(in_folder: Settings, in_s3: Settings) -> None:
    """A sealed run has lost its seal; the check of the database reports it."""
    await sealed_run_in(in_folder.home, "run", "attempt")
    with closing(sqlite3.connect(in_folder.home / "rows.db")) as connection, connection:
        connection.execute("DELETE FROM results_seals")
    assert "" not in needed_blobs(in_folder)
    assert (await copy_blobs(in_s3)).blobs == 1


async def test_a_database_that_cannot_be_read_is_unavailable(
    in_folder: Settings, in_s3: Settings
) -> None:
    (in_folder.home / "rows.db").write_bytes(b"no database" * 100)
    for work in (check, copy_blobs):
        with pytest.raises(Unavailable, match=r"The database cannot be read: .*not a database"):
            await work(in_s3)


def test_before_the_first_start_nothing_is_needed(tmp_path: Path) -> None:
    assert needed_blobs(Settings(home=tmp_path)) == set()
    assert list(tmp_path.iterdir()) == []


async def test_a_server_that_went_back_to_its_folder_is_named(in_s3: Settings) -> None:
    await check(in_s3)
    async with open_state(in_s3) as storage:
        await module._change_place(storage, in_s3.blobs_url, "")
        with pytest.raises(Conflict, match="has put the blobs in its data folder"):
            await module._change_place(storage, in_s3.blobs_url, "s3://other")


async def test_blobs_in_the_folders_of_several_servers_are_copied_from_each(
    in_folder: Settings, in_s3: Settings, tmp_path: Path
) -> None:
    """They have one database; here its file is moved between the folders."""
    await add_version(in_folder, "a" * 64)
    with pytest.raises(Conflict, match="fyke db copy-blobs"):
        await check(in_s3)
    with pytest.raises(Conflict, match=f"lacks 1 of the blobs .*bundles/{'a' * 64}"):
        await copy_blobs(in_s3)
    with pytest.raises(Conflict, match="fyke db copy-blobs"):
        await check(in_s3)
    second = in_s3.model_copy(update={"home": tmp_path / "second"})
    in_folder.home.rename(second.home)
    await folder_blobs(second).put(f"bundles/{'a' * 64}", b"data")
    assert (await copy_blobs(second)).blobs == 1
    assert await check(second) == []


async def test_blobs_that_are_lost_can_be_accepted(in_folder: Settings, in_s3: Settings) -> None:
    await add_version(in_folder, "a" * 64)
    assert (await copy_blobs(in_s3, accept_missing=True)).blobs == 0
    assert await check(in_s3) == []


async def test_two_servers_that_start_first_agree_on_the_place(
    in_s3: Settings, moto: tuple[S3Server, MotoApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    other, try_place = moved(in_s3, moto[0]), S3Blobs.check

    async def late(blobs: S3Blobs) -> None:
        monkeypatch.setattr(S3Blobs, "check", try_place)
        await check(other)

    monkeypatch.setattr(S3Blobs, "check", late)
    with pytest.raises(Conflict, match=f"has put the blobs in {other.blobs_url}"):
        await check(in_s3)
    assert await check(other) == []


async def test_blobs_are_copied_back_and_to_another_place(
    in_s3: Settings, moto: tuple[S3Server, MotoApp]
) -> None:
    await check(in_s3)
    await open_blobs(in_s3).put("rows/a", b"data")
    other = moved(in_s3, moto[0])
    await copy_blobs(other)
    assert await names(other) == {MARK, "rows/a"}
    back = other.model_copy(update={"blobs_url": ""})
    await copy_blobs(back)
    assert await names(back) == {"rows/a"}
    assert await check(back) == []


async def test_only_own_blobs_are_copied_out_of_the_root_of_a_bucket(
    in_s3: Settings, moto: tuple[S3Server, MotoApp]
) -> None:
    """The new place is in the same bucket, among the objects of others."""
    moto[0].client().create_bucket(Bucket="whole")
    root, below = (
        in_s3.model_copy(update={"blobs_url": f"s3://whole{prefix}"}) for prefix in ("", "/bundles")
    )
    await check(root)
    for name in ("bundles/a", "bundles/of/others", "others/b"):
        await open_blobs(root).put(name, b"data")
    assert (await copy_blobs(below)).blobs == 1
    assert await names(below) == {MARK, "a", "of/others", "bundles/a"}  # two are of the root
    assert (await copy_blobs(root)).blobs == 0


async def test_nothing_is_copied_from_another_server(
    in_s3: Settings, moto: tuple[S3Server, MotoApp]
) -> None:
    """The settings have the address of the new server, where the old place is missing or empty."""
    await check(in_s3)
    await open_blobs(in_s3).put("rows/a", b"data")
    own = await open_blobs(in_s3).get(MARK)
    await open_blobs(in_s3).delete(MARK)  # what the new server answers
    other = moved(in_s3, moto[0])
    for there in (other, other.model_copy(update={"blobs_url": ""})):
        with pytest.raises(Conflict, match=f"{MARK} is missing.*set those of the old one"):
            await copy_blobs(there)
    await open_blobs(in_s3).put(MARK, own)
    assert (await copy_blobs(in_s3)).blobs == 0
    assert await check(in_s3) == []
    assert (await copy_blobs(other)).blobs == 1


async def lost(settings: Settings) -> bytes:
    """Delete all objects of the place; return the mark."""
    blobs = open_blobs(settings)
    mark = await blobs.get(MARK)
    for name in await names(settings):
        await blobs.delete(name)
    return mark


async def test_a_replica_of_a_lost_place_becomes_the_place(
    in_folder: Settings, in_s3: Settings, moto: tuple[S3Server, MotoApp]
) -> None:
    await add_version(in_folder, "a" * 64)
    await folder_blobs(in_folder).put(f"bundles/{'a' * 64}", b"data")
    await copy_blobs(in_s3)
    mark, replica = await lost(in_s3), moved(in_s3, moto[0])
    await open_blobs(replica).put(f"bundles/{'a' * 64}", b"data")
    with pytest.raises(Conflict, match="If the old place is lost"):
        await copy_blobs(replica)
    await open_blobs(replica).put(MARK, mark)
    await open_blobs(replica).delete(f"bundles/{'a' * 64}")
    with pytest.raises(Conflict, match="If the old place is lost"):
        await copy_blobs(replica)
    await open_blobs(replica).put(f"bundles/{'a' * 64}", b"data")
    copied = await copy_blobs(replica)
    assert copied.blobs == 0 and f"{MARK} is missing" in copied.unread
    assert await check(replica) == []


async def test_an_installation_starts_without_a_lost_place_if_that_is_accepted(
    in_folder: Settings, in_s3: Settings, moto: tuple[S3Server, MotoApp]
) -> None:
    await check(in_s3)
    await add_version(in_folder, "a" * 64)
    await lost(in_s3)
    other = moved(in_s3, moto[0])
    for there in (other, in_folder):
        with pytest.raises(Conflict, match="If the old place is lost"):
            await copy_blobs(there)
    copied = await copy_blobs(other, accept_missing=True)
    assert copied.missing == (f"bundles/{'a' * 64}",)
    assert await check(other) == []
    await lost(other)
    await copy_blobs(in_folder, accept_missing=True)
    assert await check(in_folder) == []


async def test_what_an_emptied_place_has_got_since_is_copied(
    in_folder: Settings, in_s3: Settings, moto: tuple[S3Server, MotoApp]
) -> None:
    await check(in_s3)
    await add_version(in_folder, "a" * 64)
    upload = await add_upload(in_folder, UploadState.READY)
    await lost(in_s3)
    icon = f"icons/{'a' * 16}/{'b' * 32}.png"  # only the text of a Worker's address refers to it
    for name in (upload, icon, "rows/not-needed", "icons/bundles/of-a-place-below"):
        await open_blobs(in_s3).put(name, b"data")
    other = moved(in_s3, moto[0])
    copied = await copy_blobs(other, accept_missing=True)
    assert await names(other) == {MARK, upload, icon}
    assert (copied.blobs, copied.missing) == (2, (f"bundles/{'a' * 64}",))
    assert f"{MARK} is missing" in copied.unread


async def test_an_emptied_place_that_stays_is_marked_again(
    in_folder: Settings, in_s3: Settings
) -> None:
    await check(in_s3)
    await add_version(in_folder, "a" * 64)
    mark = await lost(in_s3)
    with pytest.raises(Conflict, match="fyke db copy-blobs --accept-missing"):
        await copy_blobs(in_s3)
    copied = await copy_blobs(in_s3, accept_missing=True)
    assert copied.source == copied.target == in_s3.blobs_url and copied.marked
    assert copied.missing == (f"bundles/{'a' * 64}",)
    assert await open_blobs(in_s3).get(MARK) == mark
    assert await check(in_s3) == []
    assert not (await copy_blobs(in_s3, accept_missing=True)).marked
    await open_blobs(in_s3).put(MARK, b"another")
    with pytest.raises(Conflict, match="of another installation"):
        await copy_blobs(in_s3, accept_missing=True)


async def test_what_is_left_in_a_folder_is_copied_to_the_place(
    in_folder: Settings, in_s3: Settings
) -> None:
    """Another server has changed the place, or this is the second of several folders."""
    await check(in_s3)
    await folder_blobs(in_folder).put("uploads/a", b"data")
    await folder_blobs(in_folder).put("uploads/b", b"older")
    await open_blobs(in_s3).put("uploads/b", b"of the same upload, newer")
    copied = await copy_blobs(in_s3)
    assert (copied.source, copied.target) == (str(in_folder.blobs_dir), in_s3.blobs_url)
    assert copied.blobs == 1 and await open_blobs(in_s3).get("uploads/a") == b"data"
    assert (await open_blobs(in_s3).get("uploads/b")).endswith(b"newer")
    assert (await copy_blobs(in_s3)).source == in_s3.blobs_url
    await open_blobs(in_s3).delete(MARK)
    with pytest.raises(Conflict, match=f"{MARK} is missing.*one S3 server"):
        await copy_blobs(in_s3)


async def test_a_first_start_that_is_refused_leaves_no_mark(
    in_s3: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: S3Blobs) -> None:
        raise BlobsRefused("it answered AccessDenied")

    with monkeypatch.context() as patches:
        patches.setattr(S3Blobs, "check", refuse)
        with pytest.raises(Conflict, match="AccessDenied"):
            await check(in_s3)
    assert await names(in_s3) == set()


async def test_an_interrupted_copy_is_continued(
    in_folder: Settings, in_s3: Settings, moto: tuple[S3Server, MotoApp]
) -> None:
    for name in ("bundles/a", "bundles/b"):
        await folder_blobs(in_folder).put(name, b"data")
    await open_blobs(in_s3).put("bundles/a", b"data")
    await open_blobs(in_s3).put("bundles/b", b"da")
    assert (await copy_blobs(in_s3)).blobs == 1
    assert await open_blobs(in_s3).get("bundles/b") == b"data"


async def test_an_outage_prevents_only_the_first_start(
    in_s3: Settings, moto: tuple[S3Server, MotoApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = in_s3.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})
    with pytest.raises(Conflict, match="it cannot be reached"):
        await check(away)
    await check(in_s3)
    [report] = await check(away)
    assert "it cannot be reached at http://127.0.0.1:1. Fyke starts nevertheless" in report

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.01)
    monkeypatch.setattr(S3Blobs, "check", hang)
    [report] = await check(in_s3)
    assert "no answer in time. Fyke starts nevertheless" in report


async def test_what_is_refused_prevents_each_start(
    in_s3: Settings, moto: tuple[S3Server, MotoApp]
) -> None:
    await check(in_s3)
    moto[1].failures[:] = ["403 Forbidden"]
    with pytest.raises(Conflict, match="it answered with status 403"):
        await check(in_s3)
