"""Typed decoding by msgspec that is safe on first use by several threads.

When msgspec 0.22 first decodes into a dataclass or a Struct, it caches type information on the
class before that information is complete. A second thread that decodes into the class at that
moment crashes the process with a segmentation fault. So the first use of each type is serialised
here. Decoders that are created at import time do not need this.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_ready: set[Any] = set()
_lock = threading.Lock()


def convert(value: object, into: type[T], *, strict: bool = True) -> T:
    """Like ``msgspec.convert``. Raise ``msgspec.ValidationError``."""
    if into not in _ready:
        _prepare(into)
    return msgspec.convert(value, into, strict=strict)  # noqa: TID251


def decode(data: bytes | str, into: type[T]) -> T:
    """Like ``msgspec.json.decode``. Raise ``msgspec.DecodeError``."""
    if into not in _ready:
        _prepare(into)
    return msgspec.json.decode(data, type=into)


def _prepare(into: Any) -> None:
    with _lock:
        msgspec.json.Decoder(into)
        _ready.add(into)
