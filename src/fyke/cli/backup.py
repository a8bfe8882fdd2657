"""``fyke backup``: back up the installation, and verify a backup."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from fyke.cli import formatting
from fyke.cli.context import HomeOption, JsonOption, group
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import Output
from fyke.cli.settings import existing_settings, load_settings
from fyke.kit.files import flush_folder

backups = group()

File = Annotated[Path, typer.Argument(help=".tar.gz or .tar.zst", metavar="FILE")]
BLOBS = (
    "Bundles, uploads, last pages and rows of large ended runs are in {place} and not in this "
    "file: switch on versioning of the bucket, and keep old versions for as long as the backups."
)
POSTGRES = (
    "State and rows are in PostgreSQL and not in this file: run pg_dump before each backup, and "
    "pg_restore before Fyke starts."
)


@backups.command("create")
def create(file: File, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Back up the installation to one file while it is in use: databases, blobs, secret, config.

    Both databases are copied as of one moment. The file contains secrets, and only its owner can
    read it. Blobs in S3 are not in it, only their place; exit status 5, and no file, if blobs_url
    is not that place. If secret.key is missing or is that of another installation, if a file with
    rows is missing, or if S3 refuses access, the backup is written all the same, with a finding and
    exit status 1.

    \b
    Examples:
      fyke backup create /backups/fyke-$(date +%F).tar.zst
      fyke backup create fyke.tar.gz --json
    """
    from fyke.app.maintenance import check_place
    from fyke.app.secret_check import check_secret_of_files
    from fyke.cli.backup_file import check_suffix, write_backup
    from fyke.cli.owner import as_owner

    check_suffix(file)
    settings = existing_settings(home)
    with _new_file(file) as target, as_owner(settings.home, settings.service_user):
        database = "postgresql" if settings.database_url else "sqlite"
        findings = [*check_secret_of_files(settings, database), *check_place(settings)]
        manifest = write_backup(settings, target, file.name, findings)
    out = Output(as_json)
    files, size = len(manifest["files"]), file.stat().st_size
    if as_json:
        out.json(
            {
                "file": str(file),
                "bytes": size,
                "files": files,
                "database": manifest["database"],
                "blobs": manifest["blobs"],
                "findings": findings,
            }
        )
    else:
        out.raw(str(file))
        out.say(f"{formatting.count(files, 'file')}, {formatting.size(size)}.")
    say_what_is_missing(out, manifest)
    fail_for(out, findings)


def say_what_is_missing(out: Output, manifest: dict[str, Any]) -> None:
    """Say what belongs to the installation and is not in the file."""
    if manifest["database"] == "postgresql":
        out.say(POSTGRES)
    if place := manifest.get("blobs"):
        out.say(BLOBS.format(place=place))


def fail_for(out: Output, findings: list[str]) -> None:
    """Print the findings, unless the output is JSON, which has them. Exit with
    status 1 if there are any.
    """
    for finding in findings if not out.as_json else ():
        out.say(finding)
    if findings:
        raise typer.Exit(Exit.FAILED)


@contextmanager
def _new_file(file: Path) -> Iterator[IO[bytes]]:
    """A file that appears only when it is complete and on disk."""
    if file.exists():
        raise CommandFailed(f"{file} already exists; name a new file", Exit.CONFLICT)
    if not file.parent.is_dir():
        raise CommandFailed(
            f"{file.parent} is not a folder; create it, or name another file", Exit.USAGE
        )
    if not os.access(file.parent, os.W_OK):
        raise CommandFailed(
            f"{file.parent} may not be written by this user; name another file", Exit.USAGE
        )
    partial = file.with_name(f".{file.name}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        partial.rename(file)
        flush_folder(file.parent)
    finally:
        partial.unlink(missing_ok=True)


@backups.command("verify")
def verify(file: File, as_json: JsonOption = False) -> None:
    """Verify that a backup can be restored. Needs space in TMPDIR for the unpacked files.

    Compares the hash of every file, unpacks the databases and checks them like fyke db check.
    Exit status 1 if there are findings, or if the file is damaged.

    \b
    Examples:
      fyke backup verify /backups/fyke-2026-11-24.tar.zst
      TMPDIR=/var/tmp fyke backup verify fyke.tar.gz --json
    """
    from fyke.cli.backup_file import DamagedBackup, check_backup, unpack

    check_backup(file)
    os.umask(0o077)
    with file.open("rb") as source, tempfile.TemporaryDirectory(prefix="fyke-verify-") as folder:
        try:
            manifest = unpack(source, file.name, Path(folder))
        except DamagedBackup as error:
            raise CommandFailed(f"The backup cannot be used: {error}") from None
        findings = _findings(Path(folder), manifest)
    _report(Output(as_json), file, manifest, findings)
    if findings:
        raise typer.Exit(Exit.FAILED)


def _findings(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """The findings of the checks. The unpacked tables are first migrated to this release."""
    from fyke.app import maintenance
    from fyke.app.secret_check import check_secret_of_files
    from fyke.cli.backup_file import find_other_place, find_place

    own = {"database_url": "", "blobs_url": ""}
    settings = load_settings(home=str(folder)).model_copy(update=own)
    if manifest["database"] == "postgresql":
        digests = [path.name for path in (folder / "blobs" / "bundles").glob("*")]
        bundles = maintenance.check_bundles(maintenance.stored_files(settings), digests)
        return [*check_secret_of_files(settings, "postgresql"), *bundles]
    other, place = find_other_place(folder, manifest), find_place(folder, manifest)
    maintenance.migrate(settings)
    return other + maintenance.check(settings, blobs=not place)


def _report(out: Output, file: Path, manifest: dict[str, Any], findings: list[str]) -> None:
    made_at = formatting.when(manifest["made_at"])
    if out.as_json:
        out.json(
            {
                "file": str(file),
                "ok": not findings,
                "findings": findings,
                "files": len(manifest["files"]),
                "database": manifest["database"],
                "blobs": manifest.get("blobs", ""),
                "fyke": manifest["fyke"],
                "made_at": manifest["made_at"],
            }
        )
        return
    for finding in findings:
        out.line(finding, "red")
    files = formatting.count(len(manifest["files"]), "file")
    result = formatting.count(len(findings), "finding") if findings else "No problems found"
    out.say(f"{result}. {files}, made with Fyke {manifest['fyke']} at {made_at}.")
    say_what_is_missing(out, manifest)
