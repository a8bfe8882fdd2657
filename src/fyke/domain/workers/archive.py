"""Archives of Worker projects: reads untrusted ones, packs and unpacks.

An untrusted archive is read once (``open_archive``) and rewritten in one canonical form
(``normalise``): sorted, without times, owners or unusual modes. The SHA-256 of that form identifies
a version. Entries are inflated to a temporary file, not to memory, and the inflated bytes are
counted, whatever the headers claim.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from fyke.domain.workers.entry_names import (
    check_name,
    fold,
    is_build_output,
    is_left_out,
    refuse,
)
from fyke.domain.workers.zip_directory import (
    LEAVE_OUT,
    STORED,
    Packed,
    ZipEntry,
    read_directory,
)
from fyke.errors import InvalidRequest
from fyke.kit.files import flush_folder

MAX_PACKED = 50 * 2**20
MAX_BUNDLE = 2 * MAX_PACKED  # a bundle may compress less well than the archive it was made from
MAX_UNPACKED = 500 * 2**20
MAX_ENTRIES = 20_000
MAX_FOLDERS = 10_000  # including parent folders without an entry; a folder costs more than a file
ENTRY_FILES = ("main.py", "main.js", "main", "main.go")
PROGRAM = "main"  # the compiled entry of a Go project, always executable

_CHUNK = 64 * 1024
_IN_MEMORY = 4 * 2**20
_TIME = (1980, 1, 1, 0, 0, 0)
_DAMAGED = "the archive is damaged; pack the project again"


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """One file of a project; ``chunks`` yields its content and may be called again."""

    path: str
    size: int  # bytes
    executable: bool
    chunks: Callable[[], Iterator[bytes]]

    def read(self, limit: int) -> bytes:
        """Return at most the first ``limit`` bytes."""
        data = bytearray()
        for chunk in self.chunks():
            data += chunk
            if len(data) >= limit:
                break
        return bytes(data[:limit])


@dataclass(frozen=True, slots=True)
class Archive:
    """The files of an archive, sorted by path. ``left_out`` names the skipped root folders."""

    files: tuple[ProjectFile, ...]
    left_out: tuple[str, ...] = ()

    def file(self, path: str) -> ProjectFile | None:
        return next((file for file in self.files if file.path == path), None)


@contextmanager
def open_archive(data: Packed, *, max_packed: int = MAX_PACKED) -> Iterator[Archive]:
    """Inflate a ZIP to a temporary file; its files can be read until the context ends.

    A single folder around the whole project is stripped when it contains the entry file. The
    ``InvalidRequest`` for an unusable archive names the entry, the rule and the remedy.
    """
    if len(data) > max_packed:
        raise InvalidRequest(
            f"the archive has {len(data):,} bytes, at most {max_packed:,} are allowed",
            remedy=LEAVE_OUT,
        )
    entries = read_directory(data, MAX_ENTRIES)
    _refuse_collisions(entry.name for entry in entries)
    entries = [entry for entry in entries if not entry.folder]
    claimed = sum(entry.size for entry in entries)
    if claimed > MAX_UNPACKED:
        raise _too_large(claimed)
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
        yield _archive(_spool(data, entries, spool))


def pack(
    folder: Path, replacements: Mapping[str, Path] | None = None, without: Path | None = None
) -> bytes:
    """Return the project in ``folder`` as a bundle in canonical form. Raise ``InvalidRequest``.

    Caches, logs and build products are left out; links and special files are refused.
    ``replacements``: files to pack instead of those in the folder, by path in the project.
    ``without``: a file that is left out, wherever it is; it may be missing.
    """
    files: list[ProjectFile] = []
    total = 0
    replacements = replacements or {}
    left_out = _identities(without)
    paths = [(path, name) for path, name in _walk(folder) if name not in replacements]
    paths += [(path, name) for name, path in replacements.items()]
    for path, name in paths:
        status = path.lstat()
        if (status.st_dev, status.st_ino) in left_out:
            continue
        if not stat.S_ISREG(status.st_mode):
            rule = "it is a symbolic link, device or pipe"
            raise refuse(name, rule, "replace it with the file itself, or remove it")
        check_name(name)
        total += status.st_size
        if total > MAX_UNPACKED:
            raise _too_large(total)
        if len(files) >= MAX_ENTRIES:
            raise InvalidRequest(
                f"the project has more than {MAX_ENTRIES:,} files", remedy=LEAVE_OUT
            )
        executable = bool(status.st_mode & 0o111)
        files.append(ProjectFile(name, status.st_size, executable, _reader(path)))
    _refuse_collisions(file.path for file in files)
    return normalise(files)


def _identities(path: Path | None) -> set[tuple[int, int]]:
    """Device and number of a file, and of the link that leads to it."""
    found = set()
    if path is not None:
        for follow in (True, False):
            with suppress(OSError):
                status = path.stat(follow_symlinks=follow)
                found.add((status.st_dev, status.st_ino))
    return found


def normalise(files: Iterable[ProjectFile]) -> bytes:
    """Return a ZIP that depends only on paths, contents and executable bits."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for file in sorted(files, key=lambda file: file.path):
                _write(archive, file)
        out.seek(0)
        return out.read()


def unpack(bundle: Packed, target: Path) -> None:
    """Unpack the project to the folder ``target``, readable by all users, completely or not at all.

    The files are written to a sibling folder and flushed to disk, and the folder is renamed: after
    a loss of power there is no target with empty files. When another process has created the target
    first, its files stay. No path outside the folder is ever opened.
    """
    with open_archive(bundle, max_packed=MAX_BUNDLE) as archive:
        target.parent.mkdir(parents=True, exist_ok=True)
        building = target.parent / f".{target.name}.{secrets.token_hex(8)}"
        building.mkdir(mode=0o700)
        try:
            _write_files(archive.files, building)
            building.chmod(0o755)
            _flush(building)
            _move(building, target)
            flush_folder(target.parent)
        finally:
            shutil.rmtree(building, ignore_errors=True)


def _flush(building: Path) -> None:
    """Flush all files, then their names. All are written before the first is flushed, so that one
    write of the file system's journal may serve many.
    """
    for folder, _, names in os.walk(building, topdown=False):
        for name in names:
            descriptor = os.open(Path(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        flush_folder(Path(folder))


def _move(building: Path, target: Path) -> None:
    try:
        building.rename(target)
    except OSError:
        if not target.is_dir():
            raise


# --- reading -----------------------------------------------------------------------------------


def _too_large(size: int) -> InvalidRequest:
    return InvalidRequest(
        f"the project has {size:,} bytes unpacked, at most {MAX_UNPACKED:,} are allowed",
        remedy=LEAVE_OUT,
    )


def _refuse_collisions(names: Iterable[str]) -> None:
    """Refuse entries and parent folders whose names collide on some file system, and too many
    folders.
    """
    seen_paths: dict[str, str] = {}  # folded path to the path itself
    files: set[str] = set()
    folders: set[str] = set()
    for name in names:
        parts = name.rstrip("/").split("/")
        for depth in range(1, len(parts)):
            _refuse_variant(seen_paths, "/".join(parts[:depth]), name)
        path = name.rstrip("/")
        key = fold(path)
        folder = name.endswith("/")
        if key in files or key in folders or (key in seen_paths and not folder):
            raise refuse(name, "another entry has the same name", "rename or remove one of them")
        _refuse_variant(seen_paths, path, name)
        (folders if folder else files).add(key)
        if len(seen_paths) - len(files) > MAX_FOLDERS:
            raise InvalidRequest(
                f"the project has more than {MAX_FOLDERS:,} folders",
                remedy="put the files into fewer folders",
            )
    for key in files:
        for depth in range(1, key.count("/") + 1):
            if key.rsplit("/", depth)[0] in files:
                rule = "its folder has the same name as a file"
                raise refuse(seen_paths[key], rule, "rename or remove one of them")


def _refuse_variant(seen_paths: dict[str, str], path: str, name: str) -> None:
    if seen_paths.setdefault(fold(path), path) != path:
        rule = "it differs from another entry only in case or Unicode composition"
        raise refuse(name, rule, "rename one of them")


def _spool(data: Packed, entries: list[ZipEntry], spool: IO[bytes]) -> list[ProjectFile]:
    files, total = [], 0
    for entry in entries:
        start = total
        for chunk in _inflate(data, entry):
            spool.write(chunk)
            total += len(chunk)
        chunks = _slice(spool, start, entry.size)
        files.append(ProjectFile(entry.name, entry.size, entry.executable, chunks))
    return files


def _inflate(data: Packed, entry: ZipEntry) -> Iterator[bytes]:
    """Yield the content; refuse it as soon as it disagrees with the directory."""
    count, crc = 0, 0
    for chunk in _raw_chunks(data, entry):
        count += len(chunk)
        crc = zlib.crc32(chunk, crc)
        if count > entry.size:
            raise refuse(entry.name, "it has more bytes than its header says", _DAMAGED)
        yield chunk
    if count != entry.size:
        raise refuse(entry.name, "it has fewer bytes than its header says", _DAMAGED)
    if crc != entry.crc:
        raise refuse(entry.name, "its checksum is wrong", _DAMAGED)


def _raw_chunks(data: Packed, entry: ZipEntry) -> Iterator[bytes]:
    view = memoryview(data)[entry.data_at : entry.data_at + entry.packed]
    if entry.method == STORED:
        for at in range(0, len(view), _CHUNK):
            yield bytes(view[at : at + _CHUNK])
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for at in range(0, len(view), _CHUNK):
            pending = bytes(view[at : at + _CHUNK])
            while pending and not inflater.eof:
                yield inflater.decompress(pending, _CHUNK)
                pending = inflater.unconsumed_tail
            if inflater.eof and (inflater.unused_data or at + _CHUNK < len(view)):
                raise refuse(entry.name, "it contains bytes after its end", _DAMAGED)
        while not inflater.eof and (chunk := inflater.decompress(b"", _CHUNK)):
            yield chunk
    except zlib.error:
        raise refuse(entry.name, "it cannot be inflated", _DAMAGED) from None
    if not inflater.eof:
        raise refuse(entry.name, "it ends too early", _DAMAGED)


def _slice(spool: IO[bytes], start: int, size: int) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        for at in range(start, start + size, _CHUNK):
            spool.seek(at)
            yield spool.read(min(_CHUNK, start + size - at))

    return chunks


def _archive(files: list[ProjectFile]) -> Archive:
    files = _without_wrapper(files)
    included = [file for file in files if not is_build_output(file.path)]
    left_out = {file.path.partition("/")[0] for file in files if is_build_output(file.path)}
    included.sort(key=lambda file: file.path)
    return Archive(tuple(included), tuple(sorted(left_out)))


def _without_wrapper(files: list[ProjectFile]) -> list[ProjectFile]:
    top_names = {file.path.partition("/")[0] for file in files}
    paths = {file.path for file in files}
    if len(top_names) != 1 or paths & top_names:
        return files
    prefix = f"{top_names.pop()}/"
    if not any(prefix + name in paths for name in ENTRY_FILES):
        return files
    return [replace(file, path=file.path.removeprefix(prefix)) for file in files]


# --- writing -----------------------------------------------------------------------------------


def _walk(folder: Path, above: str = "") -> Iterator[tuple[Path, str]]:
    """Yield every path that is not a folder, with its name in the project."""
    try:
        children = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise InvalidRequest(f"{folder}: {error.strerror}; name a readable folder") from None
    for path in children:
        name = above + path.name
        is_folder = path.is_dir() and not path.is_symlink()
        entry_name = f"{name}/" if is_folder else name
        if is_left_out(entry_name) or is_build_output(entry_name):
            continue
        if is_folder:
            check_name(name)
            yield from _walk(path, name + "/")
        else:
            yield path, name


def _reader(path: Path) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    return chunks


def _write(archive: zipfile.ZipFile, file: ProjectFile) -> None:
    info = zipfile.ZipInfo(file.path, _TIME)
    info.create_system = 3
    info.compress_type = zipfile.ZIP_DEFLATED
    mode = 0o755 if file.executable or file.path == PROGRAM else 0o644
    info.external_attr = (stat.S_IFREG | mode) << 16
    with archive.open(info, "w") as out:
        for chunk in file.chunks():
            out.write(chunk)


def _write_files(files: Iterable[ProjectFile], root: Path) -> None:
    """Write the files below ``root`` through descriptors of their folders."""
    open_folders: dict[str, int] = {"": os.open(root, os.O_RDONLY | os.O_DIRECTORY)}
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        for file in files:
            above, _, name = file.path.rpartition("/")
            folder = _open_folder(open_folders, above)
            with open(os.open(name, flags, 0o600, dir_fd=folder), "wb") as out:  # noqa: PTH123
                for chunk in file.chunks():
                    out.write(chunk)
                os.fchmod(out.fileno(), 0o755 if file.executable else 0o644)
    finally:
        for folder in open_folders.values():
            os.close(folder)


def _open_folder(open_folders: dict[str, int], path: str) -> int:
    """Return a descriptor of the folder, which is created when it is missing.

    Descriptors of folders other than its parents are closed.
    """
    for stale in [p for p in open_folders if p and p != path and not path.startswith(p + "/")]:
        os.close(open_folders.pop(stale))
    if path in open_folders:
        return open_folders[path]
    above, _, name = path.rpartition("/")
    parent = _open_folder(open_folders, above)
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    open_folders[path] = os.open(name, flags, dir_fd=parent)
    os.fchmod(open_folders[path], 0o755)
    return open_folders[path]
