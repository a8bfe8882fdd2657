"""The OpenAPI documents, as the server answers them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from fyke.api.app import ApiConfig, build_app

Document = dict[str, Any]


class Nothing:
    """Stands for the services: an application declares its operations without calling them."""

    def __getattr__(self, name: str) -> Nothing:
        return self


def document(version: str) -> Document:
    """The document of ``v1``, ``v2`` or, with ``fyke``, of all other operations."""
    if version != "fyke":
        return served()(version)
    whole, others = served()(""), served()("v1")["paths"].keys() | served()("v2")["paths"].keys()
    return {**whole, "paths": {k: v for k, v in whole["paths"].items() if k not in others}}


@cache
def served() -> Callable[[str], Document]:
    """What answers the document of a version."""
    services: Any = Nothing()
    return build_app(services, ApiConfig(master_secret=b"")).documents.of
