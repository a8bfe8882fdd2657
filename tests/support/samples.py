"""Values of any type that records and messages have."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

PLAIN: dict[Any, Any] = {
    str: "téxt", int: 2**40, float: 0.5, bool: True, bytes: b"\0\xff", type(None): None
}  # fmt: skip


def sample(kind: Any) -> Any:
    """A value of a type, with a value in each member."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return sample(args[0])
    if origin is Literal:
        return args[0]
    if origin is tuple and args[-1] is not Ellipsis:
        return tuple(sample(arg) for arg in args)
    if origin in (list, tuple, frozenset):
        return origin([sample(args[0])])
    if origin in (dict, Mapping):
        return {sample(args[0]): sample(args[1])}
    if issubclass(kind, Enum):
        return next(iter(kind))
    hints = get_type_hints(kind)
    if is_dataclass(kind):
        names = [field.name for field in fields(kind) if field.init]
    else:
        names = list(kind.__struct_fields__)
    return kind(**{name: sample(hints[name]) for name in names})
