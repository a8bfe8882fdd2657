"""Sorting in memory and through a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.domain.results.query import sorter as module
from fyke.domain.results.query.ordering import Key
from fyke.domain.results.query.sorter import Sorter


def sorted_positions(keys: list[Key], scratch: Path, *, descending: bool) -> list[int]:
    sorter = Sorter(descending=descending, scratch=scratch)
    for position, key in enumerate(keys, 1):
        sorter.add([key], [position])
    found = list(sorter.positions())
    sorter.close()
    return found


@pytest.mark.parametrize("run", [2, 3, 1000])
@pytest.mark.parametrize(
    ("descending", "expected"), [(False, [2, 4, 1, 3, 5]), (True, [5, 1, 3, 2, 4])]
)
def test_equal_keys_are_sorted_by_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: int, descending: bool, expected: list[int]
) -> None:
    monkeypatch.setattr(module, "RUN_KEYS", run)
    keys: list[Key] = ["b", "a", "b", "a", "c"]
    assert sorted_positions(keys, tmp_path, descending=descending) == expected


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("different", [1, 2, 500, 5050])
def test_keys_that_exceed_the_memory_limit_are_merged_from_a_file(
    tmp_path: Path, descending: bool, different: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RUN_KEYS", 100)
    monkeypatch.setattr(module, "BLOCK_KEYS", 8)
    keys: list[Key] = [f"{n * 7919 % different:05}{'x' * (n % 300)}" for n in range(5050)]
    expected = sorted(range(1, 5051), key=lambda p: keys[p - 1], reverse=descending)
    assert sorted_positions(keys, tmp_path, descending=descending) == expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("descending", [False, True])
def test_a_merge_keeps_only_a_few_blocks_in_memory(
    tmp_path: Path, descending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RUN_KEYS", 100)
    monkeypatch.setattr(module, "BLOCK_KEYS", 10)
    monkeypatch.setattr(module, "_MERGED_BLOCKS", 10)
    for keys in ([1.0] * 5000, [float(n) for n in range(5000)], [n % 7 / 2 for n in range(5000)]):
        sorter = Sorter(descending=descending, scratch=tmp_path)
        for position, key in enumerate(keys, 1):
            sorter.add([key], [position])
        assert sorter._added is not None
        sizes = [len(positions) for positions in sorter._merged(sorter._sort_runs(sorter._added))]
        sorter.close()
        assert sum(sizes) == 5000 and max(sizes) <= 50 * 10 + 100


def test_a_number_with_a_longer_key_is_placed_beside_its_float(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RUN_KEYS", 2)
    keys: list[Key] = [0.5, 0.1, 0.1, (0.1, 1, "b"), (0.1, 1, "a"), 0.1, (0.1, -1, "z"), 0.0]
    assert sorted_positions(keys, tmp_path, descending=False) == [8, 7, 2, 3, 6, 5, 4, 1]
    assert sorted_positions(keys, tmp_path, descending=True) == [1, 4, 5, 2, 3, 6, 7, 8]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ["rising", "falling", "mixed", "equal"])
def test_the_first_positions_are_known_before_the_rest_is_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, descending: bool, order: str
) -> None:
    monkeypatch.setattr(module, "FIRST", 7)
    numbers = {
        "rising": list(range(100)),
        "falling": list(range(100, 0, -1)),
        "mixed": [n * 7919 % 50 for n in range(100)],
        "equal": [3] * 100,
    }[order]
    sorter = Sorter(descending=descending, scratch=tmp_path)
    for at in range(0, 100, 10):
        keys: list[Key] = [float(n) for n in numbers[at : at + 10]]
        if at == 50:
            keys[3] = (keys[3], 1, "more")  # type: ignore[assignment]
        sorter.add(keys, list(range(at + 1, at + 11)))
    first = list(sorter.first())
    assert len(sorter._first._keys) == 7
    assert first == list(sorter.positions())[:7]
    sorter.close()


@pytest.mark.parametrize("key", ["b" * 90, (1.0, 1, "b" * 90)])
def test_a_run_is_written_at_the_byte_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Key
) -> None:
    monkeypatch.setattr(module, "RUN_BYTES", 100)
    sorter = Sorter(descending=False, scratch=tmp_path)
    sorter.add([key], [1])
    assert list(tmp_path.iterdir()) == [] and sorter._added is None
    sorter.add([key], [2])
    assert sorter._added is not None
    assert list(sorter.positions()) == [1, 2]
    sorter.close()


def test_blocks_of_long_keys_are_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RUN_KEYS", 100)
    monkeypatch.setattr(module, "BLOCK_BYTES", 1000)
    sorter = Sorter(descending=False, scratch=tmp_path)
    sorter.add(["x" * 100] * 100, list(range(1, 101)))
    assert list(sorter.positions()) == list(range(1, 101))
    assert max(size for _, _, size in sorter._places) < 1200
    sorter.close()


def test_no_keys_give_no_positions(tmp_path: Path) -> None:
    assert sorted_positions([], tmp_path, descending=True) == []


def test_the_highest_position_of_four_bytes_is_supported(tmp_path: Path) -> None:
    for descending in (False, True):
        sorter = Sorter(descending=descending, scratch=tmp_path)
        sorter.add(["a"], [2**32 - 1])
        assert list(sorter.positions()) == [2**32 - 1]
