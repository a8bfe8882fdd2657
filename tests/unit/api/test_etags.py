"""Which ETags sent by a client match the current one."""

from __future__ import annotations

import pytest

from fyke.api.etags import matches


@pytest.mark.parametrize("given", ['W/"a"', '"a"', "*", ' "x" , W/"a"', " * "])
def test_the_current_tag_matches_weakly_and_in_a_list(given: str) -> None:
    assert matches(given, 'W/"a"')


@pytest.mark.parametrize("given", ["", "a", 'W/"b"', '"A"', 'W/"a', '"x","y"', "**"])
def test_other_tags_do_not_match(given: str) -> None:
    assert not matches(given, 'W/"a"')
