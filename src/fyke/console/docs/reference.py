"""The OpenAPI document as page content: groups of operations, fields as flat lists.

Pure: document in, plain values out. Whatever is in the document can be seen here, and nothing that
is not in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fyke.api.docs.document import V1, V2, is_of, operations_of

_JSON = "application/json"
_DEEP = 6

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
    """An example body; ``name`` names its case."""

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
    version: str  # v2, v1, or "" for this server's own
    tag: str
    summary: str
    text: str
    open: bool  # needs no key
    parameters: tuple[ReferenceField, ...]
    body_media: str
    body_fields: tuple[ReferenceField, ...]
    body: str
    answers: tuple[ReferenceAnswer, ...]

    @property
    def playable(self) -> bool:
        """Whether it can be tried from a page: it takes JSON or no body."""
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
            own = tuple(p for p in pages if p.version == version and p.tag == tag["name"])
            if own:
                groups.append(ReferenceGroup(version, tag["name"], tag["description"], own))
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
        version=next((each for each in (V2, V1) if is_of(path, each)), ""),
        tag=operation["tags"][0],
        summary=operation["summary"],
        text=operation.get("description", ""),
        open=not operation["security"] or {} in operation["security"],
        parameters=tuple(_parameter(each, schemas) for each in operation.get("parameters", ())),
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
        _says(schema, parameter.get("description", "")),
        example if isinstance(example, str) else json.dumps(example, ensure_ascii=False),
    )


def _answer(status: str, answer: Mapping[str, Any], schemas: Schema) -> ReferenceAnswer:
    media, body = _first(answer.get("content", {}))
    named = body.get("examples", {}).items()
    examples = [Example(name, _text(each["value"])) for name, each in named]
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
    schema: Schema, schemas: Schema, place: str, prefix: str = "", deep: int = 0
) -> Iterator[ReferenceField]:
    """Every field of an object, each followed by its nested fields."""
    schema = _resolved(schema, schemas)
    needed = set(schema.get("required", ()))
    for name, described in schema.get("properties", {}).items():
        inner = _resolved(described, schemas)
        yield ReferenceField(
            prefix + name, place, type_of(inner, schemas), name in needed, _says(inner, "")
        )
        if deep < _DEEP:
            below, mark = _inside(inner, schemas)
            yield from _fields(below, schemas, place, f"{prefix}{name}{mark}.", deep + 1)


def _inside(schema: Schema, schemas: Schema) -> tuple[Schema, str]:
    """The nested schema and its path suffix."""
    if "items" in schema:
        return schema["items"], "[]"
    for choice in schema.get("anyOf", ()):
        found, mark = _inside(_resolved(choice, schemas), schemas)
        if found:
            return found, mark
    return (schema, "") if "properties" in schema else ({}, "")


def type_of(schema: Schema, schemas: Schema) -> str:
    """The type of a schema as text: ``string``, ``integer or null``, ``list of object``."""
    schema = _resolved(schema, schemas)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(type_of(each, schemas) for each in choices))
    if "const" in schema:
        return json.dumps(schema["const"])
    kind = schema.get("type", "object" if "properties" in schema else "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}), schemas)}"
    return str(kind)


def _says(schema: Schema, text: str) -> str:
    """The description and short constraints."""
    said = [text or schema.get("description", "")]
    if schema.get("enum"):
        said.append("One of " + ", ".join(json.dumps(each) for each in schema["enum"]) + ".")
    rules = (("minimum", "at least"), ("maximum", "at most"))
    said += [f"{words.capitalize()} {schema[key]}." for key, words in rules if key in schema]
    if "maxLength" in schema:
        said.append(f"At most {schema['maxLength']} characters.")
    if schema.get("default") not in (None, "", [], {}):
        said.append(f"Default: {json.dumps(schema['default'])}.")
    sentences = [each.strip() for each in said if each.strip()]
    return " ".join(each if each.endswith((".", ":", ";")) else f"{each}." for each in sentences)


def _resolved(schema: Schema, schemas: Schema) -> Schema:
    if "$ref" in schema:
        found = schemas.get(schema["$ref"].rpartition("/")[2], {})
        return {**_resolved(found, schemas), **{k: v for k, v in schema.items() if k != "$ref"}}
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
