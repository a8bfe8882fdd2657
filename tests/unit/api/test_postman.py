"""The Postman collection."""

from __future__ import annotations

from typing import Any

from fyke.api.docs.postman import collection

OPERATION = {
    "summary": "Do it",
    "tags": ["Runs"],
    "security": [{"bearer": []}],
    "parameters": [
        {"name": "runId", "in": "path", "required": True, "example": "R1"},
        {"name": "limit", "in": "query", "required": False, "example": 20},
        {"name": "search", "in": "query", "required": True, "example": "x"},
        {"name": "Idempotency-Key", "in": "header", "example": "k"},
    ],
    "requestBody": {"content": {"application/json": {"example": {"a": None}}}},
}
DOCUMENT = {
    "info": {"title": "Fyke", "description": "About"},
    "servers": [{"url": "https://fyke.example"}],
    "tags": [{"name": "Runs", "description": "Running"}],
    "paths": {
        "/api/v2/runs/{runId}/do": {"post": OPERATION},
        "/healthz": {"get": {"summary": "Up", "tags": ["Runs"], "security": []}},
    },
}


def request_at(*indexes: int) -> dict[str, Any]:
    node: Any = collection(DOCUMENT)
    for index in indexes:
        node = node["item"][index]
    request: dict[str, Any] = node["request"]
    return request


def test_a_collection_has_a_format_variables_and_folders() -> None:
    postman = collection(DOCUMENT)
    assert postman["info"]["schema"].endswith("/v2.1.0/collection.json")
    assert {v["key"]: v["value"] for v in postman["variable"]} == {
        "base_url": "https://fyke.example",
        "api_key": "",
    }
    assert [folder["name"] for folder in postman["item"]] == ["API v2", "This server"]
    assert postman["item"][0]["item"][0]["name"] == "Runs"


def test_a_request_has_a_path_parameters_and_a_body() -> None:
    request = request_at(0, 0, 0)
    url = request["url"]
    assert url["raw"] == "{{base_url}}/api/v2/runs/:runId/do?search=x"
    assert url["path"] == ["api", "v2", "runs", ":runId", "do"]
    assert url["variable"] == [{"key": "runId", "value": "R1"}]
    assert url["query"] == [
        {"key": "limit", "value": "20", "disabled": True},
        {"key": "search", "value": "x"},
    ]
    assert request["header"][0] == {
        "key": "Idempotency-Key",
        "value": "{{$guid}}",
        "disabled": True,
    }
    assert request["body"]["raw"] == '{\n  "a": null\n}'


def test_public_requests_are_sent_without_a_key() -> None:
    assert request_at(1, 0, 0)["auth"] == {"type": "noauth"}
    assert "auth" not in request_at(0, 0, 0)
