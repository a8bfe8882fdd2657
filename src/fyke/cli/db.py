"""``fyke db``: migrate, convert and check the database; back up and restore the installation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import HomeOption, JsonOption, group
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import Output
from fyke.cli.settings import load_settings

if TYPE_CHECKING:
    from fyke.app.maintenance import TableVersions
    from fyke.settings import Settings

db = group("The database: migrate, check, back up, restore.")

File = Annotated[Path, typer.Argument(help=".tar.gz or .tar.zst", metavar="FILE")]
POSTGRES = (
    "State and rows are in PostgreSQL and not in this file: back them up with pg_dump at the same "
    "time, and restore them with pg_restore before Fyke starts."
)


@db.command("migrate")
def migrate(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Migrate the tables to this release. "fyke up" does it by itself.

    \b
    Examples:
      fyke db migrate
      FYKE_DATABASE_URL=postgresql://fyke@db/fyke fyke db migrate --json
    """
    from fyke.app import maintenance
    from fyke.app.folder import make_home
    from fyke.cli.owner import as_owner, owner_of

    settings = load_settings(home=home)
    if os.geteuid() == 0 and not settings.home.exists():
        owner = owner_of(settings.home, settings.service_user)
        settings.home.mkdir(parents=True)
        os.chown(settings.home, *owner)
    os.umask(0o077)
    with as_owner(settings.home, settings.service_user):
        make_home(settings)
        tables = maintenance.migrate(settings)
    _show(tables, as_json)


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
      fyke db backup before.tar.zst && fyke db convert && fyke db check
      FYKE_DATABASE_URL=postgresql://fyke@db/fyke fyke db convert --json
    """
    from fyke.app import maintenance
    from fyke.cli.listening import refuse_if_locked
    from fyke.cli.owner import as_owner

    settings = _existing_settings(home)
    os.umask(0o077)
    with as_owner(settings.home, settings.service_user):
        refuse_if_locked(settings)
        tables = maintenance.convert(settings)
    _show(tables, as_json)


@db.command("check")
def check(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check that the database is intact and consistent. Changes nothing.

    Compares runs, attempts, counters and ledger. Exit status 1 if there are findings.

    \b
    Examples:
      fyke db check
      fyke db check --home /var/lib/fyke --json
    """
    from fyke.app import maintenance
    from fyke.cli.owner import as_owner

    settings = _existing_settings(home)
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


@db.command("backup")
def backup(file: File, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Back up the installation to one file while it is in use: databases, blobs, secret, config.

    The file contains secrets, and only its owner can read it.

    \b
    Examples:
      fyke db backup /backups/fyke-$(date +%F).tar.zst
      fyke db backup fyke.tar.gz --json
    """
    from fyke.cli.backup import check_suffix, write_backup
    from fyke.cli.owner import as_owner

    check_suffix(file)
    settings = _existing_settings(home)
    with _new_file(file) as target:
        with as_owner(settings.home, settings.service_user):
            manifest = write_backup(settings, target, file.name)
        target.flush()
        os.fsync(target.fileno())
    out = Output(as_json)
    files, size = len(manifest["files"]), file.stat().st_size
    if as_json:
        out.json(
            {"file": str(file), "bytes": size, "files": files, "database": manifest["database"]}
        )
    else:
        out.raw(str(file))
        out.say(f"{formatting.count(files, 'file')}, {formatting.size(size)}.")
    if manifest["database"] == "postgresql":
        out.say(POSTGRES)


@contextmanager
def _new_file(file: Path) -> Iterator[IO[bytes]]:
    """A file that appears only when it is complete."""
    if file.exists():
        raise CommandFailed(f"{file} exists already; name a new file", Exit.CONFLICT)
    partial = file.with_name(f".{file.name}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as target:
            yield target
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)


@db.command("restore")
def restore(
    file: File,
    home: Annotated[str, typer.Option("--home", help="An empty or new folder.", metavar="DIR")],
    as_json: JsonOption = False,
) -> None:
    """Restore a backup to an empty data folder. The hash of every file is checked.

    \b
    Examples:
      fyke db restore fyke.tar.gz --home /var/lib/fyke
      fyke db restore fyke.tar.gz --home ./trial && fyke up --home ./trial --port 8200
    """
    from fyke.cli.backup import check_suffix
    from fyke.cli.backup import restore as restore_backup
    from fyke.cli.owner import as_owner, owner_of

    check_suffix(file)
    settings = load_settings(home=home)
    folder = settings.home
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandFailed(f"{folder} is not empty; name an empty folder", Exit.CONFLICT)
    with file.open("rb") as source:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        if os.geteuid() == 0:
            os.chown(folder, *owner_of(folder, settings.service_user))
        os.umask(0o077)
        with as_owner(folder, settings.service_user):
            manifest = restore_backup(source, file.name, folder)
    out = Output(as_json)
    if as_json:
        files = len(manifest["files"])
        out.json({"home": str(folder), "files": files, "database": manifest["database"]})
    else:
        out.raw(str(folder))
        out.say(f'All files were restored and verified. Start Fyke with "fyke up --home {folder}".')
    if manifest["database"] == "postgresql":
        out.say(POSTGRES)


def _existing_settings(home: str | None) -> Settings:
    """The settings of an existing data folder. Raises ``CommandFailed``."""
    settings = load_settings(home=home)
    if not settings.secret_file.parent.is_dir():
        raise CommandFailed(f"There is no data folder {settings.home}", Exit.NOT_FOUND)
    if not settings.database_url and os.geteuid() != 0 and not os.access(settings.home, os.R_OK):
        raise CommandFailed(
            f"The data folder {settings.home} belongs to another user; use that one, or root",
            Exit.AUTH,
        )
    return settings
