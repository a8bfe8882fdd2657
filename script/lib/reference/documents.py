"""The OpenAPI document of our own operations, as the server answers it."""

from __future__ import annotations

from typing import Any

from fyke.api.app import ApiConfig, build_app

Document = dict[str, Any]


class Nothing:
    """Stands for the services: an application declares its operations without calling them."""

    def __getattr__(self, name: str) -> Nothing:
        return self


def own_operations() -> Document:
    """The whole document without the operations of v1 and v2."""
    services: Any = Nothing()
    documents = build_app(services, ApiConfig(master_secret=b"")).documents
    whole: Document = documents.of()
    others = documents.of("v1")["paths"].keys() | documents.of("v2")["paths"].keys()
    paths = {path: item for path, item in whole["paths"].items() if path not in others}
    return {**whole, "paths": paths}
