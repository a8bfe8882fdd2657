"""Suggestions of similar names."""

from __future__ import annotations

import pytest

from fyke.domain.catalog.nearest import nearest

NAMES = [
    ("1", "Website Content Crawler"),
    ("2", "Google Maps Places"),
    ("3", "Price watcher"),
    ("3", "price-watcher"),
    ("4", "Stra\u00dfenkarte"),
]


@pytest.mark.parametrize(
    ("text", "first"),
    [("crawlr", "1"), ("WEBSITE contnt crawler", "1"), ("gogle", "2"), ("pricewatcher", "3"),
     ("strassenkarten", "4")],
)  # fmt: skip
def test_a_mistyped_word_finds_its_name(text: str, first: str) -> None:
    assert nearest(text, NAMES)[:1] == [first]


def test_dissimilar_names_are_not_proposed() -> None:
    assert nearest("zzzzqqq", NAMES) == []
    assert nearest("", NAMES) == []
    assert nearest("x" * 10_000, NAMES) == []


def test_at_most_limit_distinct_keys_are_returned() -> None:
    assert nearest("price", NAMES * 3, limit=1) == ["3"]
    assert nearest("price", [("a", "price"), ("b", "prices")]) == ["a", "b"]
