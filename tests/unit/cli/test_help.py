"""``fyke help`` prints what ``--help`` prints."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from fyke.cli.lazy import _load
from fyke.cli.main import app


@pytest.fixture(autouse=True)
def _new_commands() -> None:
    # a command keeps the help option of its first call, and some tests call commands alone
    _load.cache_clear()


def _call(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments, prog_name="fyke")


@pytest.mark.parametrize(
    "words", [[], ["run"], ["run", "start"], ["config"], ["help"], ["task", "schedule"]]
)
def test_the_help_of_a_command_is_that_of_its_option(words: list[str]) -> None:
    by_command, by_option = _call("help", *words), _call(*words, "-h")
    assert (by_command.exit_code, by_command.output) == (0, by_option.output)
    assert by_command.output.startswith(f"Usage: {' '.join(['fyke', *words])} ")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["runn"], "No such command 'runn'. Did you mean 'run'"),
        (["run", "lst"], "No such command 'lst'. Did you mean 'list'?"),
    ],
)
def test_an_unknown_command_is_an_error_with_the_nearest_name(words: list[str], error: str) -> None:
    answer = _call("help", *words)
    assert (answer.exit_code, error in answer.output) == (2, True), answer.output


@pytest.mark.parametrize("words", [["run", "help"], ["task", "help", "start"]])
def test_help_after_a_group_is_an_error_with_a_hint(words: list[str]) -> None:
    answer = _call(*words)
    hint = f"Use 'fyke {words[0]} --help' or 'fyke help {words[0]}'."
    assert (answer.exit_code, hint in answer.output) == (2, True), answer.output


def test_a_word_after_a_command_is_an_error() -> None:
    answer = _call("help", "run", "list", "all")
    assert answer.exit_code == 1
    assert str(answer.exception).endswith('use "fyke help run list"')
