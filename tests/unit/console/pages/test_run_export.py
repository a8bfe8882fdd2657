"""The parameters in the address of an exported file."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from fyke.api.exporting import MAX_KEYS_CHARS
from fyke.console.pages.run_export import keys_of, rows_of
from fyke.domain.results.query.model import PLAIN, parse_query
from fyke.errors import InvalidRequest


def keys(*pairs: tuple[str, str]) -> list[str]:
    return keys_of(QueryParams(list(pairs)))


def test_selected_fields_come_before_typed_ones() -> None:
    assert keys(("key", "b"), ("key", ""), ("key", "a"), ("keys", " c d \r\n\r\n e\r\n")) == [
        "b", "a", "c d", "e",
    ]  # fmt: skip
    assert keys() == [], "no field is every field"


def test_the_total_length_of_field_names_is_limited() -> None:
    most = ("keys", "x" * (MAX_KEYS_CHARS - 1))
    assert len(keys(most, ("key", "y"))) == 2
    with pytest.raises(InvalidRequest, match=f"at most {MAX_KEYS_CHARS} .*; select no field"):
        keys(most, ("key", "yz"))


def test_an_unchecked_checkbox_is_off() -> None:
    assert rows_of(QueryParams("")) == PLAIN
    assert rows_of(QueryParams("clean=0&flatten=&failed=on&filter=&sort=")) == PLAIN


def test_order_filters_and_form_are_taken_from_the_page() -> None:
    parameters = QueryParams("clean=1&flatten=1&failed=1&sort=-price&filter=a:eq:1&filter=b:ne:2")
    assert rows_of(parameters) == parse_query(
        clean=True, flatten=True, failed_rows=True, sort="-price", filters=["a:eq:1", "b:ne:2"]
    )


def test_the_error_of_an_invalid_filter_names_it() -> None:
    with pytest.raises(InvalidRequest, match="filter"):
        rows_of(QueryParams("filter=price"))
