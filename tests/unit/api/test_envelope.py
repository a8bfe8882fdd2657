"""The exact bytes of envelopes, which old clients search."""

from __future__ import annotations

import json

import msgspec
import pytest

from fyke.api.envelope import V1, V2, dialect_of, encode


@pytest.mark.parametrize("data", [None, {}, [], {"a": [1, 2.5, 'é\x00\n"', None, True, 2**80]}])
def test_success_is_compact_and_in_order(data: object) -> None:
    text = V1.success(encode(data), "r").decode()
    assert text.startswith('{"code":0,"message":"success","data":')
    assert json.loads(text)["data"] == data
    assert not any(ord(letter) < 32 for letter in text)


def test_raw_rows_are_unchanged() -> None:
    raw = msgspec.Raw(b'{"n":1.50}')
    assert V1.success(encode({"list": [raw]}), "r").endswith(b'"data":{"list":[{"n":1.50}]}}')
    assert V1.success(b"[1]", "r") == b'{"code":0,"message":"success","data":[1]}'


def test_a_v1_failure_has_details_only_if_there_are_any() -> None:
    assert V1.failure(4000, 'a"b', "r") == b'{"code":4000,"message":"a\\"b","data":null}'
    listed = V1.failure(4000, "m", "r", ["x", "y"])
    assert listed == b'{"code":4000,"message":"m","data":null,"details":["x","y"]}'


def test_v2_has_a_request_id_and_details_as_a_list_or_null() -> None:
    assert V2.success(b"{}", "r") == (b'{"code":0,"message":"success","request_id":"r","data":{}}')
    assert V2.failure(11000, "m", "r") == (
        b'{"code":11000,"message":"m","request_id":"r","details":null}'
    )
    assert json.loads(V2.failure(11000, "m", "r", ["x"]))["details"] == ["x"]


@pytest.mark.parametrize(
    ("path", "second"),
    [("/api/v2/store", True), ("/api/v1/rerun", False), ("/api/v2", False), ("/", False)],
)
def test_the_path_determines_the_dialect(path: str, second: bool) -> None:
    assert (dialect_of(path) is V2) == second
