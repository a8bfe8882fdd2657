"""The OpenAPI documents, as the server answers them."""

from __future__ import annotations

from functools import cache
from typing import Any

from fyke.api.app import ApiConfig, build_app

Document = dict[str, Any]


class Nothing:
    """Stands for the services: an application declares its operations without calling them."""

    def __getattr__(self, name: str) -> Nothing:
        return self


@cache
def documents() -> dict[str, Document]:
    """The documents of ``v1``, of ``v2``, and of ``own`` operations, which are in neither."""
    services: Any = Nothing()
    served = build_app(services, ApiConfig(master_secret=b"")).documents
    v1, v2, whole = served.of("v1"), served.of("v2"), served.of()
    others = v1["paths"].keys() | v2["paths"].keys()
    paths = {path: item for path, item in whole["paths"].items() if path not in others}
    return {"v1": v1, "v2": v2, "own": {**whole, "paths": paths}}
