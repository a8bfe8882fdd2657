"""Files and folders whose names survive a loss of power."""

from __future__ import annotations

import errno
import os
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
