"""Commands and options in the pages exist."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from fyke.cli.main import app

ROOT = Path(__file__).parents[3]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^ *```(?:sh|text)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(fyke [^`\n]+)`")
LINE = re.compile(r"^ *(?:\$ )?(?:[A-Z_]+=\S+ )*(?:script/)?(fyke [a-z].*)$", re.MULTILINE)
ENDS = {"|", ">", "&&", "&", "<", ";"}


def commands_in(text: str) -> list[str]:
    """Every ``fyke`` command of a page, in code blocks and in text."""
    blocks = [found for block in FENCE.findall(text) for found in LINE.findall(block)]
    rest = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return blocks + SPAN.findall(rest)


def words_of(command: str) -> list[str]:
    words = shlex.split(command, comments=True)[1:]
    end = next((at for at, word in enumerate(words) if word in ENDS), len(words))
    return words[:end]


@cache
def program() -> Any:
    return get_command(app)


def problem(command: str) -> str:
    """The error of a command; ``""`` without one."""
    at = program()
    words = words_of(command)
    while words and hasattr(at, "commands"):
        if words[0].startswith("-"):
            break
        name = words.pop(0)
        if name not in at.commands:
            return f"{command}: there is no command {name}"
        at = at.commands[name]
    known = {option for param in at.params for option in (*param.opts, *param.secondary_opts)}
    known |= {"--help"}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    unknown = given - known
    return f"{command}: no option {', '.join(sorted(unknown))}" if unknown else ""


def test_unknown_commands_and_options_are_detected() -> None:
    assert not problem("fyke run start owner/hello --wait")
    assert "no command" in problem("fyke run begin")
    assert "no option" in problem("fyke run start owner/hello --for-ever")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_shown_command_exists(page: Path) -> None:
    shown = commands_in(page.read_text(encoding="utf-8"))
    assert [found for found in map(problem, shown) if found] == []
