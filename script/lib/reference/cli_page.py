"""The commands, generated from Typer."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer.main
from markdown import table

from fyke.cli.main import app

_COMMON = ("url", "key", "home", "as_json")  # of every command that connects to a server


def text() -> str:
    """The generated part of the page."""
    return "\n".join(line for path, command in _walk() for line in _command(path, command))


def commands() -> list[str]:
    """Every command that is not hidden, for example ``fyke run start``."""
    return [path for path, _ in _walk()]


def _walk(command: Any = None, path: str = "fyke") -> Iterator[tuple[str, Any]]:
    command = command or typer.main.get_command(app)
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        if not child.hidden:
            yield from _walk(child, f"{path} {name}")


def _command(path: str, command: Any) -> Iterator[str]:
    yield f"## {path}\n"
    description, _, examples = inspect.cleandoc(command.help or "").partition("Examples:")
    yield description.replace("\b", "").strip() + "\n"
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [
        param for param in command.params if param.param_type_name == "option" and not param.hidden
    ]
    is_client = {"url", "key"} <= {option.name for option in options}
    specific = [option for option in options if not (is_client and option.name in _COMMON)]
    required = [_names(item) for item in specific if item.required]
    usage = [
        path,
        *(argument.metavar or argument.name.upper() for argument in arguments),
        *required,
    ]
    yield f"`{' '.join([*usage, '[OPTIONS]'])}`\n"
    lines = examples.strip().splitlines()
    shown = lines if len(lines) > 1 else examples.strip().split("; ")
    yield "\n".join(["```sh", *(line.strip() for line in shown), "```\n"])
    yield from table(
        ("option", "meaning"), ((f"`{_names(item)}`", _help(item)) for item in specific)
    )
    if is_client:
        yield "And the options of [which server](#which-server).\n"


def _names(option: Any) -> str:
    names = ", ".join(option.opts)
    if option.secondary_opts:
        return f"{names} / {', '.join(option.secondary_opts)}"
    return names if option.is_flag else f"{names} {option.metavar or 'VALUE'}"


def _help(option: Any) -> str:
    default = option.default
    shown = "" if default in (None, "", False) or callable(default) else f" Default: {default}."
    return ((option.help or "") + shown).strip()
