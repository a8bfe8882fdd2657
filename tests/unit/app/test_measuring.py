"""Sizes of folders and databases, measured within a time limit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fyke.app.folder_size import folder_size
from fyke.app.measuring import measure
from fyke.errors import Unavailable
from fyke.reasons.health_texts import HealthText
from fyke.settings import Settings
from fyke.storage.sql.dialects import make_engine


def test_the_size_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"x" * 100)
    (tmp_path / "a" / "b" / "two").write_bytes(b"x" * 23)
    os.symlink("/", tmp_path / "a" / "out")
    part = folder_size("blobs", "bundles", tmp_path)
    assert (part.files, part.complete) == (3, True)
    assert 123 <= part.bytes < 200  # a link counts with its own few bytes
    assert folder_size("none", "", tmp_path / "absent").files == 0


def test_a_size_after_the_time_limit_is_incomplete(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"f{number}").mkdir()
    part = folder_size("blobs", "", tmp_path, seconds=-1)
    assert (part.bytes, part.complete) == (0, False)


def test_the_report_of_a_data_folder(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, disk_floor_mb=1)
    (tmp_path / "state.db").write_bytes(b"x" * 1000)
    (tmp_path / "state.db-wal").write_bytes(b"x" * 24)
    settings.blobs_dir.mkdir()
    (settings.blobs_dir / "one").write_bytes(b"x" * 7)
    engine = make_engine(f"sqlite:///{tmp_path / 'other.db'}", durable=False)
    report = measure(settings, engine, 5)
    parts = {part.name: (part.bytes, part.files) for part in report.parts}
    assert (parts["state"], parts["rows"], parts["blobs"]) == ((1024, 2), (0, 0), (7, 1))
    assert all(isinstance(part.description, HealthText) for part in report.parts)  # translated
    assert report.used == 1031 and report.floor == 2**20 and report.measured_at == 5
    assert 0 < report.free <= report.total
    with pytest.raises(Unavailable, match="cannot be read"):
        measure(Settings(home=tmp_path / "absent"), engine, 5)
    engine.dispose()
