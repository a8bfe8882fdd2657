"""Values that are converted without pydantic are the values that Typer makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fyke.cli.main import app
from fyke.cli.values import TYPER, usual_value

TEXTS = (
    *("", "0", "1", "-1", "+1", "007", " 7", "7 ", "1_000", "1e3", "1.0", "٣", "999", "1000"),
    *("1001", "9" * 18, "9" * 19, "failed", "FAILED", "waiting", "json", "true", "a b", "\ud800"),
)
VALUES = (*TEXTS, 7, 0, 5000, True, 1.5, None, (), ("a",), ("a", "b"), (1,), ["a"], [])


def _params(command: Any, path: str = "fyke") -> Iterator[tuple[str, Any, Any]]:
    context = typer.Context(command, info_name=path)
    for param in command.get_params(context):
        yield f"{path} {param.name}", context, param
    for name, child in getattr(command, "commands", {}).items():
        yield from _params(child, f"{path} {name}")


PARAMS = [*_params(typer.main.get_command(app))]


def _by_typer(context: Any, param: Any, value: object) -> Any:
    coerced = param.get_runtime_param().coerce(value, param=param, ctx=context)
    return [*coerced] if isinstance(coerced, tuple) else coerced


def test_every_usual_value_is_as_typer_converts_it() -> None:
    converted = set()
    for name, context, param in PARAMS:
        for value in VALUES:
            usual = usual_value(param, value)
            if usual is not TYPER:
                expected = _by_typer(context, param, value)
                assert (type(usual), usual) == (type(expected), expected), (name, value)
                converted.add(param.type_descriptor.annotation)
    assert {str, int, list[str]} <= converted
    assert len(converted) > 5  # and several choices


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["run", "list", "--size", "0"], "must be a whole number from 1 to 1000"),
        (["run", "list", "--size", "1001"], "must be a whole number from 1 to 1000"),
        (["run", "list", "--size", "many"], "must be a whole number from 1 to 1000"),
        (["run", "list", "--page", "x"], "must be a whole number of at least 1"),
        (["run", "start", "w", "--cpus", "x"], "must be a number of at least 0"),
        (["run", "start", "w", "--memory", "x"], "must be a whole number"),
        (["run", "start", "w", "--memory", "256"], "must be one of 512"),
        (["up", "--servers", "0"], "must be a whole number from 1 to 64"),
        (["up", "--servers", "text"], "must be a whole number from 1 to 64"),
        (["run", "list", "--status", "odd"], "'odd' is not one of"),
        (["run", "show"], "Missing argument 'RUN'"),
    ],
)
def test_errors_are_those_of_typer(words: list[str], error: str) -> None:
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 2
    output = " ".join(answer.output.split())
    assert error in output
    assert "Value error" not in output
