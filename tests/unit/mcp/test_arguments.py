"""Arguments of tools: what models send, and the sentences that they get."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.mcp.arguments import read_arguments
from fyke.mcp.server import all_tools
from fyke.mcp.tool import McpTool, ToolAnswer, ToolRefused


async def answer(*_: Any) -> ToolAnswer:
    return ToolAnswer(())


TOOL = McpTool(
    "fetch",
    "",
    {
        "run": {"type": "string"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        "price": {"type": "number", "minimum": 0},
        "wait": {"type": "boolean"},
        "format": {"type": "string", "enum": ["csv", "json"]},
        "input": {"type": "object"},
        "fields": {"type": "array"},
        "items": {"type": "string"},
        "short": {"type": "string", "maxLength": 4},
        "memory": {"type": "integer", "enum": [512, 1024]},
    },
    answer,
    required=("run",),
    text_of_json=frozenset({"items"}),
)


@pytest.mark.parametrize(
    ("name", "sent", "value"),
    [
        ("limit", "7", 7),
        ("limit", 7.0, 7),
        ("limit", "", 20),
        ("limit", None, 20),
        ("price", "1.5", 1.5),
        ("wait", "TRUE", True),
        ("format", "CSV", "csv"),
        ("input", '{"a": 1}', {"a": 1}),
        ("input", {"a": 1}, {"a": 1}),
        ("fields", "a, b", ["a", "b"]),
        ("fields", '["a"]', ["a"]),
        ("items", "[1]", [1]),
        ("items", [1], [1]),
    ],
)
def test_values_are_read_in_the_forms_that_models_send(
    name: str, sent: object, value: object
) -> None:
    read = read_arguments(TOOL, {"run": "r", name: sent})
    assert read == {"run": "r", "limit": 20} | {name: value}


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({}, "run is required"),
        ({"run": ""}, "run is required"),
        ({"run": 7}, "run must be text"),
        ({"run": "r", "limit": 0}, "limit must be 1 to 100"),
        ({"run": "r", "limit": 1.5}, "limit must be a whole number"),
        ({"run": "r", "limit": True}, "limit must be a number"),
        ({"run": "r", "price": -1}, "price must be 0 or more"),
        ({"run": "r", "price": "nan"}, "price must be a number"),
        ({"run": "r", "price": "inf"}, "price must be a number"),
        ({"run": "r", "wait": "maybe"}, "wait must be true or false"),
        ({"run": "r", "format": "pdf"}, "format must be one of csv, json"),
        ({"run": "r", "input": "[]"}, "input must be a JSON object"),
        ({"run": "r", "fields": [1]}, "fields must be a list of texts"),
        ({"run": "r", "items": "{"}, "items must be JSON"),
        ({"run": "r", "short": "12345"}, "short must be at most 4 characters"),
        ({"run": "r", "limits": 1}, "limits is not an argument (do you mean limit?)"),
    ],
)
def test_a_wrong_argument_is_named(sent: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ToolRefused) as refused:
        read_arguments(TOOL, sent)
    assert sentence in str(refused.value)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ToolRefused, match=r"^fetch: odd is not .*; run is .*; limit must be"):
        read_arguments(TOOL, {"odd": 1, "limit": 0})


def test_names_that_are_not_arguments_cost_little() -> None:
    sent = {f"limit{number}": 1 for number in range(5000)} | {"run": "r"}
    with pytest.raises(ToolRefused) as refused:
        read_arguments(TOOL, sent)
    assert str(refused.value).count("is not an argument") == 5
    assert "4995 more names are not arguments" in str(refused.value)
    with pytest.raises(ToolRefused) as refused:
        read_arguments(TOOL, {"run": "r", "limit" * 1000: 1})
    assert len(str(refused.value)) < 100


def test_no_tool_requires_an_argument_twice() -> None:
    twice = [tool.name for tool in all_tools() if len(set(tool.required)) < len(tool.required)]
    assert twice == []


def test_numbers_that_are_no_choice_are_refused_with_the_choices() -> None:
    assert read_arguments(TOOL, {"run": "r", "memory": "512"})["memory"] == 512
    with pytest.raises(ToolRefused, match="memory must be one of 512, 1024"):
        read_arguments(TOOL, {"run": "r", "memory": 3})
