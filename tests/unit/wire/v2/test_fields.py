"""Values of members that v2 accepts."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.api.members import decode, members_of
from fyke.errors import InvalidFields
from fyke.wire.v2.fields import (
    PageRequest,
    ResultExport,
    RunFilterFields,
    StartOptions,
    StartWorker,
)


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
@pytest.mark.parametrize("model", [PageRequest, StartOptions, StartWorker, RunFilterFields])
def test_page_numbers_start_at_1_and_page_sizes_are_capped(
    model: Any, given: dict[str, Any], page: tuple[int, int]
) -> None:
    read = decode(model, given)
    assert (read.offset, read.limit) == page


@pytest.mark.parametrize(
    ("model", "given", "sentence"),
    [
        (PageRequest, {"offset": -1}, "offset must be a page number: 1 or more (0 is page 1 too)"),
        (PageRequest, {"offset": "one"}, "offset must be an integer"),
        (PageRequest, {"offset": True}, "offset must be an integer"),
        (PageRequest, {"limit": 0}, "limit must be 1 to 100"),
        (PageRequest, {"limit": "-5"}, "limit must be 1 to 100"),
        (PageRequest, {"limit": 1.5}, "limit must be an integer"),
        (
            RunFilterFields,
            {"status": "done"},
            "status must be one of ready, running, succeeded, failed, aborting, aborted",
        ),
        (RunFilterFields, {"status": "6"}, "status must be one of ready, "),
        (
            RunFilterFields,
            {"start_time": "-1"},
            "start_time must be Unix seconds, an integer from 0 to 253402300799",
        ),
        (RunFilterFields, {"end_time": "1785542400000"}, "end_time must be Unix seconds"),
        (
            ResultExport,
            {"format": "pdf"},
            "format must be one of csv, json, jsonl, xlsx, xls, xml, html, rss",
        ),
        (StartWorker, {"input": "{}"}, "input must be an object"),
        (StartWorker, {"input": []}, "input must be an object"),
        (StartWorker, {"version": 1}, "version must be a string"),
        (StartWorker, {"is_async": "perhaps"}, "is_async must be true or false"),
        (StartWorker, {"callback_url": {}}, "callback_url must be a string"),
    ],
)
def test_an_invalid_value_is_reported_with_its_name_and_rule(
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
def test_a_status_filter_is_a_name_or_a_number_of_v1(given: str, word: str) -> None:
    assert decode(RunFilterFields, {"status": given}).status == word


@pytest.mark.parametrize("given", ["XLSX", " xlsx", "xlsx"])
def test_a_format_is_case_insensitive(given: str) -> None:
    assert decode(ResultExport, {"format": given}).format == "xlsx"


def test_the_default_format_is_csv() -> None:
    assert decode(ResultExport, {}).format == decode(ResultExport, {"format": ""}).format == "csv"


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ("", ()),
        ("a", ("a",)),
        (" a , b,,a ", ("a", "b")),
        (["a,b", "c", ""], ("a", "b", "c")),
    ],
)
def test_keys_are_separated_by_commas_or_repeated(given: Any, keys: tuple[str, ...]) -> None:
    assert decode(ResultExport, {"filter_keys": given}).filter_keys == keys


def test_only_marked_members_accept_repeated_parameters() -> None:
    repeated = [item.names[0] for item in members_of(ResultExport) if item.repeated]
    assert repeated == ["fields", "filter", "filter_keys"]
    assert not any(item.repeated for item in members_of(RunFilterFields))
