"""Reads the input of a run from a file, from standard input, or from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from fyke.cli.errors import CommandFailed, Exit

MAX_SECRET_CHARS = 2**20  # the server accepts far fewer, with a better error


def secret_value(label: str, *, confirm: bool) -> str:
    """The value from a prompt that hides it, or else standard input without its final line break.
    Raises ``CommandFailed`` if it is not UTF-8.
    """
    if sys.stdin.isatty():
        value: str = typer.prompt(label, hide_input=True, confirmation_prompt=confirm, err=True)
        return value
    try:
        text = sys.stdin.buffer.read(4 * MAX_SECRET_CHARS).decode()
    except UnicodeDecodeError:
        raise CommandFailed(
            "the value is not UTF-8 text; encode binary data as base64", Exit.USAGE
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def read_input(argument: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Worker's own input, and the device and limits, of ``--input``.

    ``argument`` is the name of a file, ``-`` for standard input, or a JSON object; None is an empty
    input. The object is the Worker's own input, or the whole ``input`` of the API with
    ``parameters``. Raises ``CommandFailed``.
    """
    if argument is None:
        return {}, {}
    return parts(_parse(*_text(argument)))


def parts(value: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same two of an object."""
    parameters = value.get("parameters")
    if not isinstance(parameters, dict):
        return value, {}
    custom, system = parameters.get("custom", {}), parameters.get("system", {})
    if not isinstance(custom, dict) or not isinstance(system, dict):
        raise CommandFailed(
            "--input: custom and system in parameters must be JSON objects", Exit.USAGE
        )
    return custom, system


def is_file(argument: str) -> bool:
    """Whether ``--input`` is the name of a file."""
    return argument != "-" and not _is_json(argument)


def _is_json(argument: str) -> bool:
    return argument.lstrip().startswith("{")


def _text(argument: str) -> tuple[str, str]:
    """The source for error messages, and the text."""
    if _is_json(argument):
        return "--input", argument
    try:
        data = sys.stdin.buffer.read() if argument == "-" else Path(argument).read_bytes()
    except OSError as error:
        raise CommandFailed(
            f"--input {argument}: {error.strerror}; name a file, - for standard input, or a quoted "
            "JSON object",
            Exit.USAGE,
        ) from None
    try:
        return f"--input {argument}", data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandFailed(f"--input {argument}: the file is not UTF-8", Exit.USAGE) from None


def _parse(source: str, text: str) -> dict[str, Any]:
    import json

    def refuse(constant: str) -> Any:
        raise CommandFailed(f"{source}: {constant} is not JSON; write null instead", Exit.USAGE)

    try:
        value = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise CommandFailed(
            f"{source}: not valid JSON: {error.msg} in line {error.lineno}, column {error.colno}",
            Exit.USAGE,
        ) from None
    except RecursionError:
        raise CommandFailed(f"{source}: nested too deeply", Exit.USAGE) from None
    if not isinstance(value, dict):
        raise CommandFailed(f'{source}: must be a JSON object such as {{"urls": []}}', Exit.USAGE)
    return value
