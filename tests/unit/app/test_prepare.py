"""What is said when a data folder cannot be made ready."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fyke.app import prepare as module
from fyke.app.prepare import prepare
from fyke.errors import Unavailable
from fyke.settings import Settings


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (Unavailable("The database cannot be reached or is full"), "The database"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    ],
)
def test_a_full_disk_is_named_with_its_free_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, first: str
) -> None:
    def fail(settings: Settings) -> None:
        raise error

    monkeypatch.setattr(module, "migrate_all", fail)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=16_384))
    with pytest.raises(
        Unavailable, match=rf"^{first}.*\. The data folder .* has 16,384 bytes free"
    ):
        prepare(Settings(home=tmp_path / "home"))


def test_another_error_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(settings: Settings) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module, "migrate_all", fail)
    with pytest.raises(PermissionError):
        prepare(Settings(home=tmp_path / "home"))
