"""The operations of the REST API, from nothing but the OpenAPI document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markdown import paragraphs, table
from schemas import Schema, Shapes, described

Error = tuple[int, int, str]

_JSON = "application/json"
_TRANSPORT = ("408", "413", "415")  # of bodies; they are on the page of common rules


@dataclass(frozen=True, slots=True)
class Operation:
    """``errors``: status, code and words of the message."""

    path: str
    method: str
    says: Schema

    @property
    def tag(self) -> str:
        return str(self.says["tags"][0])

    @property
    def errors(self) -> set[Error]:
        return {
            (int(status), each["value"]["code"], each["value"]["message"])
            for status, answer in self.says["responses"].items()
            if status not in _TRANSPORT
            for each in answer.get("content", {}).get(_JSON, {}).get("examples", {}).values()
            if each["value"]["code"]
        }


def text(document: Schema) -> str:
    """The generated part of the page of a document."""
    operations = [
        Operation(path, method.upper(), says)
        for path, item in document["paths"].items()
        for method, says in item.items()
    ]
    shapes = Shapes(document.get("components", {}))
    for operation in operations:
        for part in (*_taken(shapes, operation), *_answered(shapes, operation)):
            shapes.count(part)
    return "\n".join(_lines(document, operations, shapes))


def _lines(document: Schema, operations: Sequence[Operation], shapes: Shapes) -> Iterator[str]:
    common = _common(operations)
    for tag in document["tags"]:
        tagged = [each for each in operations if each.tag == tag["name"]]
        if tagged:
            yield f"## {tag['name']}\n"
            yield from (f"{each}\n" for each in paragraphs(tag.get("description", "")))
        for operation in tagged:
            yield from _operation(operation, shapes, common)
    shared = list(shapes.sections())
    if shared:
        yield "## Shapes\n"
        yield "Objects that several operations take or answer.\n"
        yield from shared


def _common(operations: Sequence[Operation]) -> set[Error]:
    """The errors that most operations have; they are on the page of common rules."""
    uses = Counter(error for each in operations for error in each.errors)
    return {error for error, count in uses.items() if count * 3 > 2 * len(operations)}


def _operation(operation: Operation, shapes: Shapes, common: set[Error]) -> Iterator[str]:
    says = operation.says
    yield f"### `{operation.method} {operation.path}`\n"
    yield f"{says['summary'].rstrip('.')}.\n"
    yield from (f"{each}\n" for each in paragraphs(says.get("description", "")))
    if {} in says.get("security", ()) or says.get("security") == []:
        yield "Needs no key.\n"
    yield from table(("takes", "type", "default", "meaning"), _parameters(operation, shapes))
    headers = [f"`{each['name']}`" for each in _of_place(says, "header")]
    if headers:
        yield f"Request headers: {', '.join(headers)}.\n"
    yield from _answer(operation, shapes)
    errors = operation.errors - common
    if errors:
        listed = (f"{code} {words}" for _, code, words in sorted(errors))
        yield f"Errors: {'; '.join(dict.fromkeys(listed))}.\n"


def _of_place(says: Schema, *places: str) -> list[Schema]:
    return [each for each in says.get("parameters", ()) if each["in"] in places]


# --- requests ------------------------------------------------------------------------------


def _parameters(operation: Operation, shapes: Shapes) -> Iterator[tuple[str, str, str, str]]:
    for each in _of_place(operation.says, "path", "query"):
        schema = each.get("schema", {})
        default = "in the path" if each["in"] == "path" else _default(schema, each["required"])
        meaning = described(each) or described(schema)
        yield f"`{each['name']}`", shapes.type_of(schema), default, meaning
    for body in _bodies(operation.says):
        for member in shapes.walk(shapes.resolve(body)):
            default = _default(member.schema, member.required)
            kind = shapes.type_of(member.schema)
            yield f"`{member.name}`", kind, default, described(member.schema)


def _bodies(says: Schema) -> Iterator[Schema]:
    for media in says.get("requestBody", {}).get("content", {}).values():
        yield media.get("schema", {})


def _taken(shapes: Shapes, operation: Operation) -> Iterator[Schema]:
    """The schemas of members that are taken. A body itself is listed with its operation."""
    for each in _of_place(operation.says, "path", "query"):
        yield each.get("schema", {})
    for body in _bodies(operation.says):
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
    found: Schema = operation.says["responses"].get("200", {}).get("content", {})
    return found


def _data(shapes: Shapes, operation: Operation) -> Schema | None:
    """The schema of ``data`` in the envelope; None where the answer is no envelope."""
    envelope = shapes.resolve(_success(operation).get(_JSON, {}).get("schema", {}))
    found: Schema | None = envelope.get("properties", {}).get("data")
    return found


def _answered(shapes: Shapes, operation: Operation) -> Iterator[Schema]:
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
    if all("$ref" in each and not shapes.is_shared(each) for each in choices):
        for each in choices:
            inner = shapes.resolve(each)
            meaning = described(inner)
            if meaning and meaning != operation.says["summary"].rstrip("."):
                yield f"{meaning}.\n"
            yield from shapes.members("answers", inner)
    else:
        yield f"Answers {' or '.join(map(shapes.type_of, choices))}.\n"
