"""Packs a sealed environment into one file, and unpacks such a file safely.

The file is a tar archive, compressed with zstd: ``install.log``, then folders and files below
``env/``. It has no times, owners or modes other than executable or not, and a fixed order, so the
same content has the same bytes. It has no links either: an environment has only those that its
recipe makes, which are made again when it is unpacked.

An archive is unpacked only after its digest was compared, but nothing here relies on that: every
name is checked and opened below the descriptor of its folder, nothing is replaced, and what is
written is counted, whatever the headers claim. Both ways take constant memory.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from fyke.kit.zstd import zstd_module
from fyke.model.worker import MAX_ARCHIVE_BYTES
from fyke.sandbox.packages import sealing

CONTENT = "env"
LOG = "install.log"
MAX_LOG = 4 * 2**20  # bytes

_LEVEL = 3
_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 256 * 1024
_END = bytes(2 * _BLOCK)
_MAX_NAME = sealing.MAX_PATH * 4 + len(CONTENT) + 2  # bytes of a name in UTF-8
_MAX_WINDOW_LOG = 23  # 8 MiB: what a reader keeps in memory
_LONG_NAME = b"././@LongLink"
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class BadArchive(Exception):
    """An archive, or what should be packed, is not accepted; the message says why."""


class TooLarge(BadArchive):
    """What should be packed or unpacked has too many bytes or files for this machine."""


# --- packing -----------------------------------------------------------------------------------


def pack(
    folder: Path, target: Path, links: Mapping[str, str], max_bytes: int = MAX_ARCHIVE_BYTES
) -> None:
    """Write the environment in ``folder`` to the file ``target``. ``links``: the targets of the
    links of its recipe, by path in ``env``. Raise ``BadArchive`` for any other, and ``TooLarge`` as
    soon as the file has more than ``max_bytes``; then it has a part of it.
    """
    module = zstd_module()
    parameter = module.CompressionParameter
    options = {parameter.compression_level: _LEVEL, parameter.checksum_flag: 1}
    log = (folder / LOG).read_bytes()[:MAX_LOG]
    with (
        target.open("wb") as file,
        module.ZstdFile(_Limited(file, max_bytes), "w", options=options) as out,
    ):
        out.write(_header(LOG, len(log), executable=False) + log + _padding(len(log)))
        for path, name, is_folder in _members(folder / CONTENT, links):
            if is_folder:
                out.write(_header(f"{name}/", 0, executable=True))
            else:
                _pack_file(path, name, out)
        out.write(_END)


class _Limited:
    """A file to write that has a limit, in bytes."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file = file
        self._left = left
        self.flush = file.flush

    def write(self, data: bytes) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge("it is too large to be packed")
        return self._file.write(data)


def _members(root: Path, links: Mapping[str, str]) -> Iterator[tuple[Path, str, bool]]:
    """The folders and files of an environment, each folder before its content."""
    pending = [(root, CONTENT)]
    while pending:
        folder, above = pending.pop()
        yield folder, above, True
        for entry in sorted(os.scandir(folder), key=lambda item: os.fsencode(item.name)):
            name = f"{above}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                pending.append((Path(entry.path), name))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path), name, False
            elif not entry.is_symlink() or _differs(Path(entry.path), name, links):
                raise BadArchive(f"{name!r} is no file and no folder")


def _differs(path: Path, name: str, links: Mapping[str, str]) -> bool:
    return links.get(name.removeprefix(f"{CONTENT}/")) != str(path.readlink())


def _pack_file(path: Path, name: str, out: BinaryIO) -> None:
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb", buffering=0) as file:
        state = os.fstat(number)
        left = state.st_size
        out.write(_header(name, left, executable=bool(state.st_mode & 0o111)))
        while left:
            data = file.read(min(_CHUNK, left))
            if not data:
                raise BadArchive(f"{name!r} became shorter")
            out.write(data)
            left -= len(data)
        out.write(_padding(state.st_size))


def _header(name: str, size: int, *, executable: bool) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    info.size, info.mode = size, 0o755 if executable else 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


# --- unpacking ---------------------------------------------------------------------------------


def unpack(source: Path, target: Path, links: Mapping[str, str], max_bytes: int) -> None:
    """Write the environment in the file ``source`` to the empty folder ``target``, with ``links``
    as for ``pack``. At most ``max_bytes`` are written to the disk. Raise ``BadArchive``, after
    which ``target`` has a part of it, and ``OSError``.
    """
    with ExitStack() as stack:
        tree = stack.enter_context(_open_tree(target))
        writer = _Writer(tree, max_bytes)
        with _decompressed(source) as stream:
            _read_members(_Reader(stream), writer)
        if not writer.has_log or not writer.has_content:
            raise BadArchive("it is not complete")
    for name, goal in links.items():
        path = target / CONTENT / name
        try:
            path.symlink_to(goal)
        except OSError as error:
            raise BadArchive(f"the link {name} cannot be made: {error.strerror}") from None


class _PlainBytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


@contextmanager
def _decompressed(source: Path) -> Iterator[_PlainBytes]:
    module = zstd_module()
    options = {module.DecompressionParameter.window_log_max: _MAX_WINDOW_LOG}
    with source.open("rb") as raw, module.ZstdFile(raw, "r", options=options) as stream:
        try:
            yield stream
        except (module.ZstdError, EOFError) as error:
            raise BadArchive(f"it cannot be decompressed: {error}") from None


class _Reader:
    """Reads exact numbers of bytes."""

    def __init__(self, stream: _PlainBytes) -> None:
        self._stream = stream

    def exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._stream.read(size - len(data))
            if not part:
                raise BadArchive("it ends too early")
            data += part
        return bytes(data)

    def chunks(self, size: int) -> Iterator[bytes]:
        """The next ``size`` bytes, and nothing of what follows up to the next block."""
        left = size
        while left:
            data = self.exactly(min(_CHUNK, left))
            left -= len(data)
            yield data
        if any(self.exactly(-size % _BLOCK)):
            raise BadArchive("a file has bytes after its end")

    def require_end(self) -> None:
        if self._stream.read(1):
            raise BadArchive("it has bytes after its end")


def _read_members(reader: _Reader, writer: _Writer) -> None:
    long_name = ""
    while True:
        block = reader.exactly(_BLOCK)
        if not any(block):
            break
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise BadArchive(f"a header is wrong: {error}") from None
        if info.size < 0:
            raise BadArchive("a size is negative")
        if info.type == tarfile.GNUTYPE_LONGNAME:
            long_name = _read_long_name(reader, info, long_name)
            continue
        name, long_name = long_name or info.name, ""
        if info.type == tarfile.DIRTYPE and not info.size:
            writer.add_folder(name.removesuffix("/"))
        elif info.type == tarfile.REGTYPE:
            writer.add_file(name, info, reader)
        else:
            raise BadArchive(f"{name!r} is no file and no folder")
    if long_name or any(reader.exactly(_BLOCK)):
        raise BadArchive("its end is damaged")
    reader.require_end()


def _read_long_name(reader: _Reader, info: tarfile.TarInfo, before: str) -> str:
    if before or info.name != _LONG_NAME.decode() or not 1 < info.size <= _MAX_NAME:
        raise BadArchive("a long name is wrong")
    data = b"".join(reader.chunks(info.size))
    return data.removesuffix(b"\0").decode("utf-8", "surrogateescape")


class _Writer:
    """Creates files and folders below ``tree``. Every folder has an entry before its content."""

    def __init__(self, tree: _Tree, max_bytes: int) -> None:
        self._tree = tree
        self._left = max_bytes
        self._entries = 0
        self.has_log = self.has_content = False

    def add_folder(self, name: str) -> None:
        self._check(name)
        self._take(_BLOCK)
        self._create(name, self._tree.add_folder)
        self.has_content = self.has_content or name == CONTENT

    def add_file(self, name: str, info: tarfile.TarInfo, reader: _Reader) -> None:
        if name == LOG:
            if self._entries or info.size > MAX_LOG:
                raise BadArchive("the log is not first, or too large")
            self._entries, self.has_log = 1, True
        else:
            self._check(name)
        self._take(max(info.size, _BLOCK))

        def write(folder: int, last: str) -> None:
            with open(os.open(last, _NEW_FLAGS, 0o600, dir_fd=folder), "wb") as file:  # noqa: PTH123
                for chunk in reader.chunks(info.size):
                    file.write(chunk)
                os.fchmod(file.fileno(), 0o555 if info.mode & 0o111 else 0o444)

        self._create(name, lambda path: self._tree.within(path, write))

    def _check(self, name: str) -> None:
        """Raise ``BadArchive`` unless the name is that of something in ``env``, or of itself."""
        parts = name.split("/")
        wrong = any(part in ("", ".", "..") for part in parts) or "\0" in name
        if wrong or parts[0] != CONTENT or not self.has_log:
            raise BadArchive(f"the name {name!r} is not allowed")
        if len(parts) - 2 > sealing.MAX_DEPTH or len(name) > sealing.MAX_PATH + len(CONTENT) + 1:
            raise BadArchive(f"the name {name[:80]!r}... is too long or too deep")

    def _take(self, size: int) -> None:
        self._entries += 1
        self._left -= size
        if self._left < 0 or self._entries > sealing.MAX_FILES + 2:
            raise TooLarge("it has too many or too large files")

    def _create(self, name: str, create: Callable[[str], None]) -> None:
        try:
            create(name)
        except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
            raise BadArchive(f"{name!r} cannot be made: {error.strerror}") from None


class _Tree:
    """A folder, of which one path at a time is open, folder by folder, without following links."""

    def __init__(self, root: int) -> None:
        self._open = [("", root)]

    def close(self) -> None:
        for _, number in self._open:
            os.close(number)

    def add_folder(self, path: str) -> None:
        self.within(path, lambda folder, name: os.mkdir(name, 0o755, dir_fd=folder))

    def within(self, path: str, create: Callable[[int, str], None]) -> None:
        """Call ``create`` with the open parent of ``path``, and its last name."""
        above, _, name = path.rpartition("/")
        create(self._folder(above), name)

    def _folder(self, path: str) -> int:
        while not _contains(self._open[-1][0], path):
            os.close(self._open.pop()[1])
        known, number = self._open[-1]
        for part in path[len(known) :].split("/"):
            if part:
                number = os.open(part, _FOLDER_FLAGS, dir_fd=number)
                known = f"{known}/{part}" if known else part
                self._open.append((known, number))
        return number


def _contains(folder: str, path: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


@contextmanager
def _open_tree(root: Path) -> Iterator[_Tree]:
    tree = _Tree(os.open(root, _FOLDER_FLAGS))
    try:
        yield tree
    finally:
        with suppress(OSError):
            tree.close()
