"""The whole command line: help, examples, JSON and usage errors."""

from __future__ import annotations

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from fyke.cli.main import app
from support.commands import names_of_commands

COMMANDS = list(names_of_commands())


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_examples_and_a_json_option(path: str) -> None:
    words = path.split()[1:]
    answer = CliRunner().invoke(app, [*words, "--help"])
    assert answer.exit_code == 0
    assert f"fyke {' '.join(words)}" in answer.output.partition("Examples:")[2]
    if path not in ("fyke serve", "fyke help", "fyke mcp serve"):
        assert "--json" in answer.output


def test_commands_for_scripts_exist() -> None:
    assert {
        "fyke up",
        "fyke doctor",
        "fyke key create",
        "fyke worker new",
        "fyke worker push",
        "fyke worker run",
        "fyke task create",
        "fyke account credit",
        "fyke run start",
        "fyke run export",
        "fyke backup create",
        "fyke restore",
        "fyke prune",
        "fyke config show",
    } <= set(COMMANDS)
    assert not any("local-work" in path for path in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "start"],
        ["run", "list", "--status", "odd"],
        ["run", "list", "--reason", "timeout", "--size", "201"],
        ["run", "results", "x", "--size", "0"],
        ["nonsense"],
        ["key", "create"],
    ],
)
def test_invalid_usage_is_exit_status_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_the_root_help_lists_the_exit_codes() -> None:
    text = get_command(app).help or ""
    for code in ("124", "130", "6 the server"):
        assert code in text
