"""Prepares a data folder: schemas up to date, the operator's account, its credential.

``fyke up`` runs this in a separate process, so that modules for migrations take no memory later.
"""

from __future__ import annotations

import asyncio
import errno
import shutil

from fyke.app.folder import make_home
from fyke.app.state import bootstrap, migrate_all
from fyke.errors import Unavailable
from fyke.settings import Settings

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def prepare(settings: Settings) -> None:
    """Prepare the data folder. Raises ``FykeError`` and ``OSError``; where the disk may be full,
    with the free space.
    """
    try:
        make_home(settings)
        migrate_all(settings)
        asyncio.run(bootstrap(settings))
    except Unavailable as error:
        if settings.database_url:
            raise
        raise Unavailable(f"{error}. {_free(settings)}") from error
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise Unavailable(f"{error.strerror}. {_free(settings)}") from error


def _free(settings: Settings) -> str:
    free = shutil.disk_usage(settings.home).free
    return f"The data folder {settings.home} has {free:,} bytes free on its disk"
