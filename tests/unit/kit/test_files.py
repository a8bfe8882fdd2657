"""``flush_folder`` on file systems with and without fsync for folders."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fyke.kit.files import flush_folder
from support.flushes import noted_flushes


def test_the_folder_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = noted_flushes(monkeypatch)
    flush_folder(tmp_path)
    assert flushed == [str(tmp_path)]


@pytest.mark.parametrize(("code", "fails"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_only_a_file_system_without_fsync_for_folders_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, fails: bool
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    if not fails:
        flush_folder(tmp_path)
        return
    with pytest.raises(OSError, match=os.strerror(code)):
        flush_folder(tmp_path)
