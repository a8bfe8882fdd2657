"""The columns that a Worker declares: their headers, and the findings about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.workers import output_schema
from fyke.errors import InvalidRequest


@pytest.mark.parametrize(
    ("code", "document"),
    [
        ("output_schema_root_invalid", {}),
        ("output_column_invalid", [1]),
        ("output_column_missing_name", [{"type": "string"}]),
        ("output_column_duplicate_name", [{"name": "a", "type": "string"}] * 2),
        ("output_column_missing_type", [{"name": "a"}]),
        ("output_column_unsupported_type", [{"name": "a", "type": "date"}]),
        ("output_column_unsupported_type", [{"name": "a", "type": ["x"]}]),
    ],
)
def test_every_code_is_reported(code: str, document: Any) -> None:
    found = output_schema.check(json.dumps(document, indent=1))
    assert [finding.code for finding in found] == [code]
    assert (found[0].severity == "error") == (code == "output_schema_root_invalid")


def test_declared_columns_become_headers() -> None:
    text = json.dumps(
        [
            {"name": "s", "type": "string", "description": "Text"},
            *({"name": kind, "type": kind} for kind in ("number", "integer", "boolean", "array")),
            {"name": "object", "type": "object"},
            {"name": "d", "type": "date"},
            {"name": "n"},
            {"name": "s", "type": "number"},
            {"type": "string"},
            1,
        ]
    )
    made = [(header.label, header.key, header.format) for header in output_schema.headers(text)]
    assert made == [
        ("Text", "s", "text"),
        *((kind, kind, kind) for kind in ("number", "integer", "boolean", "array", "object")),
        ("d", "d", "date"),
        ("n", "n", "text"),
    ]
    assert output_schema.headers("") == []
    for bad in ("{", "{}"):
        with pytest.raises(InvalidRequest, match=r"output_schema\.json"):
            output_schema.headers(bad)
    assert output_schema.check("[\n{")[0].line == 2


def test_a_valid_schema_has_no_findings() -> None:
    columns = [{"name": kind, "type": kind} for kind in ("string", "integer", "array", "object")]
    assert output_schema.check(json.dumps(columns)) == []
    assert output_schema.check("[]") == []


def test_the_label_of_a_column_is_its_description_or_its_name() -> None:
    text = json.dumps(
        [
            {"name": " a ", "description": "  Price "},
            {"name": "b", "description": " "},
            {"name": "c", "description": 5, "type": ["string"]},
            {"name": " "},
            {"name": 7},
        ]
    )
    assert [
        (header.key, header.label, header.format) for header in output_schema.headers(text)
    ] == [
        ("a", "Price", "text"),
        ("b", "b", "text"),
        ("c", "c", "text"),
    ]


def test_every_finding_has_the_line_of_its_column() -> None:
    text = '[\n {"name": "a",\n  "type": "date"},\n {"type": "string"},\n {"name": "a"}\n]'
    found = [(finding.line, finding.code) for finding in output_schema.check(text)]
    assert found == [
        (3, "output_column_unsupported_type"),
        (4, "output_column_missing_name"),
        (5, "output_column_duplicate_name"),
        (5, "output_column_missing_type"),
    ]


def test_an_unreadable_schema_is_refused_with_position_and_remedy() -> None:
    with pytest.raises(InvalidRequest, match=r"^output_schema\.json is not a valid json: line 2: "):
        output_schema.headers("[\n{")
    with pytest.raises(InvalidRequest, match=r"json: the file is larger than 500,000 bytes$"):
        output_schema.headers(" " * 600_000)
    with pytest.raises(InvalidRequest, match="the root must be an array of columns"):
        output_schema.headers('{"name": "a"}')
    (finding,) = output_schema.check("[\n{")
    assert finding.remedy == "correct the JSON at this line, or remove the file"
