from __future__ import annotations

import pytest

from fyke.domain.results.query.model import (
    Filter,
    Query,
    Sort,
    parse_filter,
    parse_query,
    parse_sort,
    query_arguments,
)
from fyke.errors import InvalidFields


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("price:lt:10", Filter("price", "lt", "10")),
        ("a.b:eq:x:y", Filter("a.b", "eq", "x:y")),
        ("a:b:eq:", Filter("a:b", "eq", "")),
        ("url:contains:https://x", Filter("url", "contains", "https://x")),
        ("a:exists", Filter("a", "exists", "true")),
        ("a:exists:FALSE", Filter("a", "exists", "false")),
        ("a:ne:line\nbreak", Filter("a", "ne", "line\nbreak")),
    ],
)
def test_valid_filters_are_parsed(text: str, found: Filter) -> None:
    assert parse_filter(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("price", "price:lt:10"),
        ("price<10", "field:operator:value"),
        ("price:below:10", "operators are eq, ne"),
        ("price:lt", "needs a value"),
        ("a:exists:perhaps", "true or false"),
        ("a..b:eq:1", "is not a field name"),
        (":eq:1", "'' is not a field name"),
        (":exists", "'' is not a field name"),
        (":below:1", "field:operator:value"),
        ("a:eq:" + "x" * 1001, "1000 characters"),
        ("x" * 257 + ":eq:1", "256 characters"),
    ],
)
def test_invalid_filters_are_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(InvalidFields, match=r"^filter") as caught:
        parse_filter(text)
    assert words in caught.value.message


def test_sort() -> None:
    assert (parse_sort(" -a.b "), parse_sort("a"), parse_sort(" ")) == (
        Sort("a.b", True),
        Sort("a"),
        None,
    )


@pytest.mark.parametrize("text", ["-", "a,b", ".a", "a.", "x" * 257])
def test_invalid_sorts_are_refused(text: str) -> None:
    with pytest.raises(InvalidFields, match=r"^sort"):
        parse_sort(text)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"fields": ["a..b"]}, "fields"),
        ({"fields": [str(n) for n in range(201)]}, "fields"),
        ({"filters": ["a:eq:1"] * 21}, "filter"),
    ],
)
def test_limits(given: dict, name: str) -> None:
    with pytest.raises(InvalidFields, match=rf"^{name}"):
        parse_query(**given)


def test_a_query_round_trips_through_its_arguments() -> None:
    query = parse_query(
        fields=["b", " a.c ", "b", ""],
        clean=True,
        flatten=True,
        sort="-x",
        filters=["a:eq:1:2", " ", "b:exists:false"],
    )
    assert query.form.fields == ("b", "a.c")
    assert parse_query(**query_arguments(query)) == query
    assert parse_query(**query_arguments(Query())) == Query()
    assert Query().plain and not query.plain
