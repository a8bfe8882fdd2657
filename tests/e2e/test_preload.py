"""The process from which all roles are forked knows no secret of the installation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from support.booted import Booted


def _memory(pid: int) -> Iterator[bytes]:
    """The writable memory of a process, one mapping at a time."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            addresses, rights, *_ = line.split()
            first, last = (int(address, 16) for address in addresses.split("-"))
            if rights.startswith("rw"):
                yield os.pread(memory.fileno(), last - first, first)


def _contains(pid: int, secrets: list[bytes]) -> bool:
    return any(secret in part for part in _memory(pid) for secret in secrets)


def test_the_preload_process_has_no_key_and_no_open_file(platform: Booted) -> None:
    [preload] = [pid for pid, command in platform.tree().items() if "fyke.cli.preload" in command]
    key = (platform.home / "secret.key").read_text().strip()
    secrets = [key.encode(), bytes.fromhex(key)]
    assert _contains(platform.role("server"), secrets), "the search does not find a known key"
    assert not _contains(preload, secrets)
    opened = [
        os.readlink(f"/proc/{preload}/fd/{name}") for name in os.listdir(f"/proc/{preload}/fd")
    ]
    assert [name for name in opened if str(platform.home) in name or ".db" in name] == []
    assert sum(name.startswith("socket:") for name in opened) == 1, opened  # of its orders
