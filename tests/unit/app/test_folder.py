"""Files of the data folder that only its owner can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.app.folder import create_secret
from fyke.settings import Settings
from support.flushes import noted_flushes


def test_a_new_secret_is_on_disk_before_the_database_refers_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = noted_flushes(monkeypatch)
    settings = Settings(home=tmp_path)
    create_secret(settings)
    assert len(flushed) == 2
    assert flushed[0].startswith(str(tmp_path / ".secret.key."))
    assert flushed[1] == str(tmp_path)
    assert settings.secret_file.stat().st_mode & 0o777 == 0o600
