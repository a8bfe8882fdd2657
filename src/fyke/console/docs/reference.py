"""The OpenAPI document as page content: groups of operations, fields as flat lists.

Pure functions of the document, which add nothing to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fyke.api.docs.document import V1, V2, is_of, operations_of

_JSON = "application/json"
_MAX_DEPTH = 6

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReferenceField:
    """One parameter, or one field of a body. ``name`` is the full path: ``input.custom``."""

    name: str
    place: str  # path, query, header or body
    type: str
    required: bool
    text: str
    example: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """An example body. ``name``: its key in ``examples``, "" for ``example``."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ReferenceAnswer:
    """The response with one status."""

    status: str
    text: str
    media: str
    fields: tuple[ReferenceField, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class OperationPage:
    """One operation. ``body`` is an example of its JSON body, "" when it takes none."""

    id: str
    method: str
    path: str
    version: str  # v2, v1, or "" for our own API
    tag: str
    summary: str
    text: str
    open: bool  # requires no key
    parameters: tuple[ReferenceField, ...]
    body_media: str
    body_fields: tuple[ReferenceField, ...]
    body: str
    answers: tuple[ReferenceAnswer, ...]

    @property
    def playable(self) -> bool:
        """Whether the playground supports the operation, which then takes JSON or no body."""
        return self.body_media in ("", _JSON)


@dataclass(frozen=True, slots=True)
class ReferenceGroup:
    """The operations of one tag in one version."""

    version: str
    tag: str
    text: str
    operations: tuple[OperationPage, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """All operations, in reading order and by id."""

    title: str
    text: str
    groups: tuple[ReferenceGroup, ...]
    by_id: Mapping[str, OperationPage]


def read(document: Mapping[str, Any]) -> Reference:
    """The reference that ``document`` (OpenAPI 3.1) describes."""
    schemas = document.get("components", {}).get("schemas", {})
    pages = [
        _operation(path, method, operation, schemas)
        for path, method, operation in operations_of(document)
    ]
    groups = []
    for version in (V2, "", V1):
        for tag in document.get("tags", ()):
            operations = tuple(p for p in pages if p.version == version and p.tag == tag["name"])
            if operations:
                name, text = tag["name"], tag["description"]
                groups.append(ReferenceGroup(version, name, text, operations))
    info = document["info"]
    return Reference(
        info["title"], info.get("description", ""), tuple(groups), {p.id: p for p in pages}
    )


def _operation(
    path: str, method: str, operation: Mapping[str, Any], schemas: Schema
) -> OperationPage:
    content = operation.get("requestBody", {}).get("content", {})
    media, body = _first(content)
    return OperationPage(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        version=next((item for item in (V2, V1) if is_of(path, item)), ""),
        tag=operation["tags"][0],
        summary=operation["summary"],
        text=operation.get("description", ""),
        open=not operation["security"] or {} in operation["security"],
        parameters=tuple(
            _parameter(parameter, schemas) for parameter in operation.get("parameters", ())
        ),
        body_media=media,
        body_fields=tuple(_fields(body.get("schema", {}), schemas, "body")),
        body=_text(body["example"]) if media == _JSON and "example" in body else "",
        answers=tuple(
            _answer(status, answer, schemas) for status, answer in operation["responses"].items()
        ),
    )


def _parameter(parameter: Mapping[str, Any], schemas: Schema) -> ReferenceField:
    schema = _resolved(parameter["schema"], schemas)
    example = parameter.get("example", "")
    return ReferenceField(
        parameter["name"],
        parameter["in"],
        type_of(schema, schemas),
        parameter.get("required", False),
        _description(schema, parameter.get("description", "")),
        example if isinstance(example, str) else json.dumps(example, ensure_ascii=False),
    )


def _answer(status: str, answer: Mapping[str, Any], schemas: Schema) -> ReferenceAnswer:
    media, body = _first(answer.get("content", {}))
    examples = [
        Example(name, _text(example["value"])) for name, example in body.get("examples", {}).items()
    ]
    if "example" in body:
        examples.append(Example("", _text(body["example"])))
    schema = body.get("schema", {}) if status.startswith("2") else {}
    return ReferenceAnswer(
        status,
        answer.get("description", ""),
        media,
        tuple(_fields(schema, schemas, "body")),
        tuple(examples),
    )


def _fields(
    schema: Schema, schemas: Schema, place: str, prefix: str = "", depth: int = 0
) -> Iterator[ReferenceField]:
    """Every field of an object, each followed by its nested fields."""
    schema = _resolved(schema, schemas)
    required = set(schema.get("required", ()))
    for name, described in schema.get("properties", {}).items():
        inner = _resolved(described, schemas)
        yield ReferenceField(
            prefix + name, place, type_of(inner, schemas), name in required, _description(inner, "")
        )
        if depth < _MAX_DEPTH:
            nested, suffix = _nested(inner, schemas)
            yield from _fields(nested, schemas, place, f"{prefix}{name}{suffix}.", depth + 1)


def _nested(schema: Schema, schemas: Schema) -> tuple[Schema, str]:
    """The schema of the nested fields, {} for none, and the suffix of their path."""
    if "items" in schema:
        return schema["items"], "[]"
    for choice in schema.get("anyOf", ()):
        nested, suffix = _nested(_resolved(choice, schemas), schemas)
        if nested:
            return nested, suffix
    return (schema, "") if "properties" in schema else ({}, "")


def type_of(schema: Schema, schemas: Schema) -> str:
    """The type of a schema as text: ``string``, ``integer or null``, ``list of object``."""
    schema = _resolved(schema, schemas)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(type_of(choice, schemas) for choice in choices))
    if "const" in schema:
        return json.dumps(schema["const"])
    kind = schema.get("type", "object" if "properties" in schema else "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}), schemas)}"
    return str(kind)


def _description(schema: Schema, text: str) -> str:
    """The description, followed by the constraints."""
    sentences = [text or schema.get("description", "")]
    if schema.get("enum"):
        sentences.append("One of " + ", ".join(json.dumps(item) for item in schema["enum"]) + ".")
    rules = (("minimum", "at least"), ("maximum", "at most"))
    sentences += [f"{words.capitalize()} {schema[key]}." for key, words in rules if key in schema]
    if "maxLength" in schema:
        sentences.append(f"At most {schema['maxLength']} characters.")
    if schema.get("default") not in (None, "", [], {}):
        sentences.append(f"Default: {json.dumps(schema['default'])}.")
    stripped = [sentence.strip() for sentence in sentences if sentence.strip()]
    return " ".join(
        sentence if sentence.endswith((".", ":", ";")) else f"{sentence}." for sentence in stripped
    )


def _resolved(schema: Schema, schemas: Schema) -> Schema:
    if "$ref" in schema:
        target = schemas.get(schema["$ref"].rpartition("/")[2], {})
        return {**_resolved(target, schemas), **{k: v for k, v in schema.items() if k != "$ref"}}
    if len(schema.get("allOf", ())) == 1:
        return {**_resolved(schema["allOf"][0], schemas), **schema}
    return schema


def _first(content: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The first content type and its definition."""
    for media, body in content.items():
        return media, body
    return "", {}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2)
