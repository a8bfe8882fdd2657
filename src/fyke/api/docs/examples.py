"""Examples of bodies and parameters, generated from their schemas and a table of values.

The example of a schema comes first, then the value for the name of the field, then the simplest
value that the schema allows. A test validates every example against its schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fyke.api.docs.samples import BY_NAME, BY_OPERATION
from fyke.api.media import SAMPLE_ULID

_PLAIN: dict[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}

Schema = Mapping[str, Any]


class Examples:
    """Generates examples; ``schemas`` are the document's components."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas

    def add(self, operation: dict[str, Any]) -> None:
        """Add an example to every parameter, body and answer of ``operation``."""
        for parameter in operation.get("parameters", ()):
            value = self.of(parameter["schema"], parameter["name"])
            parameter.setdefault("example", value)
        content = operation.get("requestBody", {}).get("content", {})
        example = BY_OPERATION.get(operation["operationId"])
        for media in content.values():
            if example is not None and "example" not in media:
                media["example"] = example
        for body in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media in body.get("content", {}).values():
                if not media.keys() & {"example", "examples"}:
                    media["example"] = self.of(media.get("schema", {}), "")

    def of(self, schema: Schema, name: str) -> Any:
        """An example of ``schema`` for the field ``name``."""
        schema = self._resolved(schema)
        if schema.get("examples"):
            return schema["examples"][0]
        if "example" in schema:
            return schema["example"]
        if "const" in schema:
            return schema["const"]
        for candidate in (BY_NAME.get(name, ...), SAMPLE_ULID if "pattern" in schema else ...):
            if candidate is not ... and _fits(candidate, schema):
                return candidate
        if schema.get("enum"):
            return next((item for item in schema["enum"] if item), schema["enum"][0])
        if schema.get("default") not in (None, "", [], {}):
            return schema["default"]
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                return self.of(schema[choice][0], name)
        return self._by_type(schema, name)

    def _by_type(self, schema: Schema, name: str) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = kind if isinstance(kind, str) else kind[0]
        if kind == "array":
            items = schema.get("items", {})
            return [self.of(items, name.removesuffix("s"))] if items else []
        if kind == "object":
            return self._object(schema)
        if kind == "string":
            return _PLAIN[kind]
        if kind in ("integer", "number"):
            return max(_PLAIN[kind], schema.get("minimum", 0))
        return _PLAIN[kind]

    def _object(self, schema: Schema) -> dict[str, Any]:
        """The required fields, and those whose schema has an example."""
        required = set(schema.get("required", ()))
        return {
            name: self.of(property_schema, name)
            for name, property_schema in schema.get("properties", {}).items()
            if name in required or self._resolved(property_schema).get("examples")
        }

    def _resolved(self, schema: Schema) -> Schema:
        if "$ref" not in schema:
            return schema
        target = self._schemas[schema["$ref"].rpartition("/")[2]]
        return {**self._resolved(target), **{k: v for k, v in schema.items() if k != "$ref"}}


def _fits(value: Any, schema: Schema) -> bool:
    """Whether ``value`` matches the types, values and pattern of ``schema``."""
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "anyOf" in schema:
        return any(_fits(value, choice) for choice in schema["anyOf"])
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if isinstance(value, bool) and "boolean" not in types:
        return False
    return any(isinstance(value, _TYPES[kind]) for kind in types)
