"""Maintenance of an installation: versions, checks and copies of its tables."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fyke.storage.sql.results
import fyke.storage.sql.state
from fyke.domain.workers.bundles import bundle_name
from fyke.kit.file_lock import locked
from fyke.settings import Settings
from fyke.storage.blobs.files import BlobFiles, FolderFiles, StoredFiles
from fyke.storage.sql.revisions import revisions

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from fyke.storage.sql.schema import Schema, SchemaVersion

STATE, ROWS = "state.db", "rows.db"


@dataclass(frozen=True, slots=True)
class TableVersions:
    """The versions of both sets of tables."""

    state: SchemaVersion
    rows: SchemaVersion

    @property
    def revisions(self) -> tuple[str, str]:
        return self.state.current, self.rows.current

    @property
    def remedy(self) -> str:
        """How to bring both up to date; empty when they are."""
        for version in (self.state, self.rows):
            if not version.up_to_date:
                heads = f"{self.state.head} and {self.rows.head}"
                return f"this program needs {heads}: {version.remedy}"
        return ""


def schema_heads() -> tuple[str, str]:
    """The newest revisions that this program knows: of the state and of the rows."""
    state, results = (
        revisions(Path(package.__path__[0]) / "migrations")[-1]
        for package in (fyke.storage.sql.state, fyke.storage.sql.results)
    )
    return state, results


def migrate(settings: Settings) -> TableVersions:
    """Bring all tables up to date and return their versions. Raises ``FykeError``."""
    from fyke.app.lost_databases import refuse_loss
    from fyke.app.state import migrate_all

    refuse_loss(settings)
    migrate_all(settings)
    return versions(settings)


def convert(settings: Settings) -> TableVersions:
    """Convert tables from before release 0.1.0 and bring all up to date. Raises ``FykeError``."""
    from fyke.app.state import addresses
    from fyke.kit.assets import assets
    from fyke.storage.sql.state.schema import convert as convert_state

    convert_state(addresses(settings).state, assets() / "old-migrations")
    return migrate(settings)


def versions(settings: Settings) -> TableVersions:
    """The versions of the tables. Changes nothing; raises ``Unavailable``."""
    from sqlalchemy.exc import SQLAlchemyError

    from fyke.app.state import addresses
    from fyke.errors import Unavailable
    from fyke.storage.sql.failures import first_line
    from fyke.storage.sql.results.migrate import SCHEMA as RESULTS
    from fyke.storage.sql.state.schema import SCHEMA as STATE

    urls = addresses(settings)
    try:
        return TableVersions(_version(STATE, urls.state), _version(RESULTS, urls.results))
    except SQLAlchemyError as error:
        raise Unavailable(f"The database cannot be reached: {first_line(error)}") from error


def require_current(settings: Settings) -> None:
    """Raise ``Conflict`` unless the tables are those of this release; raises ``Unavailable``."""
    from fyke.errors import Conflict

    if remedy := versions(settings).remedy:
        raise Conflict(f"The database belongs to another release of Fyke: {remedy}")


def _version(schema: Schema, url: str) -> SchemaVersion:
    from fyke.storage.sql.dialects import make_engine

    engine = make_engine(url, durable=False, pool_size=1)
    try:
        return schema.version(engine)
    finally:
        engine.dispose()


def check(settings: Settings, *, blobs: bool = True) -> list[str]:
    """Return a sentence for each fault of state, rows and, unless ``blobs`` is false, blobs, which
    are checked separately and compared with each other. Changes nothing. Raises ``Unavailable``.
    """
    from fyke.app.state import addresses
    from fyke.storage.sql.dialects import make_engine
    from fyke.storage.sql.failures import unavailable_when_unreadable

    engine = make_engine(addresses(settings).state, durable=False, pool_size=2)
    try:
        with unavailable_when_unreadable():
            return _check(settings, engine, blobs=blobs)
    finally:
        engine.dispose()


def _check(settings: Settings, engine: Engine, *, blobs: bool) -> list[str]:
    from fyke.app.lost_databases import find_loss
    from fyke.app.secret_check import check_secret
    from fyke.app.state import addresses
    from fyke.storage.sql import consistency
    from fyke.storage.sql.results.migrate import SCHEMA as RESULTS
    from fyke.storage.sql.state.check import check as check_state
    from fyke.storage.sql.state.schema import SCHEMA

    rows = settings.home / ROWS
    damage = [] if settings.database_url else find_damage(rows)
    loss = None if damage and rows.exists() else find_loss(settings)
    if loss is not None:
        return [str(loss), *(check_state(engine) if loss.database == "rows" else [])]
    faults = check_state(engine)
    faults += [] if settings.database_url else check_journal(settings)
    faults += [f"{rows.name} is damaged: {text}" for text in damage]
    if damage or not SCHEMA.version(engine).up_to_date:
        return faults
    version = _version(RESULTS, addresses(settings).results)
    if not version.up_to_date:
        return [*faults, f"{rows.name} belongs to another release of Fyke: {version.remedy}"]
    if settings.database_url:
        faults += consistency.check_database(engine)
    else:
        faults += consistency.check_files(settings.home / STATE, rows)
    faults += check_secret(settings)
    return faults + check_blobs(settings, engine) if blobs else faults


def check_blobs(settings: Settings, engine: Engine) -> list[str]:
    """Return a sentence for each blob that the tables refer to and that is missing or changed; only
    one if the settings name another place than that of the blobs.
    """
    from fyke.app.blobs import find_other_place
    from fyke.storage.sql.dialects import for_reading
    from fyke.storage.sql.state import references

    if other := find_other_place(settings, engine):
        return other
    files = stored_files(settings)
    faults = [*check_sealed_rows(settings), *check_last_pages(files, engine)]
    with for_reading(engine).connect() as connection, connection.begin():
        digests = references.needed_bundles(connection)
    return faults + list(check_bundles(files, digests))


def check_place(settings: Settings) -> list[str]:
    """Return a sentence if the place of the blobs is not that of the installation, or refuses
    access. It need not answer. Changes nothing. Raises ``Conflict`` if the settings name another
    place than the state.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from fyke.app.blobs import compare_place, find_other_place
    from fyke.app.state import addresses
    from fyke.contracts.blobs import BlobsRefused
    from fyke.errors import BlobsAway
    from fyke.storage.sql.dialects import make_engine
    from fyke.storage.sql.failures import first_line

    engine = make_engine(addresses(settings).state, durable=False, pool_size=1)
    try:
        compare_place(settings, engine)
        return find_other_place(settings, engine)
    except BlobsRefused as error:
        return [str(error)]
    except BlobsAway:
        return []
    except SQLAlchemyError as error:
        return [f"The place of the blobs cannot be read from the database: {first_line(error)}"]
    finally:
        engine.dispose()


def stored_files(settings: Settings) -> StoredFiles:
    """The blobs of an installation, for checks."""
    if not settings.blobs_url:
        return FolderFiles(settings.blobs_dir)
    from fyke.app.blobs import open_blobs

    return BlobFiles(open_blobs(settings))


def check_journal(settings: Settings) -> list[str]:
    """Return a sentence for each file of the journal that is damaged or does not belong there."""
    from fyke.storage.sql.results.journal.folder import JournalFolder
    from fyke.storage.sql.results.store_id import read_store_id

    return JournalFolder(settings.journal_dir).findings(read_store_id(settings.home / ROWS))


def check_sealed_rows(settings: Settings) -> list[str]:
    """Return a sentence for each file with rows of an ended run that is missing or was changed."""
    from fyke.app.state import addresses
    from fyke.storage.sql.dialects import for_reading, make_engine
    from fyke.storage.sql.sealed_files import check_sealed_files

    engine = make_engine(addresses(settings).results, durable=False, pool_size=1)

    def execute(query: str) -> list[Any]:
        with for_reading(engine).connect() as connection, connection.begin():
            return list(connection.exec_driver_sql(query))

    try:
        return check_sealed_files(stored_files(settings), execute)
    finally:
        engine.dispose()


def check_last_pages(files: StoredFiles, engine: Engine) -> list[str]:
    """Return a sentence for each file of a last page that is missing or was changed."""
    from fyke.storage.sql.dialects import for_reading
    from fyke.storage.sql.page_files import check_page_files

    def execute(query: str) -> list[Any]:
        with for_reading(engine).connect() as connection, connection.begin():
            return list(connection.exec_driver_sql(query))

    return check_page_files(files, execute)


def check_bundles(files: StoredFiles, digests: Iterable[str]) -> Iterator[str]:
    """Return a sentence for each bundle that is missing or was changed."""
    for digest in sorted(digests):
        try:
            actual = files.sha256(bundle_name(digest)).hex()
        except OSError as error:
            yield f"the bundle {digest} cannot be read: {error.strerror}"
            continue
        if actual != digest:
            yield f"the bundle {digest} was changed: its SHA-256 is {actual}"


def find_damage(file: Path) -> list[str]:
    """The faults that SQLite finds in a database file."""
    if not file.exists():
        return ["the file is missing"]
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [text for (text,) in rows if text != "ok"]


def remove_unknown_rows(folder: Path) -> int:
    """Remove rows that the state does not know from the SQLite files in ``folder``, which are not
    in use; return how many.
    """
    from fyke.storage.sql import unknown_rows

    return unknown_rows.remove_unknown_rows(folder / STATE, folder / ROWS).rows


def find_missing_rows(folder: Path) -> list[str]:
    """``check_sealed_rows`` for the SQLite files and blobs in ``folder``, which are not in use."""
    from fyke.storage.sql.sealed_files import check_sealed_files

    with contextlib.closing(sqlite3.connect(folder / ROWS)) as connection:
        if not _has_seals(connection):
            return []
        return check_sealed_files(FolderFiles(folder / "blobs"), connection.execute)


def find_missing_pages(folder: Path) -> list[str]:
    """``check_last_pages`` for the SQLite files and blobs in ``folder``, which are not in use."""
    from fyke.storage.sql.page_files import check_page_files

    with contextlib.closing(sqlite3.connect(folder / STATE)) as connection:
        if not _has_pages(connection):
            return []
        return check_page_files(FolderFiles(folder / "blobs"), connection.execute)


def place_of_copy(folder: Path) -> str:
    """The place in S3 of the blobs, "" if they are in a folder, from the state in ``folder``, which
    is not in use.
    """
    from fyke.app.blob_place import PLACE

    with contextlib.closing(sqlite3.connect(folder / STATE)) as connection:
        if not _has_table(connection, "installation"):
            return ""
        query = "SELECT value FROM installation WHERE name = ?"
        found = connection.execute(query, (PLACE,)).fetchone()
    return str(found[0]) if found else ""


@contextlib.contextmanager
def database_copies(settings: Settings, findings: list[str]) -> Iterator[dict[str, Path]]:
    """Yield copies of both SQLite files of one moment, by name, then remove them. All rows that
    were acknowledged before are in them. With them are the files with rows of ended runs and of
    last pages that they refer to, even of runs that are deleted meanwhile. For one that is missing,
    a sentence is added to ``findings``.

    Waits while another backup is made. Raises ``FykeError``.
    """
    from fyke.app.state import addresses
    from fyke.storage.sql.backup import backup_sqlite, check_copies
    from fyke.storage.sql.results.moving import move_journal
    from fyke.storage.sql.results.store_id import renew_store_id

    scratch = settings.scratch_dir
    scratch.mkdir(mode=0o700, exist_ok=True)
    copies = {name: scratch / f"copy-of-{name}" for name in (STATE, ROWS)}
    kept = _KeptFiles(settings, scratch / "copy-of-blobs")
    with locked(scratch / "backup.lock"):
        _remove_copies(copies, kept.folder)  # left by a backup that was killed
        targets = {settings.home / name: copy for name, copy in copies.items()}
        check_copies(targets)
        try:
            # an attempt that has ended in the state has no rows left in the journal
            move_journal(addresses(settings).results, settings.journal_dir)
            backup_sqlite(targets, kept.moment)
            renew_store_id(copies[ROWS])
            findings += kept.findings
            yield copies | kept.links
        finally:
            _remove_copies(copies, kept.folder)


def _remove_copies(copies: Mapping[str, Path], kept: Path) -> None:
    for copy in copies.values():
        copy.unlink(missing_ok=True)
    shutil.rmtree(kept, ignore_errors=True)


class _KeptFiles:
    """Links to the files that ended runs need in ``folder``, by their names in the backup."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self.folder = folder
        self.links: dict[str, Path] = {}
        self.findings: list[str] = []

    @contextlib.contextmanager
    def moment(self, files: Sequence[Path]) -> Iterator[list[sqlite3.Connection]]:
        """``one_moment``, at which the files are linked: before any of them can be deleted."""
        from fyke.app.blobs import folder_blobs
        from fyke.storage.sql.backup import one_moment

        settings = self._settings
        local = not settings.blobs_url and settings.blobs_dir.is_dir()
        with contextlib.ExitStack() as stack:
            with folder_blobs(settings).kept() if local else nullcontext():
                readers = stack.enter_context(one_moment(files))
                if not settings.blobs_url:
                    state, rows = readers
                    self._link_rows(rows)
                    self._link_pages(state)
            yield readers

    def _link_rows(self, rows: sqlite3.Connection) -> None:
        from fyke.storage.sql.sealed_files import sealed_files

        for file in sealed_files(rows.execute) if _has_seals(rows) else ():
            if not self._link(file.blob):
                self.findings.append(
                    f"the file {file.blob} with {file.rows} rows of run {file.run_id} is missing"
                )

    def _link_pages(self, state: sqlite3.Connection) -> None:
        from fyke.storage.sql.page_files import page_files

        for file in page_files(state.execute) if _has_pages(state) else ():
            if not self._link(file.blob):
                self.findings.append(
                    f"the file {file.blob} of the last page of run {file.run_id} is missing"
                )

    def _link(self, blob: str) -> bool:
        """Keep a file; False if it is missing."""
        link = self.folder / blob
        try:
            _link(self._settings.blobs_dir / blob, link)
        except FileNotFoundError:
            return False
        self.links[f"blobs/{blob}"] = link
        return True


def _has_seals(connection: sqlite3.Connection) -> bool:
    """Whether the tables are new enough to refer to files with rows."""
    return _has_table(connection, "results_seals")


def _has_pages(connection: sqlite3.Connection) -> bool:
    """Whether the tables are new enough to refer to files of last pages."""
    return _has_table(connection, "run_last_pages")


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE name = ?"
    return connection.execute(query, (name,)).fetchone() is not None


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # the file system has no links
        shutil.copyfile(source, target)
