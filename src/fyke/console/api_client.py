"""The REST API as the console uses it: the application, and its OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp


@dataclass(frozen=True, slots=True)
class ApiClient:
    """``document`` builds the OpenAPI document, which takes about a second the first time."""

    app: ASGIApp
    document: Callable[[], Mapping[str, Any]]
