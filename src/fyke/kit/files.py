"""Files and folders whose names survive a loss of power, and how many bytes fit on a disk."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

_NOT_POSSIBLE = {errno.EACCES, errno.EINVAL}


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder: a loss of power would undo what was created, renamed or deleted
    there. Does nothing where the rights or the file system do not permit it.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NOT_POSSIBLE:
            raise


def room_beside(folder: Path, kept: int) -> int:
    """How many bytes may be written to the disk of a folder so that ``kept`` stay free; not less
    than 0.
    """
    return max(shutil.disk_usage(folder).free - kept, 0)
