"""JSON Schemas of an OpenAPI document as text and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markdown import paragraphs, table

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/"
_NO_LIMIT = 10**12  # a larger limit is technical and is not shown
_GENERAL_LENGTH = 100_000  # characters; the limit of every text, on the page of common rules


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object; ``name`` is its path, for example ``list[].slug``."""

    name: str
    schema: Schema
    required: bool


class Shapes:
    """The component schemas of a document. Those with several uses have a separate section."""

    def __init__(self, components: Schema) -> None:
        self._schemas: Schema = components.get("schemas", {})
        self._uses: Counter[str] = Counter()

    def count(self, schema: Schema) -> None:
        """Count the uses of shapes in ``schema``, directly and indirectly."""
        for name in _references(schema):
            self._uses[name] += 1
            if self._uses[name] == 1:
                self.count(self._schemas[name])

    def resolve(self, schema: Schema) -> Schema:
        """The schema that a reference refers to."""
        name = _name(schema)
        return self._schemas[name] if name else schema

    def is_shared(self, schema: Schema) -> bool:
        """Whether the shape has several uses, and so a section."""
        return self._uses[_name(schema)] > 1

    def sections(self) -> Iterator[str]:
        """Yield the lines of the shared shapes."""
        for name in sorted(name for name, uses in self._uses.items() if uses > 1):
            schema = self._schemas[name]
            if "enum" in schema:  # listed where it is used
                continue
            yield f"### {title(name)}\n"
            yield from (f"{paragraph}\n" for paragraph in paragraphs(schema.get("description", "")))
            yield from self.members("member", schema)

    def members(self, head: str, schema: Schema) -> Iterator[str]:
        """Yield the table of the members of an object and of the objects in it."""
        rows = (
            (f"`{item.name}`", self.type_of(item.schema), _meaning(item))
            for item in self.walk(schema)
        )
        yield from table((head, "type", "meaning"), rows)

    def walk(self, schema: Schema, prefix: str = "") -> Iterator[Member]:
        """Yield the members of an object, each followed by the members of its objects, except of
        those with a section.
        """
        required = schema.get("required", ())
        for name, member in schema.get("properties", {}).items():
            yield Member(prefix + name, member, name in required)
            inner, suffix = self._inside(member)
            if inner is not None:
                yield from self.walk(inner, f"{prefix}{name}{suffix}.")

    def _inside(self, member: Schema) -> tuple[Schema | None, str]:
        """The object in a member, without a section; None without one."""
        suffix = ""
        while member.get("type") == "array" and "items" in member:
            member, suffix = member["items"], suffix + "[]"
        choices = [choice for choice in _choices(member) if choice.get("type") != "null"]
        if len(choices) != 1 or self.is_shared(choices[0]):
            return None, ""
        inner = self.resolve(choices[0])
        return (inner, suffix) if "properties" in inner else (None, "")

    def type_of(self, schema: Schema) -> str:
        """The type and its limits as text."""
        name = _name(schema)
        if name and "enum" in self._schemas[name]:
            return self.type_of(self._schemas[name])
        if name:
            return (
                f"[{title(name)}](#{title(name).lower()})" if self.is_shared(schema) else "object"
            )
        if "const" in schema:
            return f"`{schema['const']}`"
        if "enum" in schema:
            return ", ".join(f"`{item}`" if item != "" else "empty" for item in schema["enum"])
        choices = [
            choice for choice in _choices(schema) if choice.get("maxLength") != 0
        ]  # or empty
        if len(choices) != 1:
            return " or ".join(dict.fromkeys(map(self.type_of, choices)))
        return self._plain({"type": schema.get("type", "any"), **choices[0]})

    def _plain(self, schema: Schema) -> str:
        kind = schema.get("type", "any")
        if isinstance(kind, list):
            return " or ".join(self._plain({**schema, "type": item}) for item in kind)
        if kind == "array":
            return f"array of {self.type_of(schema.get('items', {}))}"
        values_schema = schema.get("additionalProperties")
        if kind == "object" and isinstance(values_schema, dict):
            return f"map of {self.type_of(values_schema)}"
        return kind + _limits(schema)


def described(schema: Schema) -> str:
    """The description in one line, without a full stop."""
    return " ".join(schema.get("description", "").split()).rstrip(".")


def title(name: str) -> str:
    """The name of a component without its module."""
    return name.split("__")[-1] if not name.rpartition("__")[2].isdigit() else name.split("__")[-2]


def _meaning(member: Member) -> str:
    meaning = described(member.schema)
    return meaning if member.required else "; ".join(filter(None, (meaning, "may be absent")))


def _choices(schema: Schema) -> list[Schema]:
    return schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or [schema]


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).removeprefix(REFERENCE)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield _name(schema)
        for key, item in schema.items():
            if key not in ("example", "examples", "default"):
                yield from _references(item)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)


def _limits(schema: Schema) -> str:
    lowest, highest = (
        limit if limit is not None and abs(limit) < _NO_LIMIT else None
        for limit in (schema.get("minimum"), schema.get("maximum"))
    )
    if lowest is not None and highest is not None:
        return f", {lowest:,} to {highest:,}"
    if lowest:
        return f", at least {lowest:,}"
    if highest is not None:
        return f", at most {highest:,}"
    length = schema.get("maxLength", _GENERAL_LENGTH)
    return f", at most {length:,} characters" if length < _GENERAL_LENGTH else ""
