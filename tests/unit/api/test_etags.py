"""Which ETags sent by a client match the current one."""

from __future__ import annotations

import pytest

from fyke.api.etags import matches


@pytest.mark.parametrize("if_none_match", ['W/"a"', '"a"', "*", ' "x" , W/"a"', " * "])
def test_the_current_tag_matches_weakly_and_in_a_list(if_none_match: str) -> None:
    assert matches(if_none_match, 'W/"a"')


@pytest.mark.parametrize("if_none_match", ["", "a", 'W/"b"', '"A"', 'W/"a', '"x","y"', "**"])
def test_other_tags_do_not_match(if_none_match: str) -> None:
    assert not matches(if_none_match, 'W/"a"')
