"""What no runner sends: the bounds of all that a node says.

A node may have been taken over. What it sends is stored, added up and shown, so a value that no
column holds, that overflows a sum or that fills a page must not get further than here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from fyke.contracts.execution import Isolation
from fyke.errors import InvalidRequest
from fyke.model.browser import BrowserProgram
from fyke.model.runner import RunnerInfo

MAX_INFO_TEXT = 16 * 1024  # characters of a finding, or of another text about a runner
MAX_MEMBERS = 256  # of a list or a mapping
MAX_NUMBER = 2**53
MAX_CPUS = 2**16
MAX_MEMORY_MB = 2**40
MAX_PLACES = 2**16  # for attempts, or for browsers of attempts

_ISOLATIONS = frozenset(level.value for level in Isolation)


class ImpossibleRequest(InvalidRequest):
    """A request that no runner makes. A node that makes several loses its connection."""


def check_info(info: RunnerInfo) -> None:
    """Raise ``ImpossibleRequest`` for what no runner says of itself."""
    check_record(info, MAX_INFO_TEXT)
    check_range(info.cpus, MAX_CPUS, "cores")
    check_range(info.memory_mb, MAX_MEMORY_MB, "MiB")
    check_range(info.browser_share, 1, "part of a browser")
    for count in (info.browsers, info.idle_sandboxes):
        check_range(count, MAX_PLACES, "number")
    check_range(info.idle_memory, MAX_NUMBER, "number of bytes")
    if info.isolation not in _ISOLATIONS:
        raise ImpossibleRequest("There is no such level of isolation")
    if len(info.browser_programs) > len(BrowserProgram):
        raise ImpossibleRequest("A browser is named twice")


def check_range(value: float, most: float, what: str) -> None:
    """Raise ``ImpossibleRequest`` unless the value is from 0 to ``most``; NaN is not."""
    if not 0 <= value <= most:
        raise ImpossibleRequest(f"A {what} is negative, or too large")


def check_record(value: Any, most: int) -> None:
    """Raise ``ImpossibleRequest`` for a text in this value with more than ``most`` characters, a
    list or a number that is too large, and a number that is not finite.
    """
    if isinstance(value, str):
        if len(value) > most:
            raise ImpossibleRequest("A text is too long")
    elif isinstance(value, int | float):
        check_range(abs(value), MAX_NUMBER, "number")
    elif isinstance(value, Mapping):
        check_record([*value.keys(), *value.values()], most)
    elif isinstance(value, list | tuple):
        if len(value) > MAX_MEMBERS:
            raise ImpossibleRequest("A list is too long")
        for member in value:
            check_record(member, most)
    elif is_dataclass(value):
        for field in fields(value):
            check_record(getattr(value, field.name), most)
