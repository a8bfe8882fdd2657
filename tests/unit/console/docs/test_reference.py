"""The reference pages contain everything of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from fyke.console.docs.reference import read, type_of

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Fyke", "version": "1", "description": "About it."},
    "tags": [{"name": "Runs", "description": "Starting."}, {"name": "Files", "description": "F."}],
    "paths": {
        "/api/v2/workers/{workerId}/runs": {
            "post": {
                "operationId": "runWorker",
                "tags": ["Runs"],
                "summary": "Start a run",
                "security": [{"bearer": []}],
                "parameters": [
                    {
                        "name": "workerId",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string"},
                        "example": "owner~reader",
                    },
                    {"name": "wait", "in": "query", "schema": {"type": "integer", "maximum": 60}},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/Start"},
                            "example": {"input": {"it's": 1}},
                        }
                    }
                },
                "responses": {
                    "200": {
                        "description": "Done",
                        "content": {
                            "application/json": {
                                "schema": {"$ref": "#/components/schemas/Started"},
                                "example": {"run_slug": "A"},
                            }
                        },
                    },
                    "404": {
                        "description": "Not there",
                        "content": {"application/json": {"examples": {"gone": {"value": {}}}}},
                    },
                },
            }
        },
        "/files/{token}": {
            "get": {
                "operationId": "getFile",
                "tags": ["Files"],
                "summary": "A file",
                "security": [],
                "responses": {"200": {"description": "Bytes", "content": {"text/csv": {}}}},
            }
        },
    },
    "components": {
        "schemas": {
            "Start": {
                "type": "object",
                "required": ["input"],
                "properties": {
                    "input": {"anyOf": [{"$ref": "#/components/schemas/Input"}, {"type": "null"}]},
                    "mode": {"enum": ["a", "b"], "type": "string", "default": "a"},
                },
            },
            "Input": {
                "type": "object",
                "properties": {
                    "urls": {"type": "array", "items": {"$ref": "#/components/schemas/Url"}},
                    "again": {"$ref": "#/components/schemas/Input"},
                },
            },
            "Url": {"type": "object", "properties": {"url": {"type": "string"}}},
            "Started": {"type": "object", "properties": {"run_slug": {"type": "string"}}},
        }
    },
}


def test_operations_are_grouped_by_version_and_tag() -> None:
    reference = read(DOCUMENT)
    assert [(group.version, group.tag) for group in reference.groups] == [
        ("v2", "Runs"),
        ("", "Files"),
    ]
    assert reference.by_id["getFile"].open and not reference.by_id["runWorker"].open


def test_nested_fields_are_flat_with_their_full_path() -> None:
    page = read(DOCUMENT).by_id["runWorker"]
    names = [field.name for field in page.body_fields]
    assert names[:4] == ["input", "input.urls", "input.urls[].url", "input.again"]
    assert "mode" in names, "a recursive schema does not end the list"
    by_name = {field.name: field for field in page.body_fields}
    assert by_name["input"].required and by_name["input"].type == "object or null"
    assert by_name["mode"].text == 'One of "a", "b". Default: "a".'
    assert [field.text for field in page.parameters] == ["", "At most 60."]


def test_types_are_words() -> None:
    assert type_of({"type": "array", "items": {"type": ["string", "null"]}}, {}) == (
        "list of string or null"
    )
    assert type_of({"const": 0}, {}) == "0"
