"""Short reads in the event loop, for a database in a file of this machine.

Handing a read to a thread costs several times more than a read of a few rows. An inline read never
waits for a lock and is bounded in size and time; what it cannot read within these bounds is
read in a thread.
"""

from __future__ import annotations

from typing import Protocol

from fyke.contracts.state import Storage


class NotInline(Exception):
    """The read would wait, is too long, or failed. It must be done in a thread."""


class InlineStorage(Storage, Protocol):
    """The state, read without a thread: ``read`` does not suspend. It and ``version`` raise
    ``NotInline``; ``write`` always does.
    """

    def version(self) -> int:
        """A number that every commit changes, of this process or another. What was read after an
        equal number was returned is still current.
        """
        ...
