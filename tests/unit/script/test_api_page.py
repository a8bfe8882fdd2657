"""The page of an API, generated from its OpenAPI document."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "script" / "lib" / "reference"))

import api_page

REFUSED = {"value": {"code": 4000, "message": "Invalid request parameters"}}
NOT_FOUND = {"value": {"code": 70001, "message": "Run record does not exist"}}


def answer(data: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"properties": {"data": data}}}}}


def failure(*examples: dict[str, Any]) -> dict[str, Any]:
    by_code = {str(example["value"]["code"]): example for example in examples}
    return {"content": {"application/json": {"examples": by_code}}}


SCHEMAS = {
    "Run": {
        "type": "object",
        "required": ["slug"],
        "properties": {
            "slug": {"type": "string", "description": "the run's id."},
            "usage": {"$ref": "#/components/schemas/Usage"},
        },
    },
    "Usage": {"type": "object", "properties": {"traffic": {"type": "integer", "minimum": 0}}},
    "Window": {
        "type": "object",
        "required": ["days"],
        "properties": {
            "days": {"type": "integer", "minimum": 1, "maximum": 365, "description": "how many"},
            "range": {"type": "object", "properties": {"from": {"type": "string"}}},
            "order": {"enum": ["up", "down"], "default": "up"},
        },
    },
    "Page": {
        "type": "object",
        "required": ["list"],
        "properties": {"list": {"type": "array", "items": {"$ref": "#/components/schemas/Run"}}},
    },
}
PAGED = {"$ref": "#/components/schemas/Page"}
LIST_RUNS = {
    "tags": ["Runs"],
    "summary": "Runs of the account",
    "description": "Newest first.",
    "parameters": [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
        {
            "name": "page_size",
            "in": "query",
            "required": False,
            "description": "rows",
            "schema": {"type": ["integer", "null"], "default": 20},
        },
        {"name": "If-None-Match", "in": "header", "required": False, "schema": {}},
    ],
    "responses": {"200": answer(PAGED), "400": failure(REFUSED), "404": failure(NOT_FOUND)},
}
START_RUN = {
    "tags": ["Runs"],
    "summary": "Start a run.",
    "security": [],
    "requestBody": {
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Window"}}}
    },
    "responses": {
        "200": answer({"type": "null"}),
        "400": failure(REFUSED),
        "413": failure({"value": {"code": 4000, "message": "too large"}}),
    },
}
DOCUMENT = {
    "tags": [{"name": "Runs", "description": "All of them."}, {"name": "Unused"}],
    "paths": {"/runs": {"get": LIST_RUNS, "post": START_RUN}},
    "components": {"schemas": SCHEMAS},
}


def section(document: dict[str, Any], title: str) -> list[str]:
    text = api_page.text(document).partition(f"### {title}\n")[2]
    return text.partition("\n### ")[0].splitlines()


def test_an_operation_has_its_parameters_answer_and_errors() -> None:
    assert [line for line in section(DOCUMENT, "`GET /runs`") if line] == [
        "Runs of the account.",
        "Newest first.",
        "| takes | type | default | meaning |",
        "| --- | --- | --- | --- |",
        "| `id` | string | in the path |  |",
        "| `page_size` | integer or null | `20` | rows |",
        "Request headers: `If-None-Match`.",
        "| answers | type | meaning |",
        "| --- | --- | --- |",
        "| `list` | array of object |  |",
        "| `list[].slug` | string | the run's id |",
        "| `list[].usage` | object | may be absent |",
        "| `list[].usage.traffic` | integer | may be absent |",
        "Errors: 70001 Run record does not exist.",
    ]


def test_a_body_is_listed_with_its_limits_and_defaults() -> None:
    assert [line for line in section(DOCUMENT, "`POST /runs`") if line] == [
        "Start a run.",
        "Needs no key.",
        "| takes | type | default | meaning |",
        "| --- | --- | --- | --- |",
        "| `days` | integer, 1 to 365 | required | how many |",
        "| `range` | object |  |  |",
        "| `range.from` | string |  |  |",
        "| `order` | `up`, `down` | `up` |  |",
    ]


def test_common_errors_and_errors_of_the_transport_are_left_out() -> None:
    text = api_page.text(DOCUMENT)
    assert "Invalid request parameters" not in text
    assert "too large" not in text


def test_a_shape_that_is_used_twice_has_a_section() -> None:
    paths = {"/runs": {"get": LIST_RUNS}, "/others": {"get": LIST_RUNS}}
    document = {**DOCUMENT, "paths": paths}
    assert "Answers [Page](#page)." in section(document, "`GET /runs`")
    assert "| `list[].slug` | string | the run's id |" in section(document, "Page")


def test_a_recursive_shape_has_a_section() -> None:
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/T"}}},
    }
    schemas = {**SCHEMAS, "T": tree}
    operation = {**LIST_RUNS, "responses": {"200": answer({"$ref": "#/components/schemas/T"})}}
    document = {
        "tags": DOCUMENT["tags"],
        "paths": {"/t": {"get": operation}},
        "components": {"schemas": schemas},
    }
    assert "| `children` | array of [T](#t) | may be absent |" in section(document, "T")


def test_a_tag_without_an_operation_is_left_out() -> None:
    assert "Unused" not in api_page.text(DOCUMENT)


def test_a_response_without_an_envelope_is_named_by_its_type() -> None:
    file = {"content": {"text/csv": {"schema": {"type": "string", "description": "All rows."}}}}
    document = {**DOCUMENT, "paths": {"/x": {"get": {**LIST_RUNS, "responses": {"200": file}}}}}
    assert "Answers `text/csv`: All rows." in section(document, "`GET /x`")


def test_the_values_of_an_enum_are_listed_where_it_is_used() -> None:
    schemas = {
        **SCHEMAS,
        "Kind": {"type": "string", "enum": ["", "daily"]},
        "Rule": {"type": "object", "properties": {"kind": {"$ref": "#/components/schemas/Kind"}}},
    }
    operation = {**LIST_RUNS, "responses": {"200": answer({"$ref": "#/components/schemas/Rule"})}}
    document = {
        "tags": DOCUMENT["tags"],
        "paths": {"/a": {"get": operation}, "/b": {"get": operation}},
        "components": {"schemas": schemas},
    }
    assert "| `kind` | empty, `daily` | may be absent |" in section(document, "Rule")
    assert "### Kind" not in api_page.text(document)
