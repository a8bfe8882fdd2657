"""Writes ``docs/reference/cli.md`` from the commands themselves: ``python -m fyke.cli.reference``.

A test compares the page with what this writes, so the page cannot fall behind.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer.main

from fyke.cli.main import app

COMMON = ("url", "key", "home", "as_json")
HEAD = """\
# Commands

Written by `python -m fyke.cli.reference` from the commands themselves.

Every command explains itself with `--help`. What it is asked for goes to standard output, talk
goes to standard error. On a terminal people get a table, in a pipe the same as plain text, with
`--json` programs get JSON: an object, an array for a list, and for a page what the API answers
(`count`, `list`, `page_index`, `page_size`). `NO_COLOR` is honoured.

## Which server

Commands that speak to a server take:

| option | what |
| --- | --- |
| `--url URL` | the server, when it is elsewhere; else `FYKE_URL` |
| `--key KEY` | your API key; else `FYKE_KEY` |
| `--home DIR` | the data folder; else `FYKE_HOME`, else `~/.fyke` (`/var/lib/fyke` for root) |
| `--json` | JSON for programs |

On the machine of the installation nothing of it is needed: `server.json` in the data folder says
where the server listens, and `owner.key` beside it is the credential of whoever may read it. That
key is never sent to another address than the one in the same folder.

## Exit status

| status | what |
| --- | --- |
| 0 | all is well |
| 1 | the run failed, or any other error |
| 2 | wrong usage, or an input that breaks a rule |
| 3 | not found |
| 4 | not allowed: no key, a wrong one, or not yours to do |
| 5 | a conflict, or a limit: the name is taken, no balance left, too many requests |
| 6 | the server cannot be reached |
| 124 | the time to wait is over |
| 130 | interrupted |
"""


def reference() -> str:
    """The whole page."""
    root = typer.main.get_command(app)
    return "\n".join([HEAD, *_commands(root, "fyke")])


def commands() -> list[str]:
    """Every command that people see, such as ``fyke run start``."""
    return [path for path, _ in _walk(typer.main.get_command(app), "fyke")]


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        if not child.hidden:
            yield from _walk(child, f"{path} {name}")


def _commands(root: Any, path: str) -> Iterator[str]:
    for full, command in _walk(root, path):
        yield f"## {full}\n"
        yield from _one(full, command)


def _one(path: str, command: Any) -> Iterator[str]:
    text, _, examples = inspect.cleandoc(command.help or "").partition("Examples:")
    yield text.replace("\b", "").strip() + "\n"
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    speaks = {"url", "key"} <= {p.name for p in options}
    own = [p for p in options if not (speaks and p.name in COMMON)]
    needed = [_names(p) for p in own if p.required]
    words = [path, *(a.metavar or a.name.upper() for a in arguments), *needed]
    yield "`" + " ".join([*words, "[OPTIONS]"]) + "`\n"
    lines = examples.strip().splitlines()
    shown = lines if len(lines) > 1 else examples.strip().split("; ")
    yield "\n".join(["```sh", *(line.strip() for line in shown), "```\n"])
    if own:
        yield "| option | what |\n| --- | --- |"
        for option in own:
            yield f"| `{_names(option)}` | {_help(option)} |"
        yield ""
    if speaks:
        yield "And the options of [which server](#which-server).\n"


def _names(option: Any) -> str:
    names = ", ".join(option.opts)
    if option.secondary_opts:
        return f"{names} / {', '.join(option.secondary_opts)}"
    if option.is_flag:
        return names
    metavar = option.metavar or "VALUE"
    return f"{names} {metavar}".replace("|", "\\|")


def _help(option: Any) -> str:
    default = option.default
    shown = "" if default in (None, "", False) or callable(default) else f" Default: {default}."
    return ((option.help or "") + shown).strip().replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
