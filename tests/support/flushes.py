"""Records which files and folders are flushed to disk, in order."""

from __future__ import annotations

import os

import pytest


def noted_flushes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the files and folders that are flushed from now on."""
    flushed: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return flushed
