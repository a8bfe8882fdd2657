"""Files on this machine: what is written, and the folder of a Worker as a ZIP.

Few programs need either, so the modules for them are imported in the functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

# Not part of a project; the same as for ``fyke worker push``.
CACHES = frozenset(
    {
        *(".git", ".coreclaw", ".pytest_cache", ".venv", ".DS_Store"),
        *("node_modules", "__pycache__", "venv", "__MACOSX"),
    }
)
BUILD_FOLDERS = frozenset({"dist", "build"})  # only at the root
SUFFIXES = (".pyc", ".pyo", ".log")


@contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file that takes its name when it is complete."""
    import tempfile

    target = Path(path)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file that takes its name when it is complete."""
    with new_file(path) as file:
        file.write(data)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def archive_of(project: bytes | str | os.PathLike[str]) -> bytes:
    """The ZIP of a project: ``project`` itself, the content of a file, or a folder packed.

    Raises ``OSError`` if it cannot be read, and ``ValueError`` for a folder with a link.
    """
    if isinstance(project, bytes):
        return project
    path = Path(project)
    return _pack(path) if path.is_dir() else path.read_bytes()


def _pack(folder: Path) -> bytes:
    """The files of a project in a fixed order. The server checks them."""
    import io
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in sorted(_walk(folder), key=lambda each: each[0]):
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o755 if path.stat().st_mode & 0o111 else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
    return content.getvalue()


def _walk(folder: Path, above: str = "") -> Iterator[tuple[Path, str]]:
    """The files of a project with their names in it."""
    for path in folder.iterdir():
        name = above + path.name
        is_folder = path.is_dir() and not path.is_symlink()
        if path.name in CACHES or (is_folder and name in BUILD_FOLDERS):
            continue
        if is_folder:
            yield from _walk(path, name + "/")
        elif not name.lower().endswith(SUFFIXES):
            if path.is_symlink() or not path.is_file():
                raise ValueError(
                    f"{name!r} is a symbolic link, device or pipe; replace it with the file "
                    "itself, or remove it"
                )
            yield path, name
