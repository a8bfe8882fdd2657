"""Sizes of databases and folders, and free space. All functions block: call them in a thread."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from fyke.app.blobs import open_blobs, own_blobs
from fyke.app.folder_size import FOLDER_SECONDS, folder_size
from fyke.app.maintenance import ROWS, STATE
from fyke.errors import Unavailable
from fyke.model.installation import StorageReport, StoredPart
from fyke.reasons import health_texts as texts
from fyke.reasons.health_texts import HealthText
from fyke.settings import Settings

_SQLITE = ("", "-wal", "-shm")


def measure(settings: Settings, engine: Engine, now: int) -> StorageReport:
    """Raises ``Unavailable`` when the disk or the database cannot be read."""
    try:
        usage = shutil.disk_usage(settings.home)
    except OSError as error:
        raise Unavailable(f"The data folder cannot be read: {error.strerror}") from error
    parts = [*_databases(settings, engine), *_folders(settings)]
    floor = settings.disk_floor_mb * 2**20
    return StorageReport(now, parts, usage.free, usage.total, floor)


def _databases(settings: Settings, engine: Engine) -> Iterator[StoredPart]:
    if not settings.database_url:
        yield _file(settings.home / STATE, "state", texts.STATE_FILE)
        yield _file(settings.home / ROWS, "rows", texts.ROWS_FILE)
        return
    try:
        with engine.connect() as connection:
            size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar()
    except SQLAlchemyError as error:
        raise Unavailable("The database does not answer") from error
    yield StoredPart("database", texts.IN_POSTGRESQL, int(size or 0), 0)


def _file(path: Path, name: str, description: str) -> StoredPart:
    sizes = []
    for suffix in _SQLITE:
        try:
            sizes.append(path.with_name(path.name + suffix).stat().st_size)
        except OSError:
            continue  # may be missing at the moment
    return StoredPart(name, description, sum(sizes), len(sizes))


def _folders(settings: Settings) -> Iterator[StoredPart]:
    if settings.blobs_url:
        yield asyncio.run(_blobs_elsewhere(settings))
    else:
        yield folder_size("blobs", texts.BLOBS_HERE, settings.blobs_dir)
    for name, description, folder in (
        ("downloads", texts.DOWNLOADS, settings.downloads_dir),
        ("bundles", texts.UNPACKED, settings.bundles_dir),
        ("environments", texts.ENVIRONMENTS, settings.environments_dir),
        ("work", texts.WORK, settings.work_dir),
    ):  # fmt: skip
        yield folder_size(name, description, folder)


async def _blobs_elsewhere(settings: Settings, seconds: float = FOLDER_SECONDS) -> StoredPart:
    """The blobs in S3, which take no space here."""
    description = HealthText(texts.BLOBS_IN, place=settings.blobs_url)
    size = files = 0
    try:
        async with asyncio.timeout(seconds):
            async for blob in own_blobs(open_blobs(settings)):
                size += blob.size
                files += 1
    except (TimeoutError, Unavailable):
        return StoredPart("blobs", description, size, files, complete=False)
    return StoredPart("blobs", description, size, files)
