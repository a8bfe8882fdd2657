"""The operations of the REST API, generated from the OpenAPI document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markdown import paragraphs, table
from schemas import Schema, Shapes, described

Error = tuple[int, int, str]

_JSON = "application/json"
_TRANSPORT = ("408", "413", "415")  # errors of any body, on the page of common rules


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document; ``errors`` are status, code and message."""

    path: str
    method: str
    definition: Schema

    @property
    def tag(self) -> str:
        return str(self.definition["tags"][0])

    @property
    def errors(self) -> set[Error]:
        return {
            (int(status), item["value"]["code"], item["value"]["message"])
            for status, answer in self.definition["responses"].items()
            if status not in _TRANSPORT
            for item in answer.get("content", {}).get(_JSON, {}).get("examples", {}).values()
            if item["value"]["code"]
        }


def text(document: Schema) -> str:
    """The generated part of the page for a document."""
    operations = [
        Operation(path, method.upper(), definition)
        for path, item in document["paths"].items()
        for method, definition in item.items()
    ]
    shapes = Shapes(document.get("components", {}))
    for operation in operations:
        for part in (*_request_schemas(shapes, operation), *_response_schemas(shapes, operation)):
            shapes.count(part)
    return "\n".join(_lines(document, operations, shapes))


def _lines(document: Schema, operations: Sequence[Operation], shapes: Shapes) -> Iterator[str]:
    common = _common(operations)
    for tag in document["tags"]:
        selected = [item for item in operations if item.tag == tag["name"]]
        if selected:
            yield f"## {tag['name']}\n"
            yield from (f"{item}\n" for item in paragraphs(tag.get("description", "")))
        for operation in selected:
            yield from _operation(operation, shapes, common)
    sections = list(shapes.sections())
    if sections:
        yield "## Shapes\n"
        yield "Objects that several operations take or answer.\n"
        yield from sections


def _common(operations: Sequence[Operation]) -> set[Error]:
    """The errors of most operations, which are on the page of common rules."""
    uses = Counter(error for item in operations for error in item.errors)
    return {error for error, count in uses.items() if count * 3 > 2 * len(operations)}


def _operation(operation: Operation, shapes: Shapes, common: set[Error]) -> Iterator[str]:
    definition = operation.definition
    yield f"### `{operation.method} {operation.path}`\n"
    yield f"{definition['summary'].rstrip('.')}.\n"
    yield from (f"{item}\n" for item in paragraphs(definition.get("description", "")))
    if {} in definition.get("security", ()) or definition.get("security") == []:
        yield "Needs no key.\n"
    yield from table(("takes", "type", "default", "meaning"), _parameters(operation, shapes))
    headers = [f"`{item['name']}`" for item in _parameters_in(definition, "header")]
    if headers:
        yield f"Request headers: {', '.join(headers)}.\n"
    yield from _answer(operation, shapes)
    errors = operation.errors - common
    if errors:
        messages = (f"{code} {message}" for _, code, message in sorted(errors))
        yield f"Errors: {'; '.join(dict.fromkeys(messages))}.\n"


def _parameters_in(definition: Schema, *locations: str) -> list[Schema]:
    return [item for item in definition.get("parameters", ()) if item["in"] in locations]


# --- requests ------------------------------------------------------------------------------


def _parameters(operation: Operation, shapes: Shapes) -> Iterator[tuple[str, str, str, str]]:
    for item in _parameters_in(operation.definition, "path", "query"):
        schema = item.get("schema", {})
        default = "in the path" if item["in"] == "path" else _default(schema, item["required"])
        meaning = described(item) or described(schema)
        yield f"`{item['name']}`", shapes.type_of(schema), default, meaning
    for body in _bodies(operation.definition):
        for member in shapes.walk(shapes.resolve(body)):
            default = _default(member.schema, member.required)
            kind = shapes.type_of(member.schema)
            yield f"`{member.name}`", kind, default, described(member.schema)


def _bodies(definition: Schema) -> Iterator[Schema]:
    for media in definition.get("requestBody", {}).get("content", {}).values():
        yield media.get("schema", {})


def _request_schemas(shapes: Shapes, operation: Operation) -> Iterator[Schema]:
    """The schemas of parameters and of the members of a body."""
    for item in _parameters_in(operation.definition, "path", "query"):
        yield item.get("schema", {})
    for body in _bodies(operation.definition):
        yield from shapes.resolve(body).get("properties", {}).values()


def _default(schema: Schema, required: bool) -> str:
    if required:
        return "required"
    value: Any = schema.get("default")
    if value is None:
        return ""
    return "empty" if value in ("", [], {}) else f"`{str(value).lower()}`"


# --- answers -------------------------------------------------------------------------------


def _success(operation: Operation) -> Schema:
    found: Schema = operation.definition["responses"].get("200", {}).get("content", {})
    return found


def _data(shapes: Shapes, operation: Operation) -> Schema | None:
    """The schema of ``data`` in the envelope; None for a response without an envelope."""
    envelope = shapes.resolve(_success(operation).get(_JSON, {}).get("schema", {}))
    found: Schema | None = envelope.get("properties", {}).get("data")
    return found


def _response_schemas(shapes: Shapes, operation: Operation) -> Iterator[Schema]:
    data = _data(shapes, operation)
    if data is not None:
        yield data


def _answer(operation: Operation, shapes: Shapes) -> Iterator[str]:
    data = _data(shapes, operation)
    if data is None:
        for media, content in _success(operation).items():
            meaning = described(content.get("schema", {}))
            yield f"Answers `{media}`{f': {meaning}' if meaning else ''}.\n"
        return
    if data == {"type": "null"}:
        return
    choices = data.get("anyOf", [data])
    if all("$ref" in item and not shapes.is_shared(item) for item in choices):
        for item in choices:
            inner = shapes.resolve(item)
            meaning = described(inner)
            if meaning and meaning != operation.definition["summary"].rstrip("."):
                yield f"{meaning}.\n"
            yield from shapes.members("answers", inner)
    else:
        yield f"Answers {' or '.join(map(shapes.type_of, choices))}.\n"
