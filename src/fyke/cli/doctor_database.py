"""Checks of ``fyke doctor``: the database, and what has to agree with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from fyke.cli import formatting
from fyke.cli.doctor_machine import NOT_OURS_REMEDY
from fyke.cli.doctor_result import FAILED, OK, WARNING, CheckResult
from fyke.cli.errors import CommandFailed

if TYPE_CHECKING:
    from fyke.settings import Settings

SETTINGS_REMEDY = (
    "start all servers with the same values; a change is used after a restart of fyke up"
)
BLOBS_SECONDS = 30.0
BLOBS_REMEDY = (
    "correct blobs_url, the address or the login (s3_endpoint, s3_region, s3_key_id, or AWS_* of "
    "this shell), or start the S3 server"
)


def check_database(settings: Settings) -> Iterator[CheckResult]:
    from fyke.app import maintenance
    from fyke.app.lost_databases import find_loss
    from fyke.cli.nodes_server import missing_server
    from fyke.cli.owner import as_owner
    from fyke.errors import FykeError

    kind = "PostgreSQL" if settings.database_url else "SQLite"
    not_created = CheckResult("database", OK, f"{kind}, will be created at the first start")
    if not settings.home.exists():
        yield not_created
        return
    try:
        with as_owner(settings.home, settings.service_user):
            versions, loss = maintenance.versions(settings), find_loss(settings)
    except (FykeError, CommandFailed, OSError) as error:
        remedy = "start the database, or correct the setting database_url (FYKE_DATABASE_URL)"
        if command := missing_server(settings):
            remedy = f"start it with {command}, which also starts its database"
        if not settings.database_url and not os.access(settings.home, os.W_OK):
            remedy = NOT_OURS_REMEDY
        yield CheckResult("database", FAILED, f"{kind}: {error}", remedy)
        return
    if loss is not None:
        yield CheckResult("database", FAILED, loss.finding, loss.remedy)
        return
    if not versions.state.current:
        yield not_created
        return
    detail = f"{kind}, tables at {versions.state.current} and {versions.rows.current or 'none'}"
    yield CheckResult("database", WARNING if versions.remedy else OK, detail, versions.remedy)


def check_shared_settings(settings: Settings) -> Iterator[CheckResult]:
    """Whether the settings of this shell are those of the installation; nothing before the first
    start, and without the database or with an older one, of which another line says why.
    """
    import asyncio

    from fyke.app import maintenance
    from fyke.app.agreement import compare
    from fyke.cli.owner import as_owner
    from fyke.errors import FykeError

    if not settings.secret_file.exists():
        return
    try:
        with as_owner(settings.home, settings.service_user):
            if maintenance.versions(settings).remedy:
                return
            known, names = asyncio.run(compare(settings))
    except (FykeError, CommandFailed, OSError):
        return
    if not known.number:
        return
    stored = formatting.when_with_zone(known.stored_at // 1000)
    detail = f"version {known.number} of the installation, stored {stored} by {known.stored_by}"
    if names:
        detail = f"{', '.join(names)}: other values than in {detail}, which are used"
    yield CheckResult("settings", WARNING if names else OK, detail, SETTINGS_REMEDY)


def check_blobs(settings: Settings) -> Iterator[CheckResult]:
    """Whether the settings of this shell name the place of the blobs. In S3 one is stored, read,
    listed and deleted.
    """
    import asyncio

    from fyke.app.blobs import try_place
    from fyke.cli.owner import as_owner
    from fyke.errors import FykeError

    try:
        user = as_owner(settings.home, settings.service_user)
        with user if settings.home.exists() else nullcontext():
            asyncio.run(asyncio.wait_for(try_place(settings), BLOBS_SECONDS))
    except (FykeError, TimeoutError) as error:
        detail = str(error) or f"{settings.blobs_url}: no answer in {BLOBS_SECONDS:g} s"
        yield CheckResult("blobs", FAILED, detail, BLOBS_REMEDY)
    except CommandFailed:
        return  # the line of the database says it
    else:
        if settings.blobs_url:
            detail = f"{settings.blobs_url} stores, returns, lists and deletes"
            yield CheckResult("blobs", OK, detail)
