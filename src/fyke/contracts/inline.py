"""Short reads in the event loop, for a database in a file of this machine.

Handing a read to a thread costs several times more than a read of a few rows. An inline read never
waits for a lock and is bounded in size and time; what it cannot read within these bounds is
read in a thread.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from fyke.contracts.results import Results
from fyke.contracts.state import Storage

T = TypeVar("T")


class NotInline(Exception):
    """The read would wait, is too long, or failed. It must be done in a thread."""


class Versioned(Protocol):
    """What is read without a thread. Reads do not suspend; all methods may raise ``NotInline``, and
    those that write always do.
    """

    def version(self) -> int:
        """A number that every commit changes, of this process or another. What was read after an
        equal number was returned is still current.
        """
        ...


class InlineStorage(Versioned, Storage, Protocol):
    """The state. ``work`` runs once."""

    def revision(self, run_id: str) -> bytes | None:
        """A value that changes with every change of the run or its worker, as they are shown; None
        without the run. ``run_id`` is a ULID.
        """
        ...


class InlineResults(Versioned, Results, Protocol):
    """The rows."""


@dataclass(frozen=True, slots=True)
class InlineStores:
    """Both stores of an installation."""

    state: InlineStorage
    rows: InlineResults


def at_once(read: Coroutine[Any, Any, T]) -> T:
    """The result of a read of a service over inline stores, which does not suspend."""
    try:
        read.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    read.close()
    raise NotInline
