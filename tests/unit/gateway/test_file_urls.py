"""URLs of files: what they allow is signed, and they are of S3 where that can be."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from fyke.domain.nodes.authority import NodeIdentity
from fyke.errors import InvalidRequest
from fyke.gateway.file_urls import (
    PREFIX,
    URL_SECONDS,
    BadFileUrl,
    FileGrant,
    FileSigner,
    FileUrls,
    NodeFileAccess,
)
from fyke.kit.clock import ManualClock
from fyke.model.last_page import PageFileKind
from fyke.model.run import AttemptKey
from fyke.wire.nodes import FileOwner, FileUrl

pytestmark = pytest.mark.anyio

NODE = NodeIdentity("n1", "01J")
KEY = AttemptKey("A1", "R1", 0, "1", 7)
NOW = 1_700_000_000_000
GRANT = FileGrant("PUT", "pages/a1.har", "n1", "01J", NOW + 1000, 5, is_picture=True)


class Places:
    """Gives every file, and notes for which owner."""

    def __init__(self) -> None:
        self.owners: list[Any] = []

    async def bundle(self, owner: Any, digest: str) -> str:
        self.owners.append(owner)
        return f"bundles/{digest}"

    async def page(self, key: Any, sizes: Any) -> Any:
        self.owners.append(key)
        return {kind: f"pages/a1.{kind}" for kind in sizes}


class DirectBlobs:
    """Blobs at an address of their own, or none."""

    def __init__(self, address: str = "") -> None:
        self.address = address

    async def url(self, name: str, seconds: float, method: str) -> str | None:
        return f"{self.address}/{name}?{seconds:g}&{method}" if self.address else None


def access(blobs: Any, places: Any) -> NodeFileAccess:
    return NodeFileAccess(places, FileUrls(blobs, FileSigner(b"m"), ManualClock(NOW)), NODE)


def test_a_path_says_what_was_signed() -> None:
    signer = FileSigner(b"m")
    assert signer.read(signer.path(GRANT)) == GRANT
    assert FileSigner(b"m").read(signer.path(GRANT)) == GRANT
    with pytest.raises(BadFileUrl):
        FileSigner(b"n").read(signer.path(GRANT))
    with pytest.raises(ValueError, match="secret"):
        FileSigner(b"")


def test_a_changed_path_is_refused() -> None:
    signer = FileSigner(b"m")
    path = signer.path(GRANT)
    payload, _, signature = path.removeprefix(PREFIX).partition(".")
    other = signer.path(FileGrant("GET", "bundles/x", "n1", "01J", NOW))
    padded = payload + "=" * (-len(payload) % 4)
    changed = base64.urlsafe_b64encode(
        base64.urlsafe_b64decode(padded).replace(b"n1", b"n2")
    ).decode()
    for bad in (
        "",
        "/",
        PREFIX,
        f"{PREFIX}.",
        path[1:],
        path + "x",
        f"{PREFIX}{payload}",
        f"{PREFIX}{payload}.",
        f"{PREFIX}{changed.rstrip('=')}.{signature}",
        f"{PREFIX}{payload}.{other.partition('.')[2]}",
        f"{PREFIX}{payload}.é",
        PREFIX + "A" * 5000,
    ):
        with pytest.raises(BadFileUrl):
            signer.read(bad)


async def test_a_bundle_is_read_from_the_gateway_for_some_minutes() -> None:
    places = Places()
    found = await access(DirectBlobs(), places).bundle(FileOwner(attempt=KEY), "d")
    assert places.owners == [KEY]
    expected = FileGrant("GET", "bundles/d", "n1", "01J", NOW + int(URL_SECONDS * 1000))
    assert FileSigner(b"m").read(found.url) == expected


async def test_a_bundle_is_read_from_s3_where_that_can_be() -> None:
    places = Places()
    found = await access(DirectBlobs("https://s3"), places).bundle(FileOwner(version_id="V"), "d")
    assert found == FileUrl("https://s3/bundles/d?300&GET")
    assert places.owners == ["V"]


async def test_pages_are_written_by_way_of_the_gateway_with_their_size() -> None:
    # a signed PUT of S3 limits no size
    urls = await access(DirectBlobs("https://s3"), Places()).page(KEY, {"html": 7, "screenshot": 9})
    grants = {kind: FileSigner(b"m").read(file.url) for kind, file in urls.items()}
    found = {kind: (one.method, one.name, one.most, one.is_picture) for kind, one in grants.items()}
    assert found == {
        PageFileKind.HTML.value: ("PUT", "pages/a1.html", 7, False),
        PageFileKind.SCREENSHOT.value: ("PUT", "pages/a1.screenshot", 9, True),
    }
    with pytest.raises(InvalidRequest, match="no such file"):
        await access(DirectBlobs(), Places()).page(KEY, {"../html": 7})
