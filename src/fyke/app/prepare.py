"""Prepares a data folder: schemas up to date, secret, the operator's account, its credential.

``fyke up`` runs this in a separate process, so that modules for migrations take no memory later.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import time
from collections.abc import Callable

from fyke.app.agreement import agree
from fyke.app.blobs import check_blobs
from fyke.app.folder import make_home
from fyke.app.lost_databases import refuse_loss
from fyke.app.owner_password import set_owner_password
from fyke.app.state import bootstrap, claim_secret, migrate_all, open_state
from fyke.app.traces import check_packages
from fyke.errors import Unavailable
from fyke.kit.file_lock import locked
from fyke.settings import Settings

DATABASE_SECONDS = 60.0
PAUSE_SECONDS = 1.0
LOCK = "prepare.lock"  # in the folder ``run``
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def prepare(
    settings: Settings,
    report: Callable[[str], None],
    *,
    seconds: float = DATABASE_SECONDS,
    change: bool = False,
    owner_password: bool = True,
) -> None:
    """Prepare the data folder. PostgreSQL may still be starting, so this waits ``seconds`` for it;
    ``report`` gets a sentence when the wait begins and when it ends. ``change`` is as in
    ``agree``. ``owner_password``: also read the file of ``owner_password_file``, which only the
    user of a server may be able to do.

    Raises ``FykeError`` and ``OSError``; where the disk may be full, with the free space.
    """
    started = time.monotonic()
    waiting = False
    while True:
        try:
            _prepare(settings, report, change=change, owner_password=owner_password)
            break
        except Unavailable as error:
            if not settings.database_url or not seconds:
                raise
            if time.monotonic() - started >= seconds:
                raise Unavailable(f"{error}; gave up after {seconds:g} s") from error
            if not waiting:
                report(f"{error}; waiting up to {seconds:g} s for PostgreSQL")
            waiting = True
        time.sleep(PAUSE_SECONDS)
    if waiting:
        report(f"PostgreSQL answered after {time.monotonic() - started:.0f} s")


def _prepare(
    settings: Settings, report: Callable[[str], None], *, change: bool, owner_password: bool
) -> None:
    try:
        check_packages(settings)
        make_home(settings)
        # locked, so that roles that start at the same time make only one secret and owner key
        with locked(settings.run_dir / LOCK):
            refuse_loss(settings)
            migrate_all(settings)
            asyncio.run(
                _prepare_state(settings, report, change=change, owner_password=owner_password)
            )
    except Unavailable as error:
        if settings.database_url:
            raise
        raise Unavailable(f"{error}. {_free(settings)}") from error
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise Unavailable(f"{error.strerror}. {_free(settings)}") from error


async def _prepare_state(
    settings: Settings, report: Callable[[str], None], *, change: bool, owner_password: bool
) -> None:
    async with open_state(settings) as storage:
        await claim_secret(settings, storage)
        await bootstrap(settings, storage)
        await agree(settings, storage, report, change=change)
        await check_blobs(settings, storage, report)
        if owner_password:
            await set_owner_password(settings, storage, report)


def _free(settings: Settings) -> str:
    free = shutil.disk_usage(settings.home).free
    return f"The data folder {settings.home} has {free:,} bytes free on its disk"
