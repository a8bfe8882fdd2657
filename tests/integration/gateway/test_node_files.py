"""Files of a node, over a real gateway: whole, and with the right digest, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.blobs import BlobsAway
from fyke.domain.runs.last_pages import page_blob
from fyke.errors import InvalidRequest, StaleLease, Unavailable, VersionUnavailable
from fyke.gateway import file_session
from fyke.kit.clock import ManualClock, SystemClock
from fyke.link import files as remote_files
from fyke.link.files import RemoteFiles
from fyke.model.last_page import LastPage, PageContent, PageFile, PageFileKind
from fyke.model.node import EnvironmentPlace, RunnableVersion
from fyke.model.worker import EnvironmentArchive
from fyke.reasons import Detail, DetailCode
from fyke.runner.faults import detail_of
from fyke.storage.blobs.s3 import S3Blobs
from fyke.wire.nodes import FileUrl
from support.app import open_app
from support.egress import until
from support.jpegs import jpeg
from support.remote_nodes import OWN, RemoteNode, open_remote
from support.s3_servers import s3_server
from support.samples import sample

pytestmark = pytest.mark.anyio

DATA = os.urandom(1_500_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
VERSION = replace(sample(RunnableVersion), number="1.0.0", digest=DIGEST)
HTML, SCREENSHOT = PageFileKind.HTML, PageFileKind.SCREENSHOT
PAGE = LastPage(5, "https://a.example/", "Shop", (PageFile(HTML, 3),))


@pytest.fixture
async def place(tmp_path: Path, templates: Path) -> AsyncIterator[RemoteNode]:
    async with open_app(tmp_path, templates) as app, open_remote(app, tmp_path / "b") as place:
        await place.blobs.put(f"bundles/{DIGEST}", DATA)
        place.places.owners = {OWN: DIGEST, "V1": DIGEST}
        yield place


# --- bundles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", [OWN, "V1"])
async def test_a_bundle_is_fetched(place: RemoteNode, tmp_path: Path, owner: Any) -> None:
    remote, _ = await place.connected()
    await remote.files.bundle(owner, VERSION, tmp_path / "new")
    assert (tmp_path / "new").read_bytes() == DATA
    assert not [*tmp_path.glob(".fetched*")]
    await until(lambda: not place.file_sessions._open)


async def test_a_bundle_of_another_attempt_or_version_is_not_given(
    place: RemoteNode, tmp_path: Path
) -> None:
    remote, _ = await place.connected()
    place.places.owners = {OWN: "0" * 64, replace(OWN, id="A9"): DIGEST}
    for owner, error in (
        (replace(OWN, id="A9"), StaleLease),  # the gateway knows no lease of it
        ("V1", StaleLease),
        (OWN, InvalidRequest),
    ):
        with pytest.raises(error):
            await remote.files.bundle(owner, VERSION, tmp_path / "new")
    assert not (tmp_path / "new").exists()


async def test_a_bundle_that_was_changed_is_not_there(place: RemoteNode, tmp_path: Path) -> None:
    remote, _ = await place.connected()
    await place.blobs.put(f"bundles/{DIGEST}", b"other")
    with pytest.raises(VersionUnavailable) as changed:
        await remote.files.bundle(OWN, VERSION, tmp_path / "new")
    assert changed.value.reason is not None
    found = hashlib.sha256(b"other").hexdigest()
    assert changed.value.reason.params == {"number": "1.0.0", "sha256": found}
    assert [*tmp_path.glob("*new*"), *tmp_path.glob(".fetched*")] == []


async def test_a_bundle_that_ends_early_is_not_there(
    place: RemoteNode, tmp_path: Path, monkeypatch: Any
) -> None:
    remote, _ = await place.connected()
    whole = place.blobs.get_stream

    async def short(name: str) -> Any:
        async for chunk in whole(name):
            yield chunk
            raise BlobsAway("gone")

    monkeypatch.setattr(place.blobs, "get_stream", short)
    with pytest.raises(BlobsAway):
        await remote.files.bundle(OWN, VERSION, tmp_path / "new")
    assert [*tmp_path.glob("*new*"), *tmp_path.glob(".fetched*")] == []


async def test_files_wait_for_storage_and_connection(
    place: RemoteNode, tmp_path: Path, monkeypatch: Any
) -> None:
    remote, _ = await place.connected()

    async def away(_name: str) -> int:
        raise BlobsAway("the bucket is away")

    with monkeypatch.context() as patch:
        patch.setattr(place.blobs, "size", away)
        with pytest.raises(BlobsAway, match="503 the bucket is away"):
            await remote.files.bundle(OWN, VERSION, tmp_path / "new")
    await place.blobs.delete(f"bundles/{DIGEST}")
    with pytest.raises(Unavailable, match="404") as missing:
        await remote.files.bundle(OWN, VERSION, tmp_path / "new")
    # the next question is answered by the state
    assert not isinstance(missing.value, BlobsAway)
    monkeypatch.setattr(file_session, "MAX_SESSIONS", 0)
    with pytest.raises(BlobsAway, match="not transferred"):
        await remote.files.bundle(OWN, VERSION, tmp_path / "new")
    unconnected = RemoteFiles(place.connect("R2", ("127.0.0.1", 9))[1])
    with pytest.raises(Unavailable):
        await unconnected.bundle(OWN, VERSION, tmp_path / "new")


async def test_a_file_has_a_limit(place: RemoteNode, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(remote_files, "MAX_BUNDLE", 1_000_000)
    remote, _ = await place.connected()
    with pytest.raises(Unavailable, match="more than 1000000 bytes"):
        await remote.files.bundle(OWN, VERSION, tmp_path / "new")
    assert not (tmp_path / "new").exists()


async def test_a_silent_server_is_waited_for_a_limited_time(
    place: RemoteNode, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(remote_files, "IDLE_SECONDS", 0.1)
    remote, _ = await place.connected()

    async def silent(_name: str) -> int:
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(place.blobs, "size", silent)
    with pytest.raises(BlobsAway, match="Timeout"):
        await remote.files.bundle(OWN, VERSION, tmp_path / "new")
    place.file_sessions.close()
    await until(lambda: not place.file_sessions._open)


async def test_a_bundle_in_s3_is_fetched_there(tmp_path: Path, templates: Path) -> None:
    with s3_server("moto", tmp_path) as server:
        blobs = S3Blobs(server.new_place(), server.access)
        await blobs.put(f"bundles/{DIGEST}", DATA)
        async with (
            open_app(tmp_path, templates) as app,
            open_remote(app, tmp_path / "b", blobs) as place,
        ):
            place.places.owners = {OWN: DIGEST}
            remote, _ = await place.connected()
            await remote.files.bundle(OWN, VERSION, tmp_path / "new")
            assert (tmp_path / "new").read_bytes() == DATA
            assert place.file_sessions.served == 0
            await remote.files.put_page(OWN, PageContent(PAGE, {HTML: b"<p>"}))  # by the gateway
            assert await blobs.get(page_blob(OWN.id, HTML)) == b"<p>"
            assert place.file_sessions.served == 1


async def test_a_node_that_cannot_reach_s3_fetches_from_the_gateway(
    place: RemoteNode, tmp_path: Path, monkeypatch: Any
) -> None:
    asked: list[str] = []

    async def elsewhere(name: str, _seconds: float, _method: str) -> str:
        asked.append(name)
        return f"http://127.0.0.1:9/{name}?X-Amz-Signature=secret"  # where nothing listens

    monkeypatch.setattr(place.blobs, "url", elsewhere)
    remote, _ = await place.connected()
    for name in ("one", "two"):
        await remote.files.bundle(OWN, VERSION, tmp_path / name)
        assert (tmp_path / name).read_bytes() == DATA
    assert len(asked) == 1  # S3 is not tried again for a while


async def test_an_outage_of_s3_is_none_of_the_state(
    place: RemoteNode, tmp_path: Path, monkeypatch: Any
) -> None:
    """Neither the node nor the gateway reaches it: the attempt waits for it, for up to a day."""

    async def elsewhere(name: str, _seconds: float, _method: str) -> str:
        return f"http://127.0.0.1:9/{name}"  # where nothing listens

    async def away(_name: str) -> int:
        raise BlobsAway("the bucket is away")

    monkeypatch.setattr(place.blobs, "url", elsewhere)
    monkeypatch.setattr(place.blobs, "size", away)
    remote, _ = await place.connected()
    with pytest.raises(BlobsAway) as error:
        await remote.files.bundle(OWN, VERSION, tmp_path / "new")
    assert detail_of(error.value) == Detail(DetailCode.BLOBS_AWAY)


async def test_transfers_wait_for_each_other(
    place: RemoteNode, tmp_path: Path, monkeypatch: Any
) -> None:
    """A gateway closes more connections than it accepts of one node without a word."""
    open_transfers: list[str] = []
    go_on, size, put_stream = asyncio.Event(), place.blobs.size, place.blobs.put_stream

    async def held_size(name: str) -> int:
        open_transfers.append(name)
        await go_on.wait()
        return await size(name)

    async def held_put(name: str, chunks: Any) -> None:
        open_transfers.append(name)
        await go_on.wait()
        await put_stream(name, chunks)

    monkeypatch.setattr(place.blobs, "size", held_size)
    monkeypatch.setattr(place.blobs, "put_stream", held_put)
    remote, _ = await place.connected()
    content = PageContent(PAGE, {HTML: b"<p>"})
    count = file_session.MAX_OF_NODE + 1
    bundles = [remote.files.bundle(OWN, VERSION, tmp_path / f"b{n}") for n in range(count)]
    pages = [remote.files.put_page(OWN, content) for _ in range(count)]
    ended = asyncio.gather(*bundles, *pages)
    most = remote_files.MAX_BUNDLES + remote_files.MAX_PAGES
    await until(lambda: ended.done() or len(open_transfers) >= most)
    go_on.set()
    await ended
    assert most < file_session.MAX_OF_NODE
    assert len([*tmp_path.glob("b[0-9]*")]) == count
    assert await place.blobs.get(page_blob(OWN.id, HTML)) == b"<p>"


# --- environments ------------------------------------------------------------------------------


ARCHIVE = EnvironmentArchive("V1", "k", DIGEST, len(DATA), "tree")
FOUND = EnvironmentPlace(ARCHIVE)


async def with_environment(place: RemoteNode, data: bytes = DATA) -> Any:
    await place.blobs.put(f"environments/{DIGEST}", data)
    place.places.environments = {OWN: FOUND, "V1": FOUND}
    remote, _ = await place.connected()
    return remote.files


@pytest.mark.parametrize("owner", [OWN, "V1"])
async def test_an_environment_is_fetched(place: RemoteNode, tmp_path: Path, owner: Any) -> None:
    files = await with_environment(place)
    assert await files.environment(owner, ["other", "k"], tmp_path / "new") == FOUND
    assert (tmp_path / "new").read_bytes() == DATA
    assert not [*tmp_path.glob(".fetched*")]


async def test_without_an_environment_nothing_is_transferred(
    place: RemoteNode, tmp_path: Path
) -> None:
    files = await with_environment(place)
    for answer in (EnvironmentPlace(), EnvironmentPlace(pending=True)):
        place.places.environments = {OWN: answer}
        assert await files.environment(OWN, ["k"], tmp_path / "new") == answer
    assert place.file_sessions.served == 0
    assert not (tmp_path / "new").exists()


async def test_the_environment_of_another_attempt_or_version_is_not_given(
    place: RemoteNode, tmp_path: Path
) -> None:
    files = await with_environment(place)
    place.places.owners = {OWN: DIGEST, replace(OWN, id="A9"): DIGEST}
    for owner in (replace(OWN, id="A9"), "V1"):
        with pytest.raises(StaleLease):
            await files.environment(owner, ["k"], tmp_path / "new")
    with pytest.raises(InvalidRequest, match="at most 4"):
        await files.environment(OWN, ["k"] * 5, tmp_path / "new")


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x", b"", b"x" + DATA[1:]])
async def test_an_environment_with_another_digest_is_not_there(
    place: RemoteNode, tmp_path: Path, data: bytes
) -> None:
    files = await with_environment(place, data)
    with pytest.raises(Unavailable, match=r"sha256|more than"):
        await files.environment(OWN, ["k"], tmp_path / "new")
    assert [*tmp_path.glob("*new*"), *tmp_path.glob(".fetched*")] == []


async def test_what_the_gateway_finds_damaged_is_dropped(
    place: RemoteNode, tmp_path: Path, monkeypatch: Any
) -> None:
    dropped: list[str] = []

    async def drop(digest: str, _read_at: float) -> None:
        dropped.append(digest)

    async def elsewhere(name: str, _seconds: float, _method: str) -> str:
        return f"https://s3.example/{name}"

    async def fetch(file: FileUrl, target: Path, digest: str, most: int) -> str:
        return await real(file, target, digest, most) if file.url[0] == "/" else "another"

    place.file_sessions.drop_environment = drop
    files = await with_environment(place)
    real = files._fetch
    monkeypatch.setattr(place.blobs, "url", elsewhere)
    monkeypatch.setattr(files, "_fetch", fetch)
    assert await files.environment(OWN, ["k"], tmp_path / "new") == FOUND
    await until(lambda: not place.file_sessions._open)
    assert dropped == [], "what the node got is no reason"
    await place.blobs.put(f"environments/{DIGEST}", b"x" + DATA[1:])
    with pytest.raises(Unavailable):
        await files.environment(OWN, ["k"], tmp_path / "second")
    await until(lambda: not place.file_sessions._open)
    assert dropped == [DIGEST] and not (tmp_path / "second").exists()


async def test_nothing_is_fetched_to_a_full_disk(
    place: RemoteNode, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(remote_files, "ENVIRONMENT_FREE_BYTES", 2**60)
    files = await with_environment(place)
    with pytest.raises(Unavailable, match="too little free space"):
        await files.environment(OWN, ["k"], tmp_path / "new")
    assert place.file_sessions.served == 0


async def test_an_environment_for_another_machine_is_not_taken(
    place: RemoteNode, tmp_path: Path
) -> None:
    files = await with_environment(place)
    with pytest.raises(Unavailable, match="for another machine"):
        await files.environment(OWN, ["other"], tmp_path / "new")
    assert not (tmp_path / "new").exists()


async def test_an_environment_in_s3_is_fetched_there(tmp_path: Path, templates: Path) -> None:
    with s3_server("moto", tmp_path) as server:
        blobs = S3Blobs(server.new_place(), server.access)
        async with (
            open_app(tmp_path, templates) as app,
            open_remote(app, tmp_path / "b", blobs) as place,
        ):
            place.places.owners = {OWN: DIGEST}
            files = await with_environment(place)
            assert await files.environment(OWN, ["k"], tmp_path / "new") == FOUND
            assert (tmp_path / "new").read_bytes() == DATA
            assert place.file_sessions.served == 0


async def test_an_environment_comes_from_the_gateway_where_s3_cannot_be_reached(
    place: RemoteNode, tmp_path: Path, monkeypatch: Any
) -> None:
    async def elsewhere(name: str, _seconds: float, _method: str) -> str:
        return f"http://127.0.0.1:9/{name}"  # where nothing listens

    monkeypatch.setattr(place.blobs, "url", elsewhere)
    files = await with_environment(place)
    assert await files.environment(OWN, ["k"], tmp_path / "new") == FOUND
    assert (tmp_path / "new").read_bytes() == DATA


# --- pages -------------------------------------------------------------------------------------


async def test_a_page_is_stored(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    picture = jpeg("page")
    content = PageContent(PAGE, {HTML: b"<p>", SCREENSHOT: picture})
    for _ in range(2):
        await remote.files.put_page(OWN, content)
    assert await place.blobs.get(page_blob(OWN.id, HTML)) == b"<p>"
    assert await place.blobs.get(page_blob(OWN.id, SCREENSHOT)) == picture
    await remote.files.put_page(OWN, PageContent(PAGE, {}))
    place.runner.answers["page_room"] = True
    assert await remote.files.page_room(OWN)
    await remote.files.discard_page(OWN)
    assert place.runner.called("discard_page") == [(OWN,)]
    with pytest.raises(StaleLease):
        await remote.files.put_page(replace(OWN, token=6), content)


@pytest.mark.parametrize("picture", [b"<html>", jpeg("page", 60_000, 60_000)])
async def test_a_screenshot_that_is_none_is_not_stored(place: RemoteNode, picture: bytes) -> None:
    remote, _ = await place.connected()
    with pytest.raises(InvalidRequest, match="The screenshot"):
        await remote.files.put_page(OWN, PageContent(PAGE, {SCREENSHOT: picture}))
    assert not await place.blobs.exists(page_blob(OWN.id, SCREENSHOT))


async def test_a_page_waits_for_the_storage(place: RemoteNode, monkeypatch: Any) -> None:
    remote, _ = await place.connected()

    async def away(*_: Any) -> None:
        raise BlobsAway("the disk is full")

    monkeypatch.setattr(place.blobs, "put_stream", away)
    with pytest.raises(Unavailable, match="the disk is full"):
        await remote.files.put_page(OWN, PageContent(PAGE, {HTML: b"<p>"}))


async def test_an_expired_url_is_asked_for_again(place: RemoteNode, tmp_path: Path) -> None:
    remote, _ = await place.connected()
    late = ManualClock(SystemClock().now_ms() + 600_000)
    place.file_sessions.clock = late
    with pytest.raises(Unavailable, match="403 The URL has expired"):
        await remote.files.bundle(OWN, VERSION, tmp_path / "new")
