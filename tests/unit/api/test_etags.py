"""Which tags of a client stand for the data that there is."""

from __future__ import annotations

import pytest

from fyke.api.etags import matches


@pytest.mark.parametrize("given", ['W/"a"', '"a"', "*", ' "x" , W/"a"', " * "])
def test_the_same_tag_is_found_weakly_and_among_others(given: str) -> None:
    assert matches(given, 'W/"a"')


@pytest.mark.parametrize("given", ["", "a", 'W/"b"', '"A"', 'W/"a', '"x","y"', "**"])
def test_any_other_is_not(given: str) -> None:
    assert not matches(given, 'W/"a"')
