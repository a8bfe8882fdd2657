"""The example inputs of a project: the files ``examples/NAME.json``, else the defaults of fields.

A file contains the Worker's own input, or the whole ``input`` of the API with ``parameters``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.domain.workers import input_schema, jsontext
from fyke.domain.workers.archive import Archive
from fyke.errors import InvalidRequest

FOLDER, SUFFIX = "examples/", ".json"
DEFAULTS = "defaults"  # the example of a project without files


@dataclass(frozen=True, slots=True)
class ExampleInput:
    """One example: the Worker's own input, and the device and limits that it asks for."""

    name: str
    custom: dict[str, Any]
    system: dict[str, Any]


def read_examples(archive: Archive) -> list[ExampleInput]:
    """Return the examples by name. Without files it is one, named ``defaults``. Raise
    ``InvalidRequest`` for a file that is no JSON object, and for an unusable input schema.
    """
    files = [file for file in archive.files if _name(file.path)]
    if files:
        return [_example(file.path, file.read(jsontext.MAX_BYTES + 1)) for file in files]
    schema = archive.file(input_schema.FILE)
    text = schema.read(jsontext.MAX_BYTES + 1) if schema else b'{"properties": []}'
    return [ExampleInput(DEFAULTS, input_schema.defaults(_decoded(input_schema.FILE, text)), {})]


def _name(path: str) -> str:
    """The name of the example in a file; ``""`` for other files, and those in deeper folders."""
    name = path.removeprefix(FOLDER).removesuffix(SUFFIX)
    return name if path == f"{FOLDER}{name}{SUFFIX}" and "/" not in name else ""


def _example(path: str, data: bytes) -> ExampleInput:
    try:
        value = jsontext.loads(_decoded(path, data))
    except jsontext.BadJson as error:
        raise _invalid(path, error) from None
    if not isinstance(value, dict):
        raise InvalidRequest(f'{path}: must be a JSON object such as {{"urls": []}}')
    parameters = value.get("parameters")
    if not isinstance(parameters, dict):
        return ExampleInput(_name(path), value, {})
    custom, system = parameters.get("custom", {}), parameters.get("system", {})
    if not isinstance(custom, dict) or not isinstance(system, dict):
        raise InvalidRequest(f"{path}: custom and system in parameters must be JSON objects")
    return ExampleInput(_name(path), custom, system)


def _decoded(path: str, data: bytes) -> str:
    try:
        return jsontext.decode_text(data)
    except jsontext.BadJson as error:
        raise _invalid(path, error) from None


def _invalid(path: str, error: jsontext.BadJson) -> InvalidRequest:
    where = f"line {error.line}: " if error.line else ""
    return InvalidRequest(f"{path} is not valid JSON: {where}{error}")
