"""The REST API as the console sees it: an application to be asked, and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp


@dataclass(frozen=True, slots=True)
class ApiClient:
    """``document`` makes the OpenAPI document, which takes a second the first time."""

    app: ASGIApp
    document: Callable[[], Mapping[str, Any]]
