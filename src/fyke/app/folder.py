"""The data folder: its content and permissions. Uses only the standard library."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from fyke.kit.files import flush_folder
from fyke.kit.ids import new_ulid
from fyke.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from fyke.settings import Settings

NODE_FILE = "node.json"  # only in the folder of a node, see ``fyke.app.node_folder``
INSTALLATION_FILES = (
    *("state.db", "rows.db", "secret.key", "owner.key"),
    *("node", "config.toml"),  # ``make_home`` writes the first, an operator the second
)
LOCAL_FOLDER = "local"  # of work without a server, see ``fyke.cli.local_folder``
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PERMISSIONS = {"open": 0o711, "shared": 0o755, "private": 0o700}


def make_home(settings: Settings) -> None:
    """Create the data folder and its content. Raises ``OSError`` when it cannot be written.

    Other users may traverse the folder, because the user of a sandbox mounts bundles, environments
    and its work folder from below it; they cannot read what contains secrets. They cannot list the
    cache of bundles either, so they reach only those whose digests they know.
    """
    for path, mode in (
        (settings.home, PERMISSIONS["open"]),
        (settings.home / "cache", PERMISSIONS["open"]),
        (settings.bundles_dir, PERMISSIONS["open"]),
        (settings.environments_dir, PERMISSIONS["shared"]),
        (settings.work_dir, PERMISSIONS["open"]),
        (settings.run_dir, PERMISSIONS["private"]),
        (settings.signals_dir, PERMISSIONS["private"]),
        (settings.blobs_dir, PERMISSIONS["private"]),
        (settings.scratch_dir, PERMISSIONS["private"]),
    ):
        path.mkdir(parents=True, exist_ok=True)
        # If there is a launcher, it created and owns the work folder.
        if path.stat().st_mode & 0o777 != mode and path.stat().st_uid == os.geteuid():
            path.chmod(mode)
    if not settings.node_file.exists():
        write_private(settings.node_file, new_ulid())


def is_node(home: Path) -> bool:
    """Whether this is the folder of a node."""
    return (home / NODE_FILE).exists()


def is_installation(home: Path) -> bool:
    """Whether this is the data folder of an installation, which may have lost files."""
    return not is_node(home) and any((home / name).is_file() for name in INSTALLATION_FILES)


def place(settings: Settings) -> str:
    """Return ``RunnerInfo.place`` of this data folder. A copied folder or machine has a different
    one.
    """
    folder = settings.home.stat()
    return f"{BOOT_ID.read_text().strip()}/{folder.st_dev}/{folder.st_ino}"


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically by one that only its owner can read. It is flushed to disk: the
    database may refer to it at once.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    flush_folder(path.parent)


def master_secret(settings: Settings) -> bytes:
    """The installation's secret: signs downloads, derives webhook secrets."""
    return bytes.fromhex(settings.secret_file.read_text().strip())


def create_secret(settings: Settings) -> None:
    """Write a new ``secret.key`` unless there is one."""
    if not settings.secret_file.exists():
        write_private(settings.secret_file, secrets.token_hex(32))


def secret_fingerprint(settings: Settings) -> str:
    """A digest that identifies ``secret.key`` and discloses nothing of it; "" without the file."""
    if not settings.secret_file.exists():
        return ""
    return hashlib.sha256(b"fyke secret.key " + master_secret(settings)).hexdigest()[:32]


def disk_shortage(settings: Settings) -> Reason | None:
    """The reason to accept no new run, when the disk of the data folder is too full."""
    free = shutil.disk_usage(settings.home).free // 2**20
    if free >= settings.disk_floor_mb:
        return None
    return Reason.of(ReasonCode.DISK_FULL, free_mb=free, floor_mb=settings.disk_floor_mb)
