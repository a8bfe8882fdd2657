"""The size of a folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fyke.model.installation import StoredPart

FOLDER_SECONDS = 1.0  # for each folder; after it the figures are lower bounds


def folder_size(
    name: str, description: str, folder: Path, seconds: float = FOLDER_SECONDS
) -> StoredPart:
    """Add up the files below ``folder``, for at most ``seconds``."""
    until = time.monotonic() + seconds
    size = files = 0
    folders = [str(folder)]
    while folders:
        if time.monotonic() > until:
            return StoredPart(name, description, size, files, complete=False)
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
                        files += 1
        except OSError:
            continue  # removed in the meantime, or not readable for this user
    return StoredPart(name, description, size, files)
