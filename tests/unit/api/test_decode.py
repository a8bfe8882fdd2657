"""Parsing of bodies, and its limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.api.decode import MAX_DEPTH, MAX_VALUES, parse_object, sent_names, too_deep, too_many
from fyke.errors import InvalidRequest
from support.hangs import no_hang

NAMES = ("a", "n")


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b"null", b"\xef\xbb\xbf", b"\xef\xbb\xbf{}"])
def test_an_empty_body_or_null_is_an_empty_object(body: bytes) -> None:
    assert parse_object(body, NAMES) == {}


def test_an_empty_array_is_an_empty_object_where_no_member_is_required() -> None:
    for body in (b"[]", b" [ ] ", b"\xef\xbb\xbf[]"):
        assert parse_object(body, NAMES, optional=True) == {}
        with pytest.raises(InvalidRequest, match="must be a JSON object"):
            parse_object(body, NAMES)
    for body in (b"[1]", b"[[]]", b"0", b'""', b"false"):
        with pytest.raises(InvalidRequest, match="must be a JSON object"):
            parse_object(body, NAMES, optional=True)


@pytest.mark.parametrize(
    "digits", [str(2**63), str(2**64), "-" + "9" * 40, "1" * 4000, "9007199254740993"]
)
def test_integers_of_any_length_are_exact(digits: str) -> None:
    assert str(parse_object(f'{{"n":{digits}}}'.encode(), NAMES)["n"]) == digits


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
        b"{'a':1}",
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'{"a":1,}',
        b"{} x",
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_object(body, NAMES)
    assert str(caught.value).startswith(("the body", "the JSON body"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[1]", 'the body must be a JSON object such as {"a":...}'),
        (b'{"a":1e400}', "a contains a number that is too large"),
        (b'{"a":{"n":[-1e400]}}', "a contains a number that is too large"),
        (b'{"n":' + b"1" * 5000 + b"}", "n contains a number that is too large"),
    ],
)
def test_the_error_of_a_body_names_its_member(body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_object(body, NAMES)
    assert caught.value.message == message


def test_only_the_members_of_the_operation_are_decoded() -> None:
    body = b'{"b":{"a":1},"n":null,"a":"x","c":[1e999]}'
    assert parse_object(body, NAMES) == {"a": "x"}
    assert parse_object(b'{"a":1,"\\u0061":2,"a":{"a":3}}', NAMES) == {"a": {"a": 3}}
    assert parse_object(b'{"x y":1,"self":2}', ("x y", "self")) == {"x y": 1, "self": 2}
    assert list(sent_names(body)) == ["b", "n", "a", "c"]
    assert list(sent_names(b" [] ")) == list(sent_names(b"null")) == list(sent_names(b"")) == []
    with pytest.raises(InvalidRequest, match="not valid"):
        sent_names(b'{"\\ud800":1}')


def test_skipped_members_are_fast() -> None:
    many = b"{" + b",".join(b'"k%d":1' % number for number in range(MAX_VALUES - 10)) + b"}"
    with no_hang(2):
        for _ in range(5):
            assert parse_object(many, NAMES) == {}


def test_the_values_of_a_body_are_limited() -> None:
    for value, count in ((b"[1,[2,3],{}]", 6), (b'{"a":1,"b":[[]]}', 4), (b'"[,{"', 0)):
        assert not too_many(value, count)
        assert count == 0 or too_many(value, count - 1)
    text = b'{"a":"' + b"," * MAX_VALUES + b'"}'
    assert parse_object(text, NAMES) == {"a": "," * MAX_VALUES}
    with pytest.raises(InvalidRequest, match="more than 250,000 values"):
        parse_object(b'{"a":[' + b"1," * MAX_VALUES + b"1]}", NAMES)


def test_depth_is_exact_and_ignores_brackets_in_strings() -> None:
    assert not too_deep(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, MAX_DEPTH)
    assert too_deep(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), MAX_DEPTH)
    assert not too_deep(b'{"a":[' * 32 + b"]}" * 32, MAX_DEPTH)
    assert too_deep(b'{"a":[' * 32 + b"[]" + b"]}" * 32, MAX_DEPTH)
    assert not too_deep(b'{"a":"' + b"[{" * 500 + b'"}', MAX_DEPTH)
    assert not too_deep(b'{"a":"\\"' + b"[" * 500 + b'\\\\"}', MAX_DEPTH)
    assert not too_deep(b"[{}]" * 500, MAX_DEPTH)
    assert not too_deep(b"]" * 500 + b"[" * MAX_DEPTH, MAX_DEPTH)  # the parser refuses it
    with pytest.raises(InvalidRequest, match="deeper than 64"):
        parse_object(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", NAMES)


@pytest.mark.parametrize("depth", range(1, 80))
def test_depth_is_exact_for_every_level(depth: int) -> None:
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
def test_hostile_nesting_is_checked_quickly(body: bytes) -> None:
    with no_hang():
        too_deep(body, MAX_DEPTH)
