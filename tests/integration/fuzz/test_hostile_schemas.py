"""Schemas written to attack parsers."""

from __future__ import annotations

import json
import socket
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from fyke.domain.forms.describe import describe
from fyke.domain.forms.normalise import NormalisedInput, start_value, to_pairs
from fyke.domain.workers import input_findings, input_schema, output_schema
from fyke.domain.workers.input_values import problems
from fyke.errors import InvalidRequest
from support.hangs import no_hang

WORSE = "(a|aa)+$"
PATTERNS = (
    "(a+)+$", "(a*)*b", WORSE, "(.*)*x", "([a-z]+)*[0-9]", "(?=(a+))\\1+b", "(" * 400, "[" * 999,
    "(?P<n>a)(?P=n)*" * 60, "a{1,65535}{1,65535}", "\\", "(?#" + "x" * 400,
)  # fmt: skip
REFERENCES = (
    "http://127.0.0.1:9/schema", "https://169.254.169.254/latest", "file:///etc/passwd", "#", "#/",
    "#/properties/0", "../../etc/passwd", "\\\\host\\share", "ftp://127.0.0.1/", "data:,{}",
)  # fmt: skip


def one(**field: Any) -> Any:
    return {"properties": [{"name": "a", "type": "string", "editor": "input", **field}]}


def loop(levels: int, members: int) -> Any:
    """An object nested to this depth, with so many members on each level."""
    value: Any = {"name": "x"}
    for _ in range(levels):
        value = {f"k{n}": value if n == 0 else n for n in range(members)}
    return value


def hostile() -> dict[str, str]:
    """More than sixty schemas, by name."""
    schemas: dict[str, Any] = {}
    for number, pattern in enumerate(PATTERNS):
        limits = [{"field": "a", "max": 1, "regex": pattern}]
        schemas[f"pattern {number}"] = one(pattern=pattern, default="a" * 5000) | {
            "concurrency": {"fields": ["a"], "limits": limits}
        }
    for number, place in enumerate(REFERENCES):
        schemas[f"reference {number}"] = {"$ref": place, "$schema": place, "$id": place} | one(
            **{"$ref": place, "$dynamicRef": place, "allOf": [{"$ref": place}]}
        )
    for levels, wide in ((25, 1), (25, 700), (28, 2), (33, 1), (200, 1)):
        schemas[f"deep {levels} {wide}"] = one(default=loop(levels, wide))
    options = [{"label": f"l{n}", "value": n} for n in range(6000)]
    many = {"properties": [{"name": f"n{n}", "type": "string"} for n in range(6000)]}
    schemas |= {
        "giant enum": one(enum=list(range(19_000))),
        "giant options": one(editor="select", options=options, default=5999),
        "equal options": one(editor="select", options=[{"label": "x", "value": 1}] * 6000),
        "boxes": one(type="array", editor="checkbox", options=options, default=[*range(9000)]),
        "many fields": many,
        "many fields to split": many | {"concurrency": {"fields": [f"n{n}" for n in range(6000)]}},
        "no names": {"properties": [{}] * 9000},
        "nothing but nulls": {"properties": [None] * 19_000},
        "long name": one(name="n" * 400_000),
        "long title": one(title="\u202e" * 130_000),
        "long default": one(default="x" * 450_000),
        "names of objects": one(name="__proto__", constructor={"prototype": {"a": 1}}),
        "name with nul": one(name="a\0b"),
        "recursion by name": {"properties": [{"name": "properties", "properties": "properties"}]},
        "params": one(type="array", editor="requestListSource",
                      param_list=[{"param": f"p{n}"} for n in range(5000)], default=[{}] * 5000),
        "sections": {"properties": [{"name": f"s{n}", "section": f"{n}"} for n in range(6000)]},
        "dates": one(editor="datepicker", default="9" * 9000, format="%" * 9000),
        "repeated date parts": one(editor="datepicker", default="1" * 99 + "x",
                                   format="MDHms" * 20, valueFormat="YYYY-MM-DD"),
        "bounds": one(type="number", editor="number", minimum=10**4000, maximum=-(10**4000)),
        "wrong types": {"properties": {"a": {"$ref": "#"}}, "concurrency": 5, "b": [], "x": {}},
        "legacy": one() | {"b": "b" * 100_000},
    }  # fmt: skip
    texts = {name: json.dumps(document) for name, document in schemas.items()}
    return texts | {
        "brackets": "[" * 499_999,
        "braces": '{"a":' * 99_999,
        "closed brackets": "[" * 249_000 + "]" * 249_000,
        "number without end": '{"properties":[{"name":"a","default":' + "9" * 499_000 + "}]}",
        "exponent": '{"properties":[{"name":"a","default":1e' + "9" * 4000 + "}]}",
        "floats": '{"properties":[' + "0.1e-9," * 19_000 + "1]}",
        "many keys": "{" + ",".join(f'"{n}":1' for n in range(19_000)) + "}",
        "equal keys": "{" + '"properties":[],' * 19_000 + '"properties":[]}',
        "escapes": '{"properties":[{"name":"' + "\\u0041" * 80_000 + '"}]}',
        "half pairs": '{"properties":[{"name":"' + "\\ud800" * 80_000 + '"}]}',
        "lines": '{"properties":[' + "\n" * 490_000 + "]}",
        "spaces": " " * 499_998 + "{}",
        "too large": '{"properties":[]}' + " " * 500_000,
        "comment": "/*" * 100_000,
        "entities": '<!DOCTYPE x [<!ENTITY a "a">]>' * 1000,
        "yaml": "a: &a [*a,*a]\n" * 1000,
    }


HOSTILE = hostile()


def read(text: str) -> bool:
    """Process a schema as the platform does; return whether it can be used."""
    findings = input_findings.check(text)
    form = describe.__wrapped__(text)
    to_pairs(form, NormalisedInput({}, start_value(form)))
    output_schema.check(text)
    try:
        schema = input_schema.parse(text)
    except InvalidRequest:
        assert any(finding.severity == "error" for finding in findings)
        return False
    problems(schema, {"a": "a" * 5000, "u": 5})
    return True


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    tried: list[Any] = []
    refuse: Callable[..., None] = lambda *arguments, **_: tried.append(arguments)  # noqa: E731
    for name in ("create_connection", "getaddrinfo", "socket"):
        monkeypatch.setattr(socket, name, refuse)
    return tried


def test_there_are_enough_schemas() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_answered_in_time(name: str, no_network: list[Any]) -> None:
    """References are never resolved."""
    with no_hang():
        read(HOSTILE[name])
    assert no_network == []


@pytest.mark.long
def test_hostile_schemas_use_little_memory() -> None:
    tracemalloc.start()
    for text in HOSTILE.values():
        read(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20
