"""Checks a run's custom input against the schema of its version, before it is split.

All problems are collected, so that a caller can correct them at once; the first is the message.
What the original platform accepts is accepted here too: unknown keys, undeclared options, list
items of any shape, and numbers beyond the bounds. Nothing is changed, and defaults are not filled
in. Integers have every digit here; other numbers were decoded to floats.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fyke.domain.workers.input_schema import InputField, InputSchema, is_number, json_type
from fyke.domain.workers.parameters import parts
from fyke.errors import InvalidRequest

MAX_SMALL = 2_000  # values of an input; checking them takes about a millisecond

_ARTICLES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "array": "an array",
    "object": "an object",
}


def validate_input(schema: InputSchema, custom: dict[str, Any]) -> None:
    """Raise ``InvalidRequest`` with one detail for each problem.

    ``custom`` is the decoded ``input.parameters.custom`` as a whole.
    """
    if not isinstance(custom, dict):
        raise InvalidRequest(
            "run input must be a JSON object; send input.parameters.custom as {...}"
        )
    sentences = [problem.sentence for problem in problems(schema, custom)]
    if sentences:
        raise InvalidRequest(sentences[0], details=sentences)


@dataclass(frozen=True, slots=True)
class InputProblem:
    """A field of the input that breaks a rule. ``missing``: required, and without a value.
    ``label``: the name that a form shows.
    """

    name: str
    rule: str
    missing: bool = False
    label: str = ""

    @property
    def subject(self) -> str:
        """The subject of the sentence: the field by its name."""
        return f'{"required " if self.missing else ""}field "{self.name}"'

    @property
    def sentence(self) -> str:
        return f"{self.subject} {self.rule}"


def problems(schema: InputSchema, custom: dict[str, Any]) -> list[InputProblem]:
    """Return the problem of each field that breaks a rule, in the order of the schema."""
    checked = (_problem(field, custom.get(field.name)) for field in schema.fields)
    return [problem for problem in checked if problem]


def saved_problems(schema: InputSchema, input_json: str) -> list[InputProblem]:
    """``problems`` of the saved input of a task. Raise ``InvalidRequest`` if it has no custom input
    at all.
    """
    _, custom = parts(json.loads(input_json))
    return problems(schema, custom)


def is_large(value: object) -> bool:
    """Whether a decoded input has so many values that the event loop should not check them."""
    pending, count = [value], 0
    while pending and count <= MAX_SMALL:
        current = pending.pop()
        if isinstance(current, dict | list):
            pending.extend(current.values() if isinstance(current, dict) else current)
            count += len(current)
    return count > MAX_SMALL


def matches(type: str, value: object) -> bool:
    """Whether a decoded value has the schema type; an unknown type accepts any value."""
    if type == "integer":
        integral = isinstance(value, float) and value.is_integer()
        return integral or (isinstance(value, int) and not isinstance(value, bool))
    if type == "number":
        return is_number(value)
    return type not in _ARTICLES or json_type(value) == type


def _problem(field: InputField, value: object) -> InputProblem | None:
    label = field.title or field.name
    if field.required and (value is None or value in ("", [], {})):
        rule = f"is missing or empty; give input.parameters.custom.{field.name} a value"
        return InputProblem(field.name, rule, missing=True, label=label)
    if value is None or matches(field.type, value):
        return None
    rule = f"must be {_ARTICLES[field.type]}, not {_ARTICLES[json_type(value)]}"
    return InputProblem(field.name, rule, label=label)
