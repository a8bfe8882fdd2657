"""The empty layer and the device files of sandboxes, and why they may be missing."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from fyke.sandbox.isolation import bubblewrap
from fyke.sandbox.process import own_files
from fyke.sandbox.process.own_files import OwnFiles

ROOT = os.geteuid() == 0
UID = 31_000


@pytest.fixture
def bwrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of bubblewrap, which ends as its tests need it."""
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "PROGRAM", str(program))
    return program


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_the_lower_layer_is_an_empty_folder(bwrap: Path, home: Path) -> None:
    lower = home / "sandbox-files" / "empty"
    lower.mkdir(parents=True)
    (lower / "left").write_text("by another user")
    assert OwnFiles(home, None).empty == lower
    assert list(lower.iterdir()) == []
    assert stat.S_IMODE(lower.stat().st_mode) == 0o755


def test_the_layer_with_programs_is_filled_anew(bwrap: Path, home: Path) -> None:
    layer = home / "sandbox-files" / "programs"
    (layer / "bin" / "left").mkdir(parents=True)
    assert OwnFiles(home, None).programs == layer
    assert not (layer / "bin" / "left").exists()
    assert (layer / "bin" / "google-chrome-stable").is_symlink()


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        ("bwrap: Unknown option --overlay-src", own_files.NO_OVERLAYS),
        (
            "bwrap: Can't make overlay mount on /newroot/usr: Invalid argument",
            "no overlay can be mounted: "
            "bwrap: Can't make overlay mount on /newroot/usr: Invalid argument",
        ),
    ],
)
def test_missing_overlays_have_a_cause(bwrap: Path, home: Path, message: str, missing: str) -> None:
    bwrap.write_text(f'#!/bin/sh\necho "{message}" >&2\nexit 1\n')
    files = OwnFiles(home, None)
    assert files.empty is files.programs is None
    assert files.missing == f"{missing}; {own_files.NO_DEVICES}"


@pytest.mark.needs("bwrap")
@pytest.mark.parametrize("started_before", [False, True])
def test_a_first_start_mounts_overlays_like_a_later_one(home: Path, started_before: bool) -> None:
    if started_before:
        (home / "cache").mkdir(parents=True)
    files = OwnFiles(home, None)
    if files.missing.startswith(own_files.NO_OVERLAYS):
        pytest.skip("this bubblewrap has no overlays")
    assert files.empty == home / "sandbox-files" / "empty", files.missing


def test_overlays_need_the_program(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "PROGRAM", "/usr/bin/no-such-bwrap")
    files = OwnFiles(home, None)
    assert files.empty is None
    assert "no-such-bwrap" in files.missing


def test_a_plain_user_has_the_devices_of_the_machine(bwrap: Path, home: Path) -> None:
    files = OwnFiles(home, None)
    assert files.devices(None) is None
    assert files.missing == own_files.NO_DEVICES


@pytest.mark.skipif(not ROOT, reason="only root can make device files")
def test_each_user_has_device_files_of_its_own(bwrap: Path, home: Path) -> None:
    bwrap.parent.chmod(0o755)
    files = OwnFiles(home, UID)
    if not files.devices(UID):
        pytest.skip("no device files can be made or opened here")
    folders = [files.devices(uid) for uid in (UID, UID + 1, UID)]
    assert folders[0] == folders[2] != folders[1]
    for folder in folders[:2]:
        assert folder is not None
        assert {item.name for item in folder.iterdir()} == set(bubblewrap.DEVICES)
        for name in bubblewrap.DEVICES:
            state, of_machine = (folder / name).stat(), Path("/dev", name).stat()
            assert state.st_rdev == of_machine.st_rdev
            assert (state.st_dev, state.st_ino) != (of_machine.st_dev, of_machine.st_ino)
            assert stat.S_IMODE(state.st_mode) == 0o666
    inodes = {(folder / "null").stat().st_ino for folder in folders if folder is not None}
    assert len(inodes) == 2


def test_device_files_that_cannot_be_made_are_made_later(
    bwrap: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = ["null", "zero"]  # of the two tries to make the second user's

    def mknod(name: str, mode: int, device: int, *, dir_fd: int) -> None:
        of_second = os.readlink(f"/proc/self/fd/{dir_fd}").endswith(str(UID + 1))
        if of_second and name in full[:1]:
            full.pop(0)
            raise OSError(errno.ENOSPC, "No space left on device")
        os.close(os.open(name, os.O_CREAT | os.O_RDWR, 0o600, dir_fd=dir_fd))

    monkeypatch.setattr(os, "mknod", mknod)
    files = OwnFiles(home, UID)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            files.devices(UID + 1)
    folder = files.devices(UID + 1)
    assert folder is not None
    assert {item.name for item in folder.iterdir()} == set(bubblewrap.DEVICES)
