"""The peculiarities of blobs in S3: requests, answers that are errors, other objects."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from fyke.contracts.blobs import BlobsRefused
from fyke.errors import BlobsAway
from fyke.kit.s3_place import S3Place
from fyke.storage.blobs import s3
from fyke.storage.blobs.s3 import S3Access, S3Blobs
from fyke_client import FykeAdmin
from support.s3_servers import MotoApp, S3Server, moto_server, store_in_moto

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[S3Server, MotoApp]]:
    with moto_server() as started:
        yield started


@pytest.fixture
def server(moto: tuple[S3Server, MotoApp]) -> S3Server:
    return moto[0]


@pytest.fixture
def app(moto: tuple[S3Server, MotoApp]) -> MotoApp:
    moto[1].requests.clear()
    moto[1].failures.clear()
    return moto[1]


@pytest.fixture
def place(server: S3Server) -> S3Place:
    return server.new_place()


@pytest.fixture
def blobs(server: S3Server, place: S3Place) -> S3Blobs:
    return S3Blobs(place, server.access)


async def chunks(*data: bytes) -> AsyncIterator[bytes]:
    for chunk in data:
        yield chunk


def methods(app: MotoApp) -> list[str]:
    return [request["REQUEST_METHOD"] for request in app.requests]


async def test_a_short_stream_is_one_request_and_none_has_a_condition(
    blobs: S3Blobs, app: MotoApp
) -> None:
    await blobs.put_stream("rows/a", chunks(b"one", b"two"))
    assert methods(app) == ["PUT"]
    app.requests.clear()
    await blobs.put_stream("rows/b", chunks(*[os.urandom(2**20)] * 20))
    assert methods(app) == ["POST", "PUT", "PUT", "PUT", "POST"]
    await blobs.put("rows/b", b"again")
    assert await blobs.get("rows/b") == b"again"
    await blobs.delete("rows/b")
    assert not [name for request in app.requests for name in request if "HTTP_IF_" in name]


async def test_failed_parts_leave_nothing(blobs: S3Blobs, server: S3Server, place: S3Place) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(2**20)
        raise FileNotFoundError("of the source")

    with pytest.raises(FileNotFoundError, match="of the source"):
        await blobs.put_stream("rows/a", broken())
    uploads = server.client().list_multipart_uploads(Bucket=place.bucket)
    assert not uploads.get("Uploads")


async def test_an_outage_that_ends_is_not_noticed(blobs: S3Blobs, app: MotoApp) -> None:
    app.failures += ["503 Slow Down", "500 Internal Server Error"]
    await blobs.put("rows/a", b"data")
    app.failures += ["503 Slow Down"]
    assert blobs.read_range("rows/a", 1, 2) == b"at"


async def test_an_outage_has_its_status(blobs: S3Blobs, app: MotoApp) -> None:
    app.failures += ["503 Slow Down"] * 20
    with pytest.raises(BlobsAway, match=r"s3://blobs/some/\w+: it answered with status 503"):
        blobs.read_range("rows/a", 1, 2)


async def test_what_is_refused_is_not_missing(blobs: S3Blobs, app: MotoApp) -> None:
    app.failures += ["403 Forbidden"]
    with pytest.raises(BlobsAway, match="status 403"):
        await blobs.get("rows/a")
    app.failures += ["401 Unauthorized"]
    with pytest.raises(BlobsAway, match="status 401"):
        await blobs.exists("rows/a")


async def test_another_region_is_refused(blobs: S3Blobs, app: MotoApp) -> None:
    app.failures += ["301 Moved Permanently"]
    with pytest.raises(BlobsRefused, match="the bucket is in another region: set s3_region"):
        await blobs.get("rows/a")


async def test_a_missing_bucket_is_named(server: S3Server) -> None:
    blobs = S3Blobs(S3Place("nowhere", "a"), server.access)
    missing = "s3://nowhere/a: it answered NoSuchBucket, The specified bucket does not exist$"
    with pytest.raises(BlobsAway, match=missing):
        await blobs.put("rows/a", b"data")
    with pytest.raises(BlobsAway, match=missing):
        await blobs.get("rows/a")
    with pytest.raises(BlobsAway, match=missing):
        await blobs.check()
    with pytest.raises(BlobsAway, match=missing):
        await anext(blobs.walk())


async def test_a_closed_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    blobs = S3Blobs(S3Place("bucket"), S3Access(region="us-east-1", key_id="K", secret="S"))
    with pytest.raises(BlobsAway, match=r"s3://bucket: it cannot be reached at http://127\.0.*:1$"):
        blobs.read_range("rows/a", 0, 1)


async def test_objects_of_others_are_not_walked(
    blobs: S3Blobs, server: S3Server, place: S3Place
) -> None:
    client = server.client()
    for key in ("rows/UPPER", "rows/.hidden", "rows/a", "b"):
        client.put_object(Bucket=place.bucket, Key=place.key(key), Body=b"data")
    client.put_object(Bucket=place.bucket, Key=place.prefix + "-other/a", Body=b"data")
    assert {blob.name async for blob in blobs.walk()} == {"rows/a", "b"}
    assert {blob.name async for blob in S3Blobs(S3Place("blobs"), server.access).walk("some")} > {
        f"{place.prefix}/rows/a"
    }


async def test_all_pages_of_a_list_are_walked(blobs: S3Blobs, place: S3Place) -> None:
    store_in_moto(place, (f"rows/{number}" for number in range(1100)))
    assert len([blob async for blob in blobs.walk("rows")]) == 1100


def test_a_missing_login_is_named() -> None:
    text = "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token"
    assert s3._problem(text, "").startswith("no login: set AWS_ACCESS_KEY_ID")


async def test_a_login_of_the_settings_has_no_token_of_another(
    server: S3Server, app: MotoApp, place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another")
    blobs = S3Blobs(place, server.access)
    await blobs.put("rows/a", b"data")
    assert await asyncio.to_thread(blobs.read_range, "rows/a", 0, 4) == b"data"
    for request in app.requests:
        assert f"Credential={server.access.key_id}/" in request["HTTP_AUTHORIZATION"]
        assert "HTTP_X_AMZ_SECURITY_TOKEN" not in request
    url = await blobs.url("rows/a", 60, "GET")
    assert "Security-Token" not in url and f"Credential={server.access.key_id}" in url


async def test_a_server_that_does_not_answer_fails_before_a_client_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It accepts connections and is silent; here for a second."""
    limit = inspect.signature(FykeAdmin).parameters["timeout"].default
    assert limit > s3.READ_SECONDS + s3.RETRY_SECONDS
    monkeypatch.setattr(s3, "READ_SECONDS", 1)
    monkeypatch.setattr(s3, "RETRY_SECONDS", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        access = S3Access(f"http://127.0.0.1:{silent.getsockname()[1]}", "", "key", "secret")
        with pytest.raises(BlobsAway, match="no answer in time"):
            await S3Blobs(S3Place("bucket", ""), access).put("bundles/a", b"x")
