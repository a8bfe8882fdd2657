"""What is imported when it is first used, because a program may need only a part of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def submodules_of(package: str) -> Callable[[str], ModuleType]:
    """A ``__getattr__`` of ``package`` that imports its submodules."""

    def attribute(name: str) -> ModuleType:
        if not name.startswith("_"):
            try:
                return import_module(f"{package}.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"{package}.{name}":
                    raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return attribute


def names_of(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` of ``package`` for ``modules``: a name to the module that defines it."""

    def attribute(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return attribute
