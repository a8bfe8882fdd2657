"""Compares the rows of two runs by content: their order has no meaning."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fyke.domain.results.row_checks import PLATFORM_PREFIX

MAX_PAIRED = 200  # rows of each run that are paired by their equal fields

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RowPair:
    """A row of each run that differ in ``fields`` only, and are equal in at least one other."""

    left: Fields
    right: Fields
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowDifference:
    """``equal`` counts the rows that both runs have. The others are pairs, or in one run only."""

    equal: int
    pairs: list[RowPair]
    only_left: list[Fields]
    only_right: list[Fields]

    @property
    def is_empty(self) -> bool:
        return not (self.pairs or self.only_left or self.only_right)

    @property
    def fields(self) -> dict[str, int]:
        """How many pairs differ in a field, the most frequent first."""
        counts: dict[str, int] = {}
        for pair in self.pairs:
            for name in pair.fields:
                counts[name] = counts.get(name, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))


def compare(
    left: Sequence[Fields], right: Sequence[Fields], ignored: Collection[str] = ()
) -> RowDifference:
    """Compare the rows without the fields ``ignored`` and the platform's own. Equal rows count as
    often as both runs have them.
    """
    lefts = [_selected(row, ignored) for row in left]
    waiting: dict[str, list[Fields]] = {}
    for row in right:
        selected = _selected(row, ignored)
        waiting.setdefault(_text(selected), []).append(selected)
    only_left = []
    for selected in lefts:
        same = waiting.get(_text(selected))
        if same:
            same.pop()
        else:
            only_left.append(selected)
    only_right = [row for rows in waiting.values() for row in rows]
    equal = len(lefts) - len(only_left)
    pairs = _paired(only_left, only_right)
    return RowDifference(equal, pairs, only_left, only_right)


def _selected(row: Fields, ignored: Collection[str]) -> Fields:
    return {
        key: value
        for key, value in row.items()
        if key not in ignored and not key.startswith(PLATFORM_PREFIX)
    }


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _paired(lefts: list[Fields], rights: list[Fields]) -> list[RowPair]:
    """Take pairs out of both lists: a row of the first, and the most similar one of the other."""
    texts = [_texts(row) for row in rights[:MAX_PAIRED]]
    pairs, left_over = [], []
    for left in lefts[:MAX_PAIRED]:
        left_texts = _texts(left)
        differences = [_differing(left_texts, right_texts) for right_texts in texts]
        best = min(range(len(texts)), key=lambda at: len(differences[at]), default=None)
        if best is not None and len(differences[best]) < len(left.keys() | texts[best].keys()):
            pairs.append(RowPair(left, rights.pop(best), differences[best]))
            del texts[best]
        else:
            left_over.append(left)
    lefts[:MAX_PAIRED] = left_over
    return pairs


def _texts(row: Fields) -> dict[str, str]:
    return {key: _text(value) for key, value in row.items()}


def _differing(left: Mapping[str, str], right: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(key for key in dict.fromkeys((*left, *right)) if left.get(key) != right.get(key))
