"""Gives sandboxes their own inodes for files that they share with each other and the machine.

A watch, a lease or a lock belongs to an inode. Through a shared inode a Worker could see which
programs and modules others open, signal another Worker without a network, and delay a program of
the machine that locks the same file.

* Folders are mounted as overlays, which have inodes of their own. An overlay needs two layers, so
  the lower one is an empty folder.
* Device files are made by root, one set for each user of sandboxes.

Where either is not possible, the filter refuses watches, and only locks remain.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from fyke.sandbox.isolation import bubblewrap
from fyke.sandbox.isolation.relay_files import fill_layer
from fyke.sandbox.process.folders import empty

NAME = "sandbox-files"  # in the data folder
NO_OVERLAYS = "bubblewrap has no overlays before version 0.11"
NO_DEVICES = "only root can create device files"

_EMPTY, _DEVICES, _SAMPLE, _PROGRAMS = "empty", "devices", "sample", "programs"
_SECONDS = 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OwnFiles:
    """The empty layer, the one with programs and the device files, in a folder of the data folder.

    ``empty`` and ``programs`` are None where there are no overlays. ``missing`` is why some inodes
    remain shared, "" when none does.
    """

    def __init__(self, data_folder: Path, uid: int | None) -> None:
        """``uid`` is a user of sandboxes; None starts them as the user of this process."""
        self._root = data_folder / NAME
        self._root.mkdir(mode=0o711, exist_ok=True, parents=True)
        folder = os.open(self._root, _FOLDER)
        try:
            _take(folder, 0o711)
            _make_folder(folder, _EMPTY, 0o755)
            _make_folder(folder, _SAMPLE, 0o755)
            _make_folder(folder, _PROGRAMS, 0o755)
            self._devices = uid is not None and _makes_devices(folder, uid)
        finally:
            os.close(folder)
        self.empty: Path | None = self._root / _EMPTY
        self.programs: Path | None = self._root / _PROGRAMS
        fill_layer(self.programs)
        cache = data_folder / "cache"
        # before the first start there is no cache; layers may not contain each other
        folders = [cache if cache.is_dir() else self._root / _SAMPLE]
        overlay_fault = _overlay_fault(self.empty, folders, uid)
        if overlay_fault:
            self.empty = self.programs = None
        faults = (overlay_fault, "" if self._devices else NO_DEVICES)
        self.missing = "; ".join(filter(None, faults))

    def devices(self, uid: int | None) -> Path | None:
        """The folder with the device files of a user; None takes the machine's."""
        if uid is None or not self._devices:
            return None
        folder = os.open(self._root / _DEVICES, _FOLDER)
        try:
            _make_devices(folder, uid)
        finally:
            os.close(folder)
        return self._root / _DEVICES / str(uid)


def _take(folder: int, mode: int) -> None:
    """Make the folder ours, so that no other user can change it from now on."""
    if os.geteuid() == 0:
        os.fchown(folder, 0, 0)
    os.fchmod(folder, mode)


def _make_folder(parent: int, name: str, mode: int) -> None:
    """Create the folder, or empty it if it exists."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
    folder = os.open(name, _FOLDER, dir_fd=parent)
    try:
        _take(folder, mode)
        empty(folder)
    finally:
        os.close(folder)


def _makes_devices(parent: int, uid: int) -> bool:
    """Whether device files can be made here and opened."""
    try:
        _make_folder(parent, _DEVICES, 0o711)
        folder = os.open(_DEVICES, _FOLDER, dir_fd=parent)
        try:
            _make_devices(folder, uid)
            os.close(os.open(f"{uid}/null", os.O_RDWR | os.O_CLOEXEC, dir_fd=folder))
        finally:
            os.close(folder)
    except OSError:  # no such right, or a file system without devices
        return False
    return True


def _make_devices(parent: int, uid: int) -> None:
    """Make the device files of a user, all or none, unless they exist."""
    name = str(uid)
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        return
    folder = os.open(name, _FOLDER, dir_fd=parent)
    try:
        os.fchmod(folder, 0o755)
        for device, numbers in bubblewrap.DEVICES.items():
            os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(*numbers), dir_fd=folder)
            os.chmod(device, 0o666, dir_fd=folder)  # noqa: S103 - devices store nothing
    except OSError:  # a full disk
        empty(folder)
        os.rmdir(name, dir_fd=parent)
        raise
    finally:
        os.close(folder)


def _overlay_fault(lower: Path, folders: Sequence[Path], uid: int | None) -> str:
    """Why overlays of these folders and the machine's cannot be mounted; "" when they can."""
    options = bubblewrap.overlay_arguments(lower, list(folders))
    try:
        result = subprocess.run(
            [bubblewrap.PROGRAM, *options],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"no overlay can be mounted: {error}"
    if result.returncode == 0:
        return ""
    if "nknown option" in result.stderr:
        return NO_OVERLAYS
    return f"no overlay can be mounted: {result.stderr.strip()[-200:]}"
