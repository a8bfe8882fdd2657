"""Liberal reading, with its limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.api.decode import (
    MAX_DEPTH,
    PageIndex,
    PageSize10,
    Wire,
    WireBool,
    WireInt,
    WireName,
    WireNumber,
    WireObject,
    WireText,
    decode,
    parse_object,
    too_deep,
)
from fyke.errors import InvalidRequest
from support.hangs import no_hang


class Everything(Wire):
    integer: WireInt = 0
    flag: WireBool = False
    number: WireNumber = "0"
    text: WireText = ""
    name: WireName = "n"
    object: WireObject = {}
    page_index: PageIndex = 1
    page_size: PageSize10 = 10


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b"null", b"\xef\xbb\xbf", b"\xef\xbb\xbf{}"])
def test_nothing_is_an_empty_object(body: bytes) -> None:
    assert parse_object(body) == {}


@pytest.mark.parametrize(
    "digits", [str(2**63), str(2**64), "-" + "9" * 40, "1" * 4000, "9007199254740993"]
)
def test_integers_keep_every_digit(digits: str) -> None:
    assert str(parse_object(f'{{"n":{digits}}}'.encode())["n"]) == digits


@pytest.mark.parametrize(
    "body",
    [
        b"[",
        b"{",
        b"[]",
        b"\x0b\x0c",
        b"1",
        b"NaN",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e400}',
        b"{'a':1}",
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'{"a":1,}',
        b"{} x",
        b'{"a":' + b"1" * 5000 + b"}",
    ],
)
def test_what_is_no_object_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_object(body)
    assert str(caught.value).startswith(("the body", "the JSON body"))


def test_depth_is_counted_exactly_and_only_outside_of_strings() -> None:
    assert not too_deep(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, MAX_DEPTH)
    assert too_deep(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), MAX_DEPTH)
    assert not too_deep(b'{"a":[' * 32 + b"]}" * 32, MAX_DEPTH)
    assert too_deep(b'{"a":[' * 32 + b"[]" + b"]}" * 32, MAX_DEPTH)
    assert not too_deep(b'{"a":"' + b"[{" * 500 + b'"}', MAX_DEPTH)
    assert not too_deep(b'{"a":"\\"' + b"[" * 500 + b'\\\\"}', MAX_DEPTH)
    assert not too_deep(b"[{}]" * 500, MAX_DEPTH)
    with pytest.raises(InvalidRequest, match="deeper than 64"):
        parse_object(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}")


@pytest.mark.parametrize("depth", range(1, 80))
def test_depth_agrees_with_a_count_by_hand(depth: int) -> None:
    body = json.dumps(_tree(depth)).encode()
    assert too_deep(body * 3, MAX_DEPTH) == (depth > MAX_DEPTH)


def _tree(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = {"k[": value, "]": []} if level and level % 2 else [value, "}"]
    return value


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 2_000_000,
        b"[" * 10**6 + b"]" * 10**6,
        b"[" * 66 + b'"' * 2_000_000,
        b"[" * 66 + b'"\\' * 10**6,
        b'[{"a":[' * 10**5 + b"1" + b"]}]" * 10**5,
        b"[]{}" * 500_000,
    ],
)
def test_hostile_nesting_is_judged_quickly(body: bytes) -> None:
    with no_hang():
        too_deep(body, MAX_DEPTH)


@pytest.mark.parametrize(
    ("field", "given", "read"),
    [
        ("integer", 5, 5),
        ("integer", "5", 5),
        ("integer", " -5 ", -5),
        ("integer", 5.0, 5),
        ("integer", "5.0", 5),
        ("integer", 2**70, 2**70),
        ("integer", None, 0),
        ("flag", True, True),
        ("flag", "true", True),
        ("flag", "FALSE", False),
        ("flag", 1, True),
        ("flag", 0.0, False),
        ("flag", "1", True),
        ("flag", None, False),
        ("number", 1.5, "1.500000000"),
        ("number", "12.5", "12.5"),
        ("number", 3, "3"),
        ("text", "", ""),
        ("name", " x ", "x"),
        ("object", {"a": 1}, {"a": 1}),
        ("page_index", 0, 1),
        ("page_index", "-3", 1),
        ("page_index", 10**40, 10**9),
        ("page_size", 0, 10),
        ("page_size", -1, 10),
        ("page_size", 5000, 1000),
        ("page_size", "7", 7),
    ],
)
def test_coercions(field: str, given: Any, read: Any) -> None:
    assert getattr(decode(Everything, {field: given}), field) == read


@pytest.mark.parametrize(
    ("field", "given", "rule"),
    [
        ("integer", 1.5, "must be an integer"),
        ("integer", "x", "must be an integer"),
        ("integer", True, "must be an integer"),
        ("integer", "1e3", "must be an integer"),
        ("integer", [], "must be an integer"),
        ("integer", "٣", "must be an integer"),
        ("integer", float("inf"), "must be an integer"),
        ("integer", "9" * 50, "must be an integer"),
        ("flag", 2, "must be true or false"),
        ("flag", "yes", "must be true or false"),
        ("flag", "", "must be true or false"),
        ("flag", {}, "must be true or false"),
        ("number", "1e5", "must be a number"),
        ("number", True, "must be a number"),
        ("number", float("nan"), "must be a number"),
        ("number", 1e300, "must be a number"),
        ("text", 5, "must be a string"),
        ("text", "a\0b", "NUL"),
        ("text", "x" * 10**6, "at most"),
        ("name", "  ", "must not be blank"),
        ("object", "{}", "must be an object"),
        ("object", [], "must be an object"),
        ("page_size", "ten", "must be an integer"),
    ],
)
def test_wrong_types_name_the_field_and_the_rule(field: str, given: Any, rule: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(Everything, {field: given})
    assert caught.value.details[0].startswith(f"{field} ")
    assert rule in caught.value.details[0]


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(Everything, {"integer": "x", "flag": "y", "unknown": object()})
    assert len(caught.value.details) == 2


def test_unknown_fields_are_never_bound() -> None:
    read = decode(Everything, {"integer": 1, "operator": True, "__class__": 1, "model_config": 1})
    assert set(read.model_dump()) == set(Everything.model_fields)
