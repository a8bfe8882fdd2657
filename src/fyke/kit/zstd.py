"""The library for zstd: of Python from 3.14, else its backport."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def zstd_module() -> Any:
    """The module ``compression.zstd``; it is imported when it is needed."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from backports import zstd
    return zstd
