"""The OpenAPI documents that the server returns."""

from __future__ import annotations

from functools import cache
from typing import Any

from fyke.api.app import ApiConfig, build_app

Document = dict[str, Any]


class NoServices:
    """Replaces the services, because declaring the operations calls none of them."""

    def __getattr__(self, name: str) -> NoServices:
        return self


@cache
def documents() -> dict[str, Document]:
    """The documents ``v1``, ``v2``, and ``fyke`` with the other operations."""
    services: Any = NoServices()
    app_documents = build_app(services, ApiConfig(master_secret=b"")).documents
    v1, v2, all_operations = app_documents.of("v1"), app_documents.of("v2"), app_documents.of()
    versioned = v1["paths"].keys() | v2["paths"].keys()
    paths = {path: item for path, item in all_operations["paths"].items() if path not in versioned}
    return {"v1": v1, "v2": v2, "fyke": {**all_operations, "paths": paths}}
