"""Frames between the server and a parser process: the length in 8 bytes, then a pickled value."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from enum import Enum
from typing import Any, BinaryIO

from fyke.contracts.parsing import ParserLimits

HEAD = 8
Call = tuple[Callable[..., Any], tuple[Any, ...], ParserLimits]


class ReplyKind(Enum):
    """The kind of a reply; its value follows."""

    ITEM = "item"  # of a generator
    RESULT = "result"
    ERROR = "error"  # class, arguments and attributes of a ``FykeError``
    LIMIT = "limit"  # the limit of memory was reached; no value
    FAILURE = "failure"  # a traceback as text


Reply = tuple[ReplyKind, Any]


def encode(value: Any) -> bytes:
    """Return the frame of a value."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(HEAD, "big") + data


def decode(data: bytes) -> Any:
    """Return the value of the data of a frame, which was written by this program."""
    return pickle.loads(data)  # noqa: S301 - from a process of ours that runs as the same user


def read(source: BinaryIO) -> Any:
    """Return the value of the next frame. Raise ``EOFError`` at the end."""
    head = source.read(HEAD)
    if len(head) < HEAD:
        raise EOFError
    return decode(source.read(int.from_bytes(head, "big")))
