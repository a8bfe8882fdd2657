"""JSON Schema of the shapes on the wire, by msgspec, with the names of an OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from fyke.api.members import marks_of
from fyke.wire.fields import Answer, Described, Request

Schema = dict[str, Any]

_PREFIX = "#/components/schemas/"
_LISTING = re.compile(r"Items_(\w+)_")
_TYPES = {int: "integer", str: "string", bool: "boolean"}


def schemas_of(shapes: Iterable[Any]) -> Schema:
    """The components that describe the answers ``shapes``, by name."""
    _, components = msgspec.json.schema_components(list(shapes), ref_template=_PREFIX + "{name}")
    return {_name(name): _plain(schema) for name, schema in components.items()}


def reference(shape: Any) -> Schema:
    """How a schema refers to ``shape``, which is among the components."""
    schemas, _ = msgspec.json.schema_components([shape], ref_template=_PREFIX + "{name}")
    found: Schema = _plain(schemas[0])
    return found


def member_schemas(shape: type[Request], components: Schema) -> tuple[dict[str, Schema], list[str]]:
    """The members of a request by name, and the names of those that are required.

    Shapes inside of it are added to ``components``.
    """
    hints = get_type_hints(shape, include_extras=True)
    found = {}
    required = []
    for each in msgspec.structs.fields(shape):
        schema = type_schema(hints[each.name], components)
        if each.required:
            required.append(each.encode_name)
        elif each.default not in (None, "", UNSET, msgspec.NODEFAULT, ()):
            schema["default"] = msgspec.to_builtins(each.default)
        found[each.encode_name] = schema
    return found, required


def type_schema(annotation: Any, components: Schema) -> Schema:
    """The schema of a member or parameter; a shape inside is added to ``components``."""
    if get_origin(annotation) is not Annotated:
        choices = [each for each in get_args(annotation) if each not in (UnsetType, type(None))]
        if len(choices) == 1:
            return type_schema(choices[0], components)
    marks = marks_of(annotation)
    stated = next((mark.type for mark in marks if isinstance(mark, Described)), None)
    if stated is not None:
        texts = [Meta(description=m.description) for m in marks if _describes(m)]
        annotation = Annotated[(stated, *texts)] if texts else stated
    schemas, inside = msgspec.json.schema_components([annotation], ref_template=_PREFIX + "{name}")
    components |= {_name(name): _plain(schema) for name, schema in inside.items()}
    found: Schema = _plain(schemas[0])
    return found


def object_schema(properties: dict[str, Schema], required: Sequence[str], text: str) -> Schema:
    """The schema of a JSON object."""
    schema: Schema = {"type": "object", "properties": properties}
    if text:
        schema = {"description": text, **schema}
    return schema | ({"required": list(required)} if required else {})


def own_text(shape: type) -> str:
    """The docstring of a shape, but not one that it inherits."""
    inherited = {Request.__doc__, Answer.__doc__}
    text = shape.__doc__ or ""
    return "" if text in inherited or text.startswith(f"{shape.__name__}(") else text


def _describes(mark: Any) -> bool:
    return isinstance(mark, Meta) and mark.description is not None


def _name(name: str) -> str:
    """``Items_RunEvent_`` is ``RunEventList``."""
    return _LISTING.sub(r"\1List", name)


def _plain(node: Any) -> Any:
    """Without titles, with a type beside each ``enum``, and with the names of lists."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {
        key: _name(value) if key == "$ref" else _plain(value)
        for key, value in node.items()
        if key != "title" or not isinstance(value, str)
    }
    kinds = {type(each) for each in found.get("enum", ())}
    if "type" not in found and len(kinds) == 1 and (kind := _TYPES.get(kinds.pop())):
        found = {"type": kind, **found}
    if found.get("type") == "object" and not found.keys() & {"properties", "additionalProperties"}:
        found["additionalProperties"] = True
    if found.get("type") == "array" and not found.keys() & {"items", "prefixItems"}:
        found["items"] = {}  # of any type; generators of clients ask for it
    return found
