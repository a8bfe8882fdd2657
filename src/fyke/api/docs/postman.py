"""The OpenAPI document as a Postman collection (format 2.1).

It has a folder for each version, and in it a folder for each tag. Address and key are variables.
Optional parameters are switched off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from fyke.api.docs.document import V1, V2, is_of, operations_of
from fyke.domain.runs.start_keys import HEADER

_FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_GENERATED = {HEADER: "{{$guid}}"}  # Postman generates a value for each request
_VERSIONS = {V2: "API v2", V1: "API v1", "": "This server"}

Object = dict[str, Any]


def collection(document: Mapping[str, Any]) -> Object:
    """The collection of ``document``; its first server is the initial address."""
    address = document["servers"][0]["url"]
    return {
        "info": {
            "_postman_id": str(uuid5(NAMESPACE_URL, address)),
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "schema": _FORMAT,
        },
        "auth": {
            "type": "apikey",
            "apikey": [
                {"key": "key", "value": "api-key", "type": "string"},
                {"key": "value", "value": "{{api_key}}", "type": "string"},
                {"key": "in", "value": "header", "type": "string"},
            ],
        },
        "variable": [
            {"key": "base_url", "value": address, "type": "string"},
            {"key": "api_key", "value": "", "type": "string"},
        ],
        "item": _folders(document),
    }


def _folders(document: Mapping[str, Any]) -> list[Object]:
    descriptions = {tag["name"]: tag["description"] for tag in document["tags"]}
    folders: dict[str, dict[str, list[Object]]] = {
        title: {tag: [] for tag in descriptions} for title in _VERSIONS.values()
    }
    for path, method, operation in operations_of(document):
        version = next((item for item in (V2, V1) if is_of(path, item)), "")
        tag = operation["tags"][0]
        folders[_VERSIONS[version]][tag].append(_item(path, method, operation))
    return [
        {
            "name": title,
            "item": [
                {"name": tag, "description": descriptions[tag], "item": items}
                for tag, items in tags.items()
                if items
            ],
        }
        for title, tags in folders.items()
        if any(tags.values())
    ]


def _item(path: str, method: str, operation: Mapping[str, Any]) -> Object:
    request: Object = {
        "method": method.upper(),
        "header": [],
        "url": _url(path, operation.get("parameters", ())),
        "description": operation.get("description") or operation["summary"],
    }
    for parameter in _parameters_in(operation.get("parameters", ()), "header"):
        request["header"].append(_key_value(parameter))
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    body = _body(operation)
    if body is not None:
        request["body"] = body
        if body["mode"] == "raw":
            request["header"].append({"key": "Content-Type", "value": "application/json"})
    return {"name": operation["summary"], "request": request, "response": []}


def _url(path: str, parameters: Any) -> Object:
    parts = [
        f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")
    ]
    query = [_key_value(item) for item in _parameters_in(parameters, "query")]
    enabled = "&".join(f"{item['key']}={item['value']}" for item in query if "disabled" not in item)
    raw = "{{base_url}}/" + "/".join(parts) + (f"?{enabled}" if enabled else "")
    url: Object = {"raw": raw, "host": ["{{base_url}}"], "path": parts}
    if query:
        url["query"] = query
    variables = [_key_value(item) for item in _parameters_in(parameters, "path")]
    if variables:
        url["variable"] = variables
    return url


def _parameters_in(parameters: Any, location: str) -> list[Mapping[str, Any]]:
    return [parameter for parameter in parameters if parameter["in"] == location]


def _key_value(parameter: Mapping[str, Any]) -> Object:
    value = _GENERATED.get(parameter["name"], parameter["example"])
    pair: Object = {
        "key": parameter["name"],
        "value": value if isinstance(value, str) else json.dumps(value),
    }
    if "description" in parameter:
        pair["description"] = parameter["description"]
    if not parameter.get("required"):
        pair["disabled"] = True
    return pair


def _body(operation: Mapping[str, Any]) -> Object | None:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        text = json.dumps(content["application/json"]["example"], indent=2, ensure_ascii=False)
        return {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}
    if "multipart/form-data" in content:
        properties = content["multipart/form-data"]["schema"].get("properties", {})
        return {"mode": "formdata", "formdata": [_form_field(*item) for item in properties.items()]}
    return {"mode": "file", "file": {}} if content else None


def _form_field(name: str, described: Mapping[str, Any]) -> Object:
    if described.get("format") == "binary" or "contentMediaType" in described:
        return {"key": name, "type": "file", "src": None}
    return {"key": name, "type": "text", "value": ""}
