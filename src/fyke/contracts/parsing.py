"""Parsing untrusted text that may take long.

The server's event loop serves all accounts, and a parser written in C stops all its threads. Only
small texts that take linear time are parsed there, the others by a ``ParserPool``.
``docs/internals/parsing.md`` lists both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """Limits of one call: processor time and elapsed time, both in seconds, and bytes of memory in
    addition to what the process already uses.
    """

    cpu_seconds: int
    seconds: float
    memory: int = 2**30


QUICK = ParserLimits(cpu_seconds=5, seconds=30)  # a visitor waits for the answer
THOROUGH = ParserLimits(cpu_seconds=60, seconds=120)  # checks of a whole project


class ParserPool(Protocol):
    """Calls functions one at a time for each account; waiting accounts take turns."""

    async def run(
        self,
        account_id: str,
        function: Callable[..., T],
        *args: Any,
        limits: ParserLimits = QUICK,
    ) -> T:
        """Call a function of a module with values that can be pickled, and return its result.

        ``account_id`` is the account whose text it is. Raise what the function raises,
        ``TooComplex`` beyond a limit, ``RateLimited`` when too many calls of this account wait.
        """
        ...

    async def run_steps(
        self,
        account_id: str,
        function: Callable[..., Generator[Item, None, T]],
        *args: Any,
        on_item: Callable[[Item], Awaitable[None]],
        limits: ParserLimits = QUICK,
    ) -> T:
        """Like ``run``, for a generator function; awaits ``on_item`` for each of its items."""
        ...
