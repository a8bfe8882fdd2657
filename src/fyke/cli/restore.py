"""``fyke restore``: an installation from a backup."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli import formatting
from fyke.cli.backup import File, fail_for, say_what_is_missing
from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import Output
from fyke.cli.settings import load_settings
from fyke.kit.files import flush_folder

if TYPE_CHECKING:
    from fyke.settings import Settings

STAGING = ".restoring"
SHARED = (
    "Compare them with: fyke db check. The original may still use the blobs in {place}, so this "
    "copy does not start yet. If it takes the place over, run: fyke db accept-blobs --home {home}. "
    "To start it beside the original, set blobs_url to nothing or to a new place, and run: fyke db "
    "copy-blobs --home {home}"
)


def restore(
    file: File,
    home: HomeOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move the existing data folder aside.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup to a data folder, completely or not at all.

    The hash of every file is checked before anything is put in place. A folder with files is
    refused; with --replace it is renamed, and nothing in it is deleted. A folder in which Fyke is
    running is always refused. Exit status 5 if the folder is refused, 1 if the backup is damaged
    or lacks the secret.key of its installation.

    \b
    Examples:
      fyke restore fyke.tar.gz --home /var/lib/fyke
      fyke restore fyke.tar.gz --replace
      fyke restore fyke.tar.gz --home ./trial && fyke up --home ./trial --port 8200
    """
    from fyke.app.secret_check import check_secret_of_files
    from fyke.cli.backup_file import DamagedBackup, check_backup
    from fyke.cli.owner import as_owner, owner_of

    check_backup(file)
    settings = load_settings(home=home)
    folder = settings.home
    has_files = _has_files(folder)
    if has_files and not replace:
        raise CommandFailed(
            f"{folder} is not empty; name an empty folder with --home, or move the existing one "
            "aside with --replace",
            Exit.CONFLICT,
        )
    with file.open("rb") as source, _stopped(settings):
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        if not has_files:
            folder.chmod(0o711)
        owner = owner_of(folder, settings.service_user) if os.geteuid() == 0 else None
        if owner is not None:
            os.chown(folder, *owner)
        os.umask(0o077)
        staging = folder / STAGING
        try:
            with as_owner(folder, settings.service_user):
                manifest, removed, faults = _unpack(source, file.name, staging)
            moved = _replace(folder) if has_files else None
            if not has_files:
                _move_all(staging, folder)
            for parent in (folder, folder.parent):
                flush_folder(parent)
        except DamagedBackup as error:
            raise CommandFailed(
                f"The backup cannot be used, nothing was restored: {error}"
            ) from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            if is_new:
                with suppress(OSError):  # not empty: it contains the restored files
                    folder.rmdir()
    findings = check_secret_of_files(settings, manifest["database"]) + faults
    _report(Output(as_json), folder, manifest, moved, removed, findings)


def _has_files(folder: Path) -> bool:
    if folder.exists() and not folder.is_dir():
        raise CommandFailed(f"{folder} is not a folder; name an empty folder", Exit.CONFLICT)
    return folder.is_dir() and any(path.name != STAGING for path in folder.iterdir())


@contextmanager
def _stopped(settings: Settings) -> Iterator[None]:
    """Keep Fyke from starting in the folder. Raise ``CommandFailed`` if it is running there."""
    from fyke.cli.listening import lock_home
    from fyke.cli.owner import as_owner

    if not settings.run_dir.is_dir():
        yield
        return
    with as_owner(settings.home, settings.service_user):
        lock = lock_home(settings)
    try:
        yield
    finally:
        os.close(lock)


def _unpack(source: Any, name: str, staging: Path) -> tuple[dict[str, Any], int, list[str]]:
    """Unpack the backup to ``staging``; return the manifest, how many rows were removed, and a
    sentence for each file with rows or of a last page that is missing, or for other blobs.
    """
    from fyke.app.maintenance import find_missing_pages, find_missing_rows, remove_unknown_rows
    from fyke.app.restored import mark_restored
    from fyke.cli.backup_file import find_other_place, find_place, unpack

    shutil.rmtree(staging, ignore_errors=True)  # left by a killed restore
    staging.mkdir(mode=0o700)
    manifest = unpack(source, name, staging)
    is_sqlite = manifest["database"] == "sqlite"
    removed = remove_unknown_rows(staging) if is_sqlite else 0
    place, faults = find_place(staging, manifest), find_other_place(staging, manifest)
    if is_sqlite and not place:
        faults += find_missing_rows(staging) + find_missing_pages(staging)
    if place:
        mark_restored(staging)
    manifest["blobs"] = place
    staging.chmod(0o711)
    for path, _, _ in os.walk(staging):
        flush_folder(Path(path))
    return manifest, removed, faults


def _move_all(staging: Path, folder: Path) -> None:
    for path in staging.iterdir():
        path.rename(folder / path.name)


def _replace(folder: Path) -> Path:
    """Rename the data folder, and put the files unpacked inside it in its place."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = folder.with_name(f"{folder.name}.replaced-{stamp}")
    try:
        folder.rename(aside)
    except OSError as error:
        raise CommandFailed(
            f"{folder} cannot be renamed to {aside.name}: {error.strerror}. Nothing was changed. "
            "Restore into an empty folder with --home, and move it into place yourself"
        ) from None
    try:
        (aside / STAGING).rename(folder)
    except BaseException:
        aside.rename(folder)
        raise
    return aside


def _report(
    out: Output,
    folder: Path,
    manifest: dict[str, Any],
    moved: Path | None,
    removed: int,
    findings: list[str],
) -> None:
    if out.as_json:
        out.json(
            {
                "home": str(folder),
                "files": len(manifest["files"]),
                "database": manifest["database"],
                "blobs": manifest.get("blobs", ""),
                "replaced": str(moved) if moved else None,
                "removed_rows": removed,
                "findings": findings,
            }
        )
    else:
        out.raw(str(folder))
        start = (
            ""
            if findings or manifest.get("blobs")
            else f' Start Fyke with "fyke up --home {shlex.quote(str(folder))}".'
        )
        out.say(f"All files were restored and verified.{start}")
        if moved:
            out.say(f"The previous data folder is now {moved}.")
        if removed:
            rows = formatting.count(removed, "row")
            out.say(f"{rows} of attempts missing from the state of the backup were left out.")
    say_what_is_missing(out, manifest)
    if place := manifest.get("blobs"):
        out.say(SHARED.format(place=place, home=shlex.quote(str(folder))))
    fail_for(out, findings)
