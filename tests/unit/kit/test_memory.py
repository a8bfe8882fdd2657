from __future__ import annotations

from pathlib import Path

from fyke.kit.memory import available_memory_mb


def test_available_memory_is_read_in_mebibytes(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:        2048 kB\nMemAvailable:    1536 kB\n")
    assert available_memory_mb(meminfo) == 1
    meminfo.write_text("MemTotal: 2048 kB\n")
    assert available_memory_mb(meminfo) == 0
    assert available_memory_mb() > 0
