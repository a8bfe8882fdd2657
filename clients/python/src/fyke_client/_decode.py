"""Typed decoding by msgspec that is safe on first use by several threads.

When msgspec 0.22 first decodes into a Struct, it caches type information on the class before that
information is complete. A second thread that decodes into the class at that moment crashes the
process. So the first use of each type is serialised here.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_ready: set[Any] = set()
_lock = threading.Lock()


def decode(data: bytes, into: type[T]) -> T:
    """Like ``msgspec.json.decode``. Raise ``msgspec.DecodeError``."""
    if into not in _ready:
        with _lock:
            msgspec.json.Decoder(into)
            _ready.add(into)
    return msgspec.json.decode(data, type=into)
