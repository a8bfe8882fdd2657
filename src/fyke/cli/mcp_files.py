"""The files of ``fyke mcp install``: a key that only its user can read, and safe replacements."""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from fyke.cli.errors import CommandFailed, Exit

PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class McpConnection:
    """The server and the key of an installed entry; ``key_id`` for its revocation. ``key_name`` is
    empty in files of older versions.
    """

    url: str
    key: str
    key_id: str
    key_name: str = ""

    def __repr__(self) -> str:  # without the key, which must not be logged
        return f"McpConnection(url={self.url!r}, key_id={self.key_id!r})"


def connection_file(home: Path, program: str) -> Path:
    return home / ".config" / "fyke" / "mcp" / f"{program}.json"


def read_connection(file: Path) -> McpConnection:
    """Raises ``CommandFailed``, also if other users can read the file."""
    try:
        with file.open(encoding="utf-8") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o077:
                raise CommandFailed(f"{file} can be read by other users: chmod 600 it", Exit.AUTH)
            values = json.load(opened)
        return McpConnection(
            str(values["url"]),
            str(values["key"]),
            str(values["key_id"]),
            str(values.get("key_name", "")),
        )
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}", Exit.USAGE) from None
    except (ValueError, KeyError, TypeError):
        raise CommandFailed(
            f"{file} is not a connection of fyke mcp; install it again", Exit.USAGE
        ) from None


def write_connection(file: Path, connection: McpConnection) -> None:
    """Write it with mode 0600, also if the file had another one."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(file, json.dumps(asdict(connection), indent=2) + "\n", mode=PRIVATE)


def prepare_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make sure that files can be written into ``folder``, which is made if it is missing. Raises
    ``CommandFailed``.
    """
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandFailed(f"{folder}: {error.strerror}") from None


def replace_file(file: Path, text: str, *, mode: int | None = None) -> None:
    """Replace the content at once, or not at all. The owner stays as far as this user may set it.
    ``mode`` None: that of the file, or 0600.
    """
    old = file.stat() if file.exists() else None
    if mode is None:
        mode = old.st_mode & 0o777 if old else PRIVATE
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            if old is not None:
                with suppress(PermissionError):
                    os.fchown(descriptor, old.st_uid, old.st_gid)
            os.fchmod(descriptor, mode)
            opened.write(text)
            opened.flush()
            os.fsync(descriptor)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def keep_copy(file: Path) -> Path:
    """A copy of ``file`` beside it that only its user can read, under a name that is not taken."""
    base = f"{file.name}.before-fyke-{time.strftime('%Y%m%d-%H%M%S')}"
    copy, number = file.with_name(base), 1
    while copy.exists():
        number += 1
        copy = file.with_name(f"{base}-{number}")
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(file.read_bytes())
    return copy
