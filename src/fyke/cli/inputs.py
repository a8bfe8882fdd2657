"""Reading the input of a run: from a file, from standard input, or as JSON on the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fyke.cli.errors import CommandFailed, Exit


def read_input(given: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the Worker's own input, the device and limits in it) of ``--input``.

    ``given`` is the name of a file, ``-`` for standard input, or a JSON object itself; None is
    an empty input. The object may be the Worker's own input, or the whole of what the API takes
    as ``input``, with ``parameters``. Raise ``CommandFailed``.
    """
    if given is None:
        return {}, {}
    value = _parse(*_text(given))
    parameters = value.get("parameters")
    if not isinstance(parameters, dict):
        return value, {}
    custom, system = parameters.get("custom", {}), parameters.get("system", {})
    if not isinstance(custom, dict) or not isinstance(system, dict):
        raise CommandFailed(
            "--input: custom and system in parameters must be JSON objects", Exit.USAGE
        )
    return custom, system


def _text(given: str) -> tuple[str, str]:
    """(where it comes from, the text)."""
    if given.lstrip().startswith("{"):
        return "--input", given
    try:
        data = sys.stdin.buffer.read() if given == "-" else Path(given).read_bytes()
    except OSError as error:
        raise CommandFailed(
            f"--input {given}: {error.strerror}; give a file, - for standard input, or a JSON "
            "object in quotes",
            Exit.USAGE,
        ) from None
    try:
        return f"--input {given}", data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandFailed(f"--input {given}: the file is not UTF-8", Exit.USAGE) from None


def _parse(source: str, text: str) -> dict[str, Any]:
    import json

    def refuse(word: str) -> Any:
        raise CommandFailed(f"{source}: {word} is not JSON; write null instead", Exit.USAGE)

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
