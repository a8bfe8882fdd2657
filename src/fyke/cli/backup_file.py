"""The file of a backup: databases, blobs, secret and configuration of an installation.

The file is a tar archive of plain files, which can be read without Fyke. Its last member,
``manifest.json``, lists the others with size and SHA-256; a restore moves nothing into place before
all files have been compared. Databases are copied first, both as of one moment: a blob is written
before the version that refers to it, so every blob that a copied database refers to is included.
Files with rows and of last pages of ended runs may be deleted at any time: those that the copied
databases refer to are kept until they are in the archive.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fyke.cli.errors import CommandFailed, Exit
from fyke.kit.zstd import zstd_module

if TYPE_CHECKING:
    from fyke.settings import Settings

FORMAT = 1
MANIFEST = "manifest.json"
NAMED_FILES = ("rows", "pages")  # folders of the blobs whose files may be deleted at any time
MADE_AGAIN = (
    "environments"  # a folder of the blobs whose files are made again when they are missing
)
CONFIG_FILES = ("secret.key", "config.toml")
DATABASES = ("state.db", "rows.db")
SUFFIXES = (".tar.gz", ".tgz", ".tar.zst")
MAX_MANIFEST = 256 * 2**20
_MEMBER = re.compile(
    r"(state\.db|rows\.db|secret\.key|config\.toml|blobs(/[a-z0-9_-][a-z0-9._-]*)+)"
)
_CHUNK = 2**20


def check_suffix(file: Path) -> None:
    """Raise ``CommandFailed`` for a name without a known suffix."""
    if not file.name.endswith(SUFFIXES):
        raise CommandFailed(f"{file}: its name must end in {', '.join(SUFFIXES)}", Exit.USAGE)


def check_backup(file: Path) -> None:
    """Raise ``CommandFailed`` for a file that does not exist or cannot be a backup."""
    if not file.is_file():
        raise CommandFailed(f"{file}: there is no such file", Exit.NOT_FOUND)
    check_suffix(file)


def compressed(file: IO[bytes], name: str, mode: str) -> Any:
    """A stream that compresses or decompresses ``file``, depending on the suffix of ``name``."""
    if not name.endswith(".tar.zst"):
        return gzip.GzipFile(fileobj=file, mode=mode + "b", compresslevel=6)
    return zstd_module().ZstdFile(file, mode)


# --- backup ---------------------------------------------------------------------------------


def write_backup(
    settings: Settings, file: IO[bytes], name: str, findings: list[str]
) -> dict[str, Any]:
    """Write a backup to ``file``; return the manifest. For each file with rows that is missing, a
    sentence is added to ``findings``.
    """
    from fyke import __version__
    from fyke.app.maintenance import database_copies, schema_heads, versions

    writer = _ArchiveWriter()
    schema = schema_heads() if settings.database_url else versions(settings).revisions
    with compressed(file, name, "w") as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        writer.tar = tar
        if not settings.database_url:
            with database_copies(settings, findings) as copies:
                for copied, copy in copies.items():
                    writer.add(copied, copy)
        for file_name in CONFIG_FILES:
            if (settings.home / file_name).exists():
                writer.add(file_name, settings.home / file_name)
        if not settings.blobs_url:
            for path in _blobs(settings.blobs_dir, named=bool(settings.database_url)):
                with suppress(FileNotFoundError):  # deleted meanwhile
                    writer.add(f"blobs/{path.relative_to(settings.blobs_dir)}", path)
        manifest = {
            "format": FORMAT,
            "fyke": __version__,
            "schema": list(schema),
            "database": "postgresql" if settings.database_url else "sqlite",
            "made_at": int(time.time()),
            "blobs": settings.blobs_url,  # where they are, if they are not in this file
            "files": writer.files,
        }
        writer.add_bytes(MANIFEST, json.dumps(manifest, indent=1).encode())
    return manifest


def _blobs(folder: Path, *, named: bool) -> Iterator[Path]:
    """The files of all blobs; ``named``: with those of ended runs, which SQLite's copies name."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        left_out = parts[0] == MADE_AGAIN or (not named and parts[0] in NAMED_FILES)
        if path.is_file() and not hidden and not left_out:
            yield path


class _ArchiveWriter:
    """Adds files to the tar archive, and records size and hash of each."""

    tar: tarfile.TarFile

    def __init__(self) -> None:
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self._add(name, file, os.fstat(file.fileno()).st_size)

    def add_bytes(self, name: str, data: bytes) -> None:
        self._add(name, io.BytesIO(data), len(data))

    def _add(self, name: str, file: IO[bytes], size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, int(time.time())
        hashing = _Hashing(file)
        self.tar.addfile(member, hashing)
        if name != MANIFEST:
            self.files[name] = {"size": size, "sha256": hashing.digest.hexdigest()}


class _Hashing:
    """A file that computes its hash while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


# --- reading ----------------------------------------------------------------------------------


class DamagedBackup(Exception):
    """The file is damaged, truncated or not a backup."""


def unpack(file: IO[bytes], name: str, folder: Path) -> dict[str, Any]:
    """Unpack a backup to a folder and return its manifest, after all files and databases in it were
    checked. Raises ``DamagedBackup``, and ``CommandFailed`` for a backup of another format.
    """
    manifest = _unpack(file, name, folder)
    _check_databases(folder, manifest)
    return manifest


def _unpack(file: IO[bytes], name: str, folder: Path) -> dict[str, Any]:
    extracted: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] | None = None
    try:
        with compressed(file, name, "r") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                source = tar.extractfile(member) if member.isreg() else None
                if source is None or manifest is not None:
                    raise DamagedBackup(f"{member.name!r:.80} does not belong there")
                if member.name == MANIFEST:
                    manifest = json.loads(source.read(MAX_MANIFEST))
                elif not _MEMBER.fullmatch(member.name) or member.name in extracted:
                    raise DamagedBackup(f"{member.name!r:.80} does not belong there")
                else:
                    extracted[member.name] = _extract(source, folder / member.name)
    except (tarfile.TarError, EOFError, OSError, ValueError, zstd_module().ZstdError) as error:
        raise DamagedBackup(str(error)) from None
    if manifest is None:
        raise DamagedBackup("it ends too early: there is no manifest")
    _compare(extracted, manifest)
    return manifest


def _extract(source: IO[bytes], target: Path) -> dict[str, Any]:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as out:
        target.chmod(0o600)
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    return {"size": size, "sha256": digest.hexdigest()}


def _compare(extracted: dict[str, dict[str, Any]], manifest: dict[str, Any]) -> None:
    if manifest.get("format") != FORMAT:
        raise CommandFailed(
            f"The backup has format {manifest.get('format')}, this program reads {FORMAT}; "
            "use the version of Fyke that created it"
        )
    expected = manifest.get("files", {})
    for name in sorted({*expected, *extracted}):
        if extracted.get(name) != expected.get(name):
            problem = "is missing" if name not in extracted else "has changed"
            raise DamagedBackup(f"{name} {problem}")


def find_place(folder: Path, manifest: dict[str, Any]) -> str:
    """The place in S3 of the blobs of an unpacked backup, "" if they are in the backup; that in the
    state if it has one.
    """
    from fyke.app.maintenance import place_of_copy

    return place_of_copy(folder) if manifest["database"] == "sqlite" else manifest.get("blobs", "")


def find_other_place(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Return a sentence if an unpacked backup was made with another place of the blobs than that in
    its state, as older versions did.
    """
    place, named = find_place(folder, manifest), manifest.get("blobs", "")
    if place == named:
        return []
    return [
        f"the blobs of the installation were in {place or 'the data folder'}, and the backup was "
        f"made with {named or 'those in the data folder'}: it lacks blobs"
    ]


def _check_databases(folder: Path, manifest: dict[str, Any]) -> None:
    from fyke.app.maintenance import find_damage

    for database in DATABASES if manifest["database"] == "sqlite" else ():
        problems = find_damage(folder / database)
        if problems:
            raise DamagedBackup(f"{database}: {problems[0]}")
