"""Converts the usual values of options and arguments without pydantic.

Typer imports pydantic to convert any value, and this import takes longer than a command. Texts,
integers and choices in their usual form are converted here, with the same result. Typer converts
all other values, and reports errors.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import typer

_INTEGER = re.compile("[0-9]{1,18}")
BY_PYDANTIC = "Input should be "  # the beginning of its messages
OWN_RULE = "Value error, "  # what pydantic puts before the message of another rule
TYPER = object()  # the value is left to Typer


def convert_without_pydantic(param: Any) -> Any:
    """Change and return the parameter of a command: it converts the usual values itself."""
    if "process_value" in vars(param):
        return param
    by_typer = param.process_value

    def process_value(ctx: Any, value: Any) -> Any:
        converted = usual_value(param, value)
        if converted is TYPER:
            try:
                return by_typer(ctx, value)
            except typer.BadParameter as error:
                error.message = error.message.removeprefix(OWN_RULE)
                kind = getattr(getattr(param, "type_descriptor", None), "annotation", None)
                if kind not in (int, float) or not error.message.startswith(BY_PYDANTIC):
                    raise
                rule = number_rule(param.min, param.max, whole=kind is int)
                raise typer.BadParameter(rule, ctx=ctx, param=param) from None
        return param.callback(ctx, param, converted) if param.callback else converted

    param.process_value = process_value
    return param


def number_rule(least: float | None, most: float | None, *, whole: bool) -> str:
    """What a number must be: ``must be a whole number from 1 to 64``."""
    bounds = {
        (True, True): f" from {least} to {most}",
        (True, False): f" of at least {least}",
        (False, True): f" of at most {most}",
        (False, False): "",
    }[least is not None, most is not None]
    return f"must be a {'whole ' if whole else ''}number{bounds}"


def usual_value(param: Any, value: Any) -> Any:
    """The value that Typer makes of ``value``, ``TYPER`` if only Typer knows it."""
    descriptor = getattr(param, "type_descriptor", None)  # Typer does not document it
    if descriptor is None or descriptor.parameter_info.parser is not None:
        return TYPER
    if value is None:
        return TYPER if param.required or param.multiple or param.nargs != 1 else None
    kind = descriptor.annotation
    if kind is str and type(value) is str:
        return value
    if kind is int and (type(value) is int or (type(value) is str and _INTEGER.fullmatch(value))):
        number = int(value)
        least, most = param.min, param.max
        in_range = (least is None or number >= least) and (most is None or number <= most)
        return number if in_range else TYPER
    if kind == list[str] and isinstance(value, list | tuple):
        return [*value] if value and all(type(item) is str for item in value) else TYPER
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value) if value in [*kind] else TYPER
    return TYPER
