"""Sorting in memory and through a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.domain.results.query import sorter as module
from fyke.domain.results.query.sorter import Sorter


def sorted_positions(keys: list[bytes], scratch: Path, *, descending: bool) -> list[int]:
    sorter = Sorter(descending=descending, scratch=scratch)
    for position, key in enumerate(keys, 1):
        sorter.add(key, position)
    found = list(sorter.positions())
    sorter.close()
    return found


@pytest.mark.parametrize("chunk", [2, 3, 1000])
@pytest.mark.parametrize(
    ("descending", "expected"), [(False, [2, 4, 1, 3, 5]), (True, [5, 1, 3, 2, 4])]
)
def test_equal_keys_are_sorted_by_position(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chunk: int,
    descending: bool,
    expected: list[int],
) -> None:
    monkeypatch.setattr(module, "CHUNK_RECORDS", chunk)
    assert (
        sorted_positions([b"b", b"a", b"b", b"a", b"c"], tmp_path, descending=descending)
        == expected
    )


@pytest.mark.parametrize("descending", [False, True])
def test_keys_that_exceed_the_memory_limit_are_merged_from_a_file(
    tmp_path: Path, descending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_RECORDS", 100)
    keys = [b"%05d" % (n * 7919 % 500) + b"x" * (n % 300) + b"\x00" for n in range(5050)]
    expected = sorted(range(1, 5051), key=lambda p: keys[p - 1], reverse=descending)
    assert sorted_positions(keys, tmp_path, descending=descending) == expected
    assert list(tmp_path.iterdir()) == []


def test_a_chunk_is_written_at_the_byte_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 100)
    sorter = Sorter(descending=False, scratch=tmp_path)
    sorter.add(b"b" * 90, 1)
    assert sorter._chunks == []
    sorter.add(b"a" * 90, 2)
    assert len(sorter._chunks) == 1
    assert list(sorter.positions()) == [2, 1]
    sorter.close()


def test_no_keys_give_no_positions(tmp_path: Path) -> None:
    assert sorted_positions([], tmp_path, descending=True) == []


def test_the_highest_position_of_four_bytes_is_supported(tmp_path: Path) -> None:
    for descending in (False, True):
        sorter = Sorter(descending=descending, scratch=tmp_path)
        sorter.add(b"a", 2**32 - 1)
        assert list(sorter.positions()) == [2**32 - 1]


def test_a_record_longer_than_one_read_is_reassembled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_RECORDS", 1)
    monkeypatch.setattr(module, "_READ_BYTES", 7)
    assert sorted_positions([b"c" * 50, b"a" * 60, b"b" * 5], tmp_path, descending=False) == [
        2,
        3,
        1,
    ]
