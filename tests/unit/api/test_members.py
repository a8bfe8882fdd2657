"""Members of a request: values and problems."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import asdict

from fyke.api.docs.schemas import member_schemas
from fyke.api.members import decode
from fyke.errors import InvalidRequest
from fyke.wire.fields import (
    Boolean,
    Decimal,
    Integer,
    JsonObject,
    Name,
    PageIndex,
    PageSize10,
    Request,
    Text,
)
from fyke.wire.fyke.run_lists import RunListQuery
from fyke.wire.fyke.usage import LedgerPageQuery


class Everything(Request):
    integer: Integer = 0
    flag: Boolean = False
    number: Decimal = "0"
    text: Text = ""
    name: Name = "n"
    object: JsonObject = {}
    page_index: PageIndex = 1
    page_size: PageSize10 = 10


@pytest.mark.parametrize(
    ("field", "raw", "value"),
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
def test_coercions(field: str, raw: Any, value: Any) -> None:
    assert getattr(decode(Everything, {field: raw}), field) == value


@pytest.mark.parametrize(
    ("field", "raw", "rule"),
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
        ("number", "1e5", "such as 12.5: at most 18 digits on each side of the point"),
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
def test_wrong_types_name_the_field_and_the_rule(field: str, raw: Any, rule: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(Everything, {field: raw})
    assert caught.value.details[0].startswith(f"{field} ")
    assert rule in caught.value.details[0]


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(Everything, {"integer": "x", "flag": "y", "unknown": object()})
    assert len(caught.value.details) == 2


@pytest.mark.parametrize("shape", [RunListQuery, LedgerPageQuery])
def test_a_page_size_of_at_most_200_is_described(
    shape: type[RunListQuery | LedgerPageQuery],
) -> None:
    read = [decode(shape, {"page_size": size}).page_size for size in (0, 200, 1000)]
    assert read == [20, 200, 200]
    members, _ = member_schemas(shape, {})
    assert members["page_size"]["maximum"] == 200


def test_unknown_members_are_ignored() -> None:
    read = decode(Everything, {"integer": 1, "operator": True, "__class__": 1, "model_config": 1})
    assert set(asdict(read)) == set(Everything.__struct_fields__)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("integr", "integr: unknown member; did you mean integer?"),
        ("pageSize", "pageSize: unknown member; did you mean page_size?"),
        (
            "zzz",
            "zzz: unknown member; the members are integer, flag, number, text, name, object, "
            "page_index, page_size",
        ),
    ],
)
def test_a_strict_body_refuses_unknown_members(name: str, problem: str) -> None:
    for value in (1, None):
        with pytest.raises(InvalidRequest) as caught:
            decode(Everything, {"integer": 1, name: value}, strict=True)
        assert caught.value.details == [problem]


def test_the_report_of_unknown_members_is_limited() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(Everything, {f"{'x' * 10**5}{n}": n for n in range(1000)}, strict=True)
    assert len(caught.value.details) == 10
    assert len(caught.value.message) < 2500
