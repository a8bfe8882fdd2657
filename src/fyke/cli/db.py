"""``fyke db``: migrate, convert and check the database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.backup import create
from fyke.cli.context import HomeOption, JsonOption, group
from fyke.cli.errors import Exit
from fyke.cli.output import Output
from fyke.cli.restore import restore
from fyke.cli.settings import existing_settings, load_settings

if TYPE_CHECKING:
    from fyke.app.blobs import Copied
    from fyke.app.maintenance import TableVersions
    from fyke.settings import Settings

db = group()


@db.command("migrate")
def migrate(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Migrate the tables to this release. "fyke up" does it by itself.

    Makes no installation: a folder without one is refused, unless the tables are in PostgreSQL.

    \b
    Examples:
      fyke db migrate
      FYKE_DATABASE_URL=postgresql://fyke@db/fyke fyke db migrate --json
    """
    from fyke.app import maintenance
    from fyke.app.folder import is_installation, make_home
    from fyke.cli.owner import as_owner

    settings = load_settings(home=home)
    if not settings.database_url:
        settings = existing_settings(home)
    os.umask(0o077)
    with as_owner(settings.home, settings.service_user):
        if is_installation(settings.home):
            make_home(settings)
        tables = maintenance.migrate(settings)
    _show(tables, as_json)


@contextmanager
def _stopped(home: str | None) -> Iterator[Settings]:
    """Act as the owner of an existing data folder. Raises ``CommandFailed`` if Fyke runs there."""
    from fyke.cli.listening import refuse_if_locked
    from fyke.cli.owner import as_owner

    settings = existing_settings(home)
    os.umask(0o077)
    with as_owner(settings.home, settings.service_user):
        refuse_if_locked(settings)
        yield settings


def _show(tables: TableVersions, as_json: bool) -> None:
    out, revisions = Output(as_json), {"state": tables.state.current, "rows": tables.rows.current}
    if as_json:
        out.json(revisions)
    else:
        out.fields(list(revisions.items()))


@db.command("convert")
def convert(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Convert a database from before release 0.1.0, completely or not at all.

    First stop every Fyke that uses it and create a backup. Rows, files and keys do not change.

    \b
    Examples:
      fyke backup create before.tar.zst && fyke db convert && fyke db check
      FYKE_DATABASE_URL=postgresql://fyke@db/fyke fyke db convert --json
    """
    from fyke.app import maintenance

    with _stopped(home) as settings:
        tables = maintenance.convert(settings)
    _show(tables, as_json)


@db.command("accept-secret")
def accept_secret(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Accept the secret.key of this data folder in place of one that is lost.

    Creates the file if it is missing. Secrets of Workers must then be entered again, share and
    download links stop working, and webhook signatures change.

    \b
    Examples:
      fyke db accept-secret
      fyke db accept-secret --home /var/lib/fyke --json
    """
    from fyke.app import state

    with _stopped(home) as settings:
        asyncio.run(state.accept_secret(settings))
    out = Output(as_json)
    if as_json:
        out.json({"secret_file": str(settings.secret_file)})
    else:
        out.say(f"{settings.secret_file} is now the secret of the installation.")


@db.command("copy-blobs")
def copy_blobs(
    home: HomeOption = None,
    accept_missing: Annotated[
        bool,
        typer.Option("--accept-missing", help="Change the place even if needed blobs are lost."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy bundles, uploads, last pages and files with rows to where blobs_url says.

    From the data folder to S3, back if blobs_url is empty, or to another place in S3. First stop
    every Fyke that uses the database. The installation then starts only with this blobs_url. The
    originals stay where they are; after an interruption, repeat the command. If several data
    folders on one PostgreSQL have blobs, repeat it with each. If the old place in S3 is lost, it
    accepts a copy of all its objects; with --accept-missing it copies what is still there and
    needed, does without the rest, and names that. If the place stays the same, it then only marks
    it as that of the installation again.

    \b
    Examples:
      FYKE_BLOBS_URL=s3://company-data/fyke fyke db copy-blobs
      fyke db copy-blobs --home /var/lib/fyke --json
    """
    from dataclasses import asdict

    from fyke.app import blobs, maintenance

    with _stopped(home) as settings:
        maintenance.require_current(settings)
        copied = asyncio.run(blobs.copy_blobs(settings, accept_missing=accept_missing))
    out = Output(as_json)
    if as_json:
        out.json(asdict(copied))
    else:
        _say_what_was_copied(out, copied)


def _say_what_was_copied(out: Output, copied: Copied) -> None:
    if copied.source == copied.target:
        marked = " and has the mark of the installation again" if copied.marked else ""
        out.say(f"The blobs are in {copied.target} already{marked}.")
    else:
        files = f"{formatting.count(copied.blobs, 'file')}, {formatting.size(copied.bytes)}"
        out.say(f"{files} copied to {copied.target}. Nothing uses {copied.source} any more.")
    if copied.unread:
        out.say(f"At most what is needed was read from {copied.source}: {copied.unread}")
    for name in copied.missing:
        out.line(name, "red")
    if copied.missing:
        needed = formatting.count(len(copied.missing), "file")
        out.say(f"Missing: {needed} that the database refers to, listed above.")


@db.command("accept-blobs")
def accept_blobs(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Let a restored copy take over the blobs in S3 of the installation that was backed up.

    Until then it neither starts nor prunes: two installations with one place remove what only the
    other needs. Afterwards the original is refused there. For a copy beside it, use fyke db
    copy-blobs instead.

    \b
    Examples:
      fyke db accept-blobs
      fyke db accept-blobs --home /var/lib/fyke --json
    """
    from fyke.app import blobs, maintenance

    with _stopped(home) as settings:
        maintenance.require_current(settings)
        asyncio.run(blobs.accept_blobs(settings))
    out = Output(as_json)
    if as_json:
        out.json({"home": str(settings.home), "blobs": settings.blobs_url})
    else:
        out.say(
            f"{settings.blobs_url or settings.blobs_dir} is now the place of this installation. "
            "The one that was backed up is refused there."
        )


@db.command("accept-lost-rows")
def accept_lost_rows(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Accept that rows.db, or its tables in PostgreSQL, are lost: create empty ones.

    Without it Fyke does not start, because the state refers to rows that are not there. Runs stay,
    without their rows and logs. First look for a backup: this cannot be undone.

    \b
    Examples:
      fyke db accept-lost-rows
      fyke db accept-lost-rows --home /var/lib/fyke --json
    """
    from fyke.app import lost_databases

    with _stopped(home) as settings:
        lost_databases.accept_lost_rows(settings)
    out = Output(as_json)
    if as_json:
        out.json({"home": str(settings.home)})
    else:
        out.say("The installation has new, empty tables for rows and logs.")


@db.command("owner-key")
def owner_key(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Write a new owner.key to this data folder and revoke the old one.

    Only the first start creates one. On PostgreSQL the keys of all other data folders are revoked.

    \b
    Examples:
      fyke db owner-key
      fyke db owner-key --home /var/lib/fyke --json
    """
    from fyke.app import state
    from fyke.cli.owner import as_owner

    settings = existing_settings(home)
    os.umask(0o077)
    with as_owner(settings.home, settings.service_user):
        asyncio.run(state.replace_owner_key(settings))
    out = Output(as_json)
    if as_json:
        out.json({"owner_key_file": str(settings.owner_key_file)})
    else:
        out.say(f"The new key is in {settings.owner_key_file}.")


@db.command("check")
def check(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check that the database is intact and consistent. Changes nothing.

    Compares runs, attempts, counters and ledger, rows with their runs, bundles with the versions
    that refer to them, and secret.key with its fingerprint. Exit status 1 if there are findings.

    \b
    Examples:
      fyke db check
      fyke db check --home /var/lib/fyke --json
    """
    from fyke.app import maintenance
    from fyke.cli.owner import as_owner

    settings = existing_settings(home)
    with as_owner(settings.home, settings.service_user):
        findings = maintenance.check(settings)
    out = Output(as_json)
    if as_json:
        out.json({"ok": not findings, "findings": findings})
    else:
        for finding in findings:
            out.line(finding, "red")
        out.say(formatting.count(len(findings), "finding") if findings else "No problems found.")
    if findings:
        raise typer.Exit(Exit.FAILED)


# The names of these commands in 0.1.0.
db.command("backup", hidden=True)(create)
db.command("restore", hidden=True)(restore)
