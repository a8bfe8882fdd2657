"""What v2 takes for a page, a filter, a moment, a format, and for one and several keys."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.api.decode import REPEATABLE, decode, repeatable
from fyke.api.v2.fields import Export, Page, RunBody, StartBody
from fyke.api.v2.runs import RunList
from fyke.errors import InvalidFields


@pytest.mark.parametrize(
    ("given", "page"),
    [
        ({}, (1, 20)),
        ({"offset": "0", "limit": "1"}, (1, 1)),
        ({"offset": 1, "limit": 100}, (1, 100)),
        ({"offset": "7", "limit": "1000000"}, (7, 100)),
        ({"offset": 10**17, "limit": 3.0}, (10**9, 3)),
        ({"offset": None, "limit": None}, (1, 20)),
    ],
)
@pytest.mark.parametrize("model", [Page, StartBody, RunBody, RunList])
def test_pages_are_counted_from_one_and_capped(
    model: Any, given: dict[str, Any], page: tuple[int, int]
) -> None:
    read = decode(model, given)
    assert (read.offset, read.limit) == page


@pytest.mark.parametrize(
    ("model", "given", "sentence"),
    [
        (Page, {"offset": -1}, "offset must be a page number: 1 or more (0 is page 1 too)"),
        (Page, {"offset": "one"}, "offset must be an integer"),
        (Page, {"offset": True}, "offset must be an integer"),
        (Page, {"limit": 0}, "limit must be 1 to 100"),
        (Page, {"limit": "-5"}, "limit must be 1 to 100"),
        (Page, {"limit": 1.5}, "limit must be an integer"),
        (
            RunList,
            {"status": "done"},
            "status must be one of ready, running, succeeded, failed, aborting, aborted",
        ),
        (RunList, {"status": "6"}, "status must be one of ready, "),
        (RunList, {"start_time": "-1"}, "start_time must be Unix seconds, 0 to 253402300799"),
        (RunList, {"end_time": "1785542400000"}, "end_time must be Unix seconds"),
        (
            Export,
            {"format": "pdf"},
            "format must be one of csv, json, jsonl, xlsx, xls, xml, html, rss",
        ),
        (RunBody, {"input": "{}"}, "input must be an object"),
        (RunBody, {"input": []}, "input must be an object"),
        (RunBody, {"version": 1}, "version must be a string"),
        (RunBody, {"is_async": "perhaps"}, "is_async must be true or false"),
        (RunBody, {"callback_url": {}}, "callback_url must be a string"),
    ],
)
def test_what_is_out_of_range_is_named_with_its_rule(
    model: Any, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidFields) as caught:
        decode(model, given)
    assert caught.value.details[0].startswith(sentence)


@pytest.mark.parametrize(
    ("given", "word"),
    [("", ""), (" Failed ", "failed"), ("ABORTED", "aborted"), ("aborting", "aborting")]
    + [(str(n), w) for n, w in enumerate(["", "ready", "running", "succeeded", "failed"])]
    + [("5", "aborting")],
)
def test_a_status_filter_is_a_word_or_a_number_of_v1(given: str, word: str) -> None:
    assert decode(RunList, {"status": given}).status == word


@pytest.mark.parametrize("given", ["XLSX", " xlsx", "xlsx"])
def test_a_format_is_read_in_any_case(given: str) -> None:
    assert decode(Export, {"format": given}).format == "xlsx"


def test_no_format_is_csv() -> None:
    assert decode(Export, {}).format == decode(Export, {"format": ""}).format == "csv"


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ("", []),
        ("a", ["a"]),
        (" a , b,,a ", ["a", "b"]),
        (["a,b", "c", ""], ["a", "b", "c"]),
    ],
)
def test_keys_come_with_commas_or_repeated(given: Any, keys: list[str]) -> None:
    assert decode(Export, {"filter_keys": given}).filter_keys == keys


def test_only_a_field_so_marked_takes_a_repeated_parameter() -> None:
    assert repeatable(Export) == {"filter_keys", "fields", "filter"}
    assert repeatable(RunList) == frozenset()
    assert REPEATABLE in Export.model_fields["filter_keys"].metadata
