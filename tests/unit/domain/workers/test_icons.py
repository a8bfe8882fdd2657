"""The room for uploaded pictures: of one account, also when it uploads several at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.contracts.blobs import StoredBlob
from fyke.contracts.parsing import ParserPool
from fyke.contracts.state import Storage
from fyke.domain.workers import icons
from fyke.domain.workers.icons import Icons
from fyke.errors import Refused
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller, Role
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support.heads import png

CALLER = Caller(new_ulid(), "acme", False, "u", "k", Role.OWNER)
pytestmark = pytest.mark.anyio


class Blobs(FilesystemBlobs):
    """Remembers what was listed."""

    listed: list[str]

    def walk(self, folder: str = "") -> AsyncGenerator[StoredBlob, None]:
        self.listed.append(folder)
        return super().walk(folder)


class NoWorkers:
    async def read(self, work: object) -> tuple[int, list[Any]]:
        return 0, []


class Here:
    async def run(self, account_id: str, work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)


async def place() -> None: ...


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    blobs = Blobs(tmp_path, durable=False)
    blobs.listed = []
    return blobs


@pytest.fixture
def service(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> Icons:
    monkeypatch.setattr(icons, "MAX_ICONS", 2)
    return Icons(cast(Storage, NoWorkers()), blobs, cast(ParserPool, Here()), place)


async def test_uploads_at_the_same_time_cannot_exceed_the_maximum(service: Icons) -> None:
    uploads = (service.add(CALLER, png(side, side)) for side in range(1, 6))
    done = await asyncio.gather(*uploads, return_exceptions=True)
    assert sum(isinstance(one, str) for one in done) == 2
    assert sum(isinstance(one, Refused) for one in done) == 3


async def test_only_the_pictures_of_the_account_are_listed(service: Icons, blobs: Blobs) -> None:
    name = await service.add(CALLER, png(1, 1))
    assert (await service.file(name)).data == png(1, 1)
    assert blobs.listed == [f"icons/{name.partition('-')[0]}"]
    assert await service.add(CALLER, png(1, 1)) == name
    assert len(blobs.listed) == 1  # it is there, so that no room is needed
