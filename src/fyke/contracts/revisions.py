"""Asks whether a run is unchanged, for a database that answers over a network.

Reading a run costs a thread and a transaction. Whether it is still the run that was read before
costs a share of one statement, because all requests of a moment ask together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Protocol


class RunRevisions(Protocol):
    """Used in one event loop."""

    def ask(self, run_id: str) -> asyncio.Future[Hashable | None] | None:
        """The revision of a run, read after this call: it changes with every change of the run or
        its worker, and never returns to an earlier value. The result is None without the run, or
        when the database does not answer soon; None instead of the future: it cannot be asked now.
        ``run_id`` is a ULID.
        """
        ...
