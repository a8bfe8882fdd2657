"""The memory of this machine."""

from __future__ import annotations

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


def available_memory_mb(meminfo: Path = _MEMINFO) -> int:
    """How many MiB programs can still get without swapping; 0 if the kernel does not say."""
    for line in meminfo.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) // 1024
    return 0
