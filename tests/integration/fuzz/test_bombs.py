"""Zip bombs, and archives exactly at the limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from fyke.domain.workers.archive import (
    MAX_ENTRIES,
    MAX_FOLDERS,
    MAX_PACKED,
    MAX_UNPACKED,
    open_archive,
    unpack,
)
from fyke.domain.workers.entry_names import MAX_DEPTH, MAX_PATH_BYTES
from fyke.errors import InvalidRequest
from support.bombs import BOMBS, MAIN, MEMORY, SECONDS, zeros
from support.zips import Entry, make_zip

QUICK = ("many folders declared", "many entries", "overlaps", "marks of an end")


def refused(name: str, folder: Path) -> tuple[float, int]:
    """Check that the archive is refused and leaves no files; return the seconds and bytes used."""
    place, scratch = folder / "place", folder / "scratch"
    place.mkdir()
    scratch.mkdir()
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(scratch)}
    command = [sys.executable, "-m", "support.bombs", name, str(place)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=100, env=env)
    assert completed.returncode == 0, completed.stderr[-2000:]
    seconds, grown, words = json.loads(completed.stdout)
    assert ";" in words
    assert list(place.iterdir()) == [] == list(scratch.iterdir())
    return seconds, grown


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in BOMBS],
)
def test_a_bomb_is_refused_within_its_limits(name: str, tmp_path: Path) -> None:
    seconds, grown = refused(name, tmp_path)
    print(f"{name}: {seconds:.2f} s, {grown / 2**20:.0f} MiB")
    assert seconds < SECONDS
    assert grown < 100 * 2**20 < MEMORY


def test_the_limits_are_the_documented_ones() -> None:
    assert (MAX_PACKED, MAX_UNPACKED) == (50 * 2**20, 500 * 2**20)
    assert (MAX_ENTRIES, MAX_FOLDERS, MAX_PATH_BYTES, MAX_DEPTH) == (20_000, 10_000, 255, 32)


def opened(entries: list[Entry]) -> int:
    with open_archive(make_zip(entries)) as archive:
        return len(archive.files)


def folder_entries(count: int) -> list[Entry]:
    return [Entry(f"d{number}/", b"", 0, mode=0o040755) for number in range(count)]


def test_archives_at_the_limits_are_accepted() -> None:
    path = "/".join(["d" * 6] * 31 + ["f"])
    assert opened([MAIN, Entry("x" * 255), Entry("\u00e9" * 127), Entry(path)]) == 4
    for name in ("x" * 256, "\u00e9" * 128, f"d/{path}"):
        with pytest.raises(InvalidRequest):
            opened([MAIN, Entry(name)])
    files = [Entry(f"f{number}", b"", 0) for number in range(MAX_ENTRIES)]
    assert opened(files) == MAX_ENTRIES
    with pytest.raises(InvalidRequest, match="20,000"):
        opened([*files, MAIN])
    assert opened([MAIN, *folder_entries(MAX_FOLDERS)]) == 1
    with pytest.raises(InvalidRequest, match="10,000 folders"):
        opened([MAIN, *folder_entries(MAX_FOLDERS + 1)])
    halves = [Entry(f"{number}/a/f", b"", 0) for number in range(MAX_FOLDERS // 2 + 1)]
    assert opened(halves[1:]) == MAX_FOLDERS // 2
    with pytest.raises(InvalidRequest, match="10,000 folders"):
        opened(halves)


@pytest.mark.long
def test_the_largest_archive_is_accepted_and_one_more_byte_refused(tmp_path: Path) -> None:
    rest = MAX_UNPACKED - len(MAIN.content)
    crc = zlib.crc32(bytes(rest % 2**20), zlib.crc32(bytes(rest - rest % 2**20)))
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    payload = squeeze.compress(bytes(rest)) + squeeze.flush()
    full = make_zip([MAIN, Entry("zeros", payload=payload, size=rest, crc=crc)])
    unpack(full, tmp_path / "target")
    assert (tmp_path / "target" / "zeros").stat().st_size == rest
    with pytest.raises(InvalidRequest, match="at most 524,288,000"):
        opened([MAIN, Entry("b", b"x"), Entry("zeros", payload=payload, size=rest, crc=crc)])
    noise = os.urandom(MAX_PACKED - 4096)
    packed = make_zip([MAIN, Entry("noise", noise, 0)])
    short = MAX_PACKED - len(packed)
    packed = make_zip([MAIN, Entry("noise", noise + bytes(short), 0)])
    assert len(packed) == MAX_PACKED
    with open_archive(packed) as archive:
        assert len(archive.files) == 2
    with pytest.raises(InvalidRequest, match="at most 52,428,800"), open_archive(packed + b"x"):
        pass


def test_the_compressed_zeros_expand_to_their_size() -> None:
    assert len(zlib.decompress(zeros(2**21), -15)) == 2**21
