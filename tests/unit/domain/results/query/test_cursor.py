from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.results.query.cursor import Cursor, decode, encode
from fyke.domain.results.query.model import RowSelection, Sort
from fyke.errors import InvalidFields

POSITION = st.integers(0, 2**32 - 1)


@given(POSITION, POSITION, POSITION)
def test_a_cursor_round_trips(position: int, offset: int, bound: int) -> None:
    cursor, choice = Cursor(position, offset, bound), RowSelection(Sort("a"))
    text = encode(cursor, "R", choice)
    assert re.fullmatch("[A-Za-z0-9_-]+", text)
    assert decode(text, "R", choice) == cursor


@pytest.mark.parametrize(("run", "choice"), [("S", RowSelection()), ("R", RowSelection(Sort("a")))])
def test_the_cursor_of_another_run_or_query_is_refused(run: str, choice: RowSelection) -> None:
    with pytest.raises(InvalidFields, match=r"^cursor belongs to another run, sort or filter"):
        decode(encode(Cursor(5), "R", RowSelection()), run, choice)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with pytest.raises(InvalidFields, match=r"^cursor"):
        decode(text, "R", RowSelection())
