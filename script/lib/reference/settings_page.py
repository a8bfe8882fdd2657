"""The settings, generated from ``fyke.settings.groups``."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from annotated_types import Ge, Gt, Le
from markdown import paragraphs
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from fyke.settings import Settings, groups, marks

_KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    Decimal: "decimal number",
    Path: "path",
    str: "text",
}
_HOME = "`/var/lib/fyke` for root, `~/.fyke` for other users"  # a default that depends on the user


_AGREE = "[Must agree](#settings-that-must-agree) on all servers"
_SHARED = {
    "get it": f"{_AGREE}. Nodes get it from the installation.",
    "do not use it": f"{_AGREE}.",
    "have their own": f"{_AGREE}. Nodes have their own.",
}


def text() -> str:
    """The generated part of the page."""
    modules = f"{groups.__name__}."
    bases = [base for base in reversed(Settings.__mro__) if base.__module__.startswith(modules)]
    return "\n".join(line for group in bases for line in section(group))


def section(group: type[BaseModel]) -> Iterator[str]:
    """The lines of one group of settings."""
    title, *introduction = paragraphs(group.__doc__ or "")
    yield f"## {title.rstrip('.')}\n"
    yield from (f"{item}\n" for item in introduction)
    descriptions = _docstrings(group)
    for name, field in group.model_fields.items():
        yield f"### `{name}`\n"
        yield f"Type: {_type(field)}. Default: {_default(name, field)}.\n"
        yield from (f"{paragraph}\n" for paragraph in paragraphs(descriptions[name]))
        shared = (item for item in field.metadata if isinstance(item, marks.Shared))
        yield from (f"{_SHARED[mark.nodes]}\n" for mark in shared)
        example = (field.examples or [""])[0]
        yield f"```sh\nFYKE_{name.upper()}={example}\n```\n"


def _docstrings(group: type[BaseModel]) -> dict[str, str]:
    """The docstring of each field. A field without one is an error."""
    definition: Any = ast.parse(inspect.getsource(group)).body[0]
    descriptions: dict[str, str] = {}
    for field, next_node in pairwise([*definition.body, None]):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name = field.target.id
        if not isinstance(next_node, ast.Expr) or not isinstance(next_node.value, ast.Constant):
            raise SystemExit(f"{group.__name__}.{name}: add a docstring with what the setting does")
        descriptions[name] = str(next_node.value.value)
    return descriptions


def _type(field: FieldInfo) -> str:
    for item in field.metadata:
        if isinstance(item, marks.TypeText):
            return item.text
    literals = [f"`{literal}`" for literal in get_args(field.annotation)]
    if literals:  # a Literal
        return f"{', '.join(literals[:-1])} or {literals[-1]}"
    annotation: Any = field.annotation
    kind = _KINDS[annotation] + _bounds(field)
    unit = next((item.text for item in field.metadata if isinstance(item, marks.Unit)), "")
    return f"{kind}; unit: {unit}" if unit else kind


def _bounds(field: FieldInfo) -> str:
    limits = {type(item): item for item in field.metadata}
    lowest, highest, above = limits.get(Ge), limits.get(Le), limits.get(Gt)
    if lowest and highest:
        return f" from {lowest.ge} to {highest.le}"
    if above:
        return f" above {above.gt}"
    return f", at least {lowest.ge}" if lowest else ""


def _default(name: str, field: FieldInfo) -> str:
    if name == "home":
        return _HOME
    value = field.get_default(call_default_factory=True)
    if value in ("", (), {}, SecretStr("")):
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
