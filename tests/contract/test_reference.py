"""Every path, parameter, field and type of the platform's published descriptions is served here.

The facts are in ``reference/``: names and types as they were published. For each intended
difference ``departures.toml`` has an entry with the reason; an unneeded entry fails the test.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.app import make_templates, open_app

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent / "reference"
VERSIONS = ("v1", "v2")
# An integer is also a number; a field without a type can have any of these.
WIDER = {"integer": {"number"}}

Object = dict[str, Any]


def facts(version: str) -> list[Object]:
    return tomllib.loads((FOLDER / f"{version}.toml").read_text(encoding="utf-8"))["operation"]


def departures() -> dict[tuple[str, str], str]:
    rows = tomllib.loads((FOLDER / "departures.toml").read_text(encoding="utf-8"))["departure"]
    assert all(row["why"] for row in rows)
    return {
        (where, fact): row["why"] for row in rows for where in row["where"] for fact in row["what"]
    }


@pytest.fixture
async def document(tmp_path: Path) -> Object:
    templates, home = tmp_path / "templates", tmp_path / "home"
    templates.mkdir()
    home.mkdir()
    async with open_app(home, make_templates(templates)) as app:
        served: Object = app.asgi().openapi()
    return served


class Served:
    """One operation of the served document, in the notation of the facts."""

    def __init__(self, document: Object, request: str) -> None:
        method, path = request.split()
        self._schemas = document["components"]["schemas"]
        self.operation: Object = document["paths"].get(path, {}).get(method.lower(), {})

    def parameter(self, name: str, place: str) -> Object | None:
        return next(
            (
                parameter
                for parameter in self.operation.get("parameters", ())
                if (parameter["name"], parameter["in"]) == (name, place)
            ),
            None,
        )

    @property
    def body(self) -> Object:
        content = self.operation.get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("schema", {})

    @property
    def answer(self) -> Object:
        content = self.operation["responses"]["200"]["content"]
        schema: Object = content["application/json"]["schema"]
        return schema

    def codes(self, status: str) -> set[str]:
        answer = self.operation["responses"].get(status, {})
        examples = answer.get("content", {}).get("application/json", {}).get("examples", {})
        return {str(example["value"]["code"]) for example in examples.values()}

    def choices(self, schema: Object) -> Iterator[Object]:
        """The alternatives of ``schema``, with references resolved."""
        if "$ref" in schema:
            yield from self.choices(self._schemas[schema["$ref"].rpartition("/")[2]])
        elif "anyOf" in schema:
            for choice in schema["anyOf"]:
                yield from self.choices(choice)
        else:
            yield schema

    def types(self, schema: Object) -> set[str]:
        names: set[str] = set()
        for choice in self.choices(schema):
            kind = choice.get("type")
            if kind is None and "const" in choice:
                kind = {int: "integer", str: "string"}[type(choice["const"])]
            names |= {"any"} if kind is None else {kind} if isinstance(kind, str) else {*kind}
        return names

    def at(self, schema: Object, path: str) -> tuple[Object | None, bool]:
        """The schema of a field, or None; and whether it is required."""
        needed = True
        for step in path.replace("[]", ".[]").split("."):
            for choice in self.choices(schema):
                if step == "[]" and "items" in choice:
                    schema, needed = choice["items"], needed
                    break
                if step in choice.get("properties", {}):
                    schema = choice["properties"][step]
                    needed = needed and step in choice.get("required", ())
                    break
                if "properties" not in choice and choice.get("additionalProperties") is True:
                    return {}, False  # an object with arbitrary fields
                if choice.get("additionalProperties") is True:
                    return {}, False
            else:
                return None, False
        return schema, needed


def accepts_type(served: set[str], published: str) -> bool:
    """Return whether the server accepts all published types."""
    return "any" in served or all(
        served & ({kind} | WIDER.get(kind, set())) for kind in published.split("|")
    )


def returns_type(served: set[str], published: str) -> bool:
    """Return whether the server returns only published types."""
    allowed = {*published.split("|")}
    if "number" in allowed:
        allowed.add("integer")
    return bool(served & {"any"}) or "any" in allowed or served <= allowed


def differences(served: Served, fact: Object) -> Iterator[str]:
    """Return the differences between the published and the served document."""
    if not served.operation:
        yield "no such operation"
        return
    if "id" in fact and served.operation["operationId"] != fact["id"]:
        yield "operation id"
    if fact["key"] == ({} in served.operation["security"] or not served.operation["security"]):
        yield "key"
    for part in (parameters, bodies, answers, errors):
        yield from part(served, fact)


def parameters(served: Served, fact: Object) -> Iterator[str]:
    for line in fact.get("parameters", ()):
        name, place, kind, *required = line.split()
        parameter = served.parameter(name, place)
        if parameter is None or not accepts_type(served.types(parameter["schema"]), kind):
            yield f"{place} {name}"
        elif parameter["required"] and not required:
            yield f"{place} {name} is required"


def bodies(served: Served, fact: Object) -> Iterator[str]:
    for line in fact.get("body", ()):
        path, kind, *required = line.split()
        schema, needed = served.at(served.body, path)
        if schema is None or not accepts_type(served.types(schema), kind):
            yield f"body {path}"
        elif needed and not required:
            yield f"body {path} is required"


def answers(served: Served, fact: Object) -> Iterator[str]:
    for line in fact.get("answer", ()):
        path, kind = line.split()
        schema, _ = served.at(served.answer, path)
        if schema is None or not returns_type(served.types(schema), kind):
            yield f"answer {path}"


def errors(served: Served, fact: Object) -> Iterator[str]:
    for line in fact.get("errors", ()):
        status, *codes = line.split()
        for code in codes:
            if code not in served.codes(status):
                yield f"error {status} {code}"


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_published_facts_are_served(document: Object, version: str) -> None:
    excused = departures()
    unexplained = [
        f"{fact['request']}: {difference}"
        for fact in facts(version)
        for difference in differences(Served(document, fact["request"]), fact)
        if not {(fact["request"], difference), ("*", difference)} & excused.keys()
    ]
    assert not unexplained, "\n".join(unexplained)


async def test_every_departure_still_differs(document: Object) -> None:
    current: set[tuple[str, str]] = set()
    for version in VERSIONS:
        for fact in facts(version):
            for difference in differences(Served(document, fact["request"]), fact):
                current |= {(fact["request"], difference), ("*", difference)}
    assert departures().keys() <= current


def test_the_facts_cover_all_operations() -> None:
    assert [len(facts(version)) for version in VERSIONS] == [13, 39]
