"""Opens the storage of blobs."""

from __future__ import annotations

from fyke.settings import Settings
from fyke.storage.blobs.filesystem import FilesystemBlobs


def open_blobs(settings: Settings) -> FilesystemBlobs:
    """The blobs in the data folder. Files that are not urgent leave twice as much of its disk free
    as a new run requires.
    """
    return FilesystemBlobs(settings.blobs_dir, floor_bytes=settings.disk_floor_mb * 2 * 2**20)
