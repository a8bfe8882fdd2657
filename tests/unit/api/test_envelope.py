"""Bytes that old clients search in."""

from __future__ import annotations

import json

import msgspec
import pytest

from fyke.api import envelope


@pytest.mark.parametrize("data", [None, {}, [], {"a": [1, 2.5, 'é\x00\n"', None, True, 2**80]}])
def test_success_is_compact_and_in_order(data: object) -> None:
    text = envelope.success(data).decode()
    assert text.startswith('{"code":0,"message":"success","data":')
    assert json.loads(text)["data"] == data
    assert not any(ord(letter) < 32 for letter in text)


def test_raw_rows_pass_through_untouched() -> None:
    raw = msgspec.Raw(b'{"n":1.50}')
    assert envelope.success({"list": [raw]}).endswith(b'"data":{"list":[{"n":1.50}]}}')
    assert envelope.success_raw(b"[1]") == b'{"code":0,"message":"success","data":[1]}'


def test_failure_has_details_only_when_there_are_some() -> None:
    assert envelope.failure(4000, 'a"b') == b'{"code":4000,"message":"a\\"b","data":null}'
    listed = envelope.failure(4000, "m", ["x", "y"])
    assert listed == b'{"code":4000,"message":"m","data":null,"details":["x","y"]}'
