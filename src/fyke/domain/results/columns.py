"""The columns of ended runs, so that a page of rows does not read a sample of them each time, and
an export in another format or encoding does not read all rows for their keys again.

The rows of an ended run change only by being deleted or hidden, and then their number changes. So
columns that were read with the same number and bytes of the same visible rows are still right. A
run without visible rows proves nothing and is not kept.
"""

from __future__ import annotations

from collections import OrderedDict

from fyke.model.results import Header, RunTotals

MAX_RUNS = 256
MAX_COLUMNS = 64  # of one run

Key = tuple[str, frozenset[str], str, RunTotals, object]


class EndedColumns:
    """The columns of the runs that were read last, at most about four megabytes."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, tuple[Key, list[Header]]] = OrderedDict()

    def get(self, key: Key) -> list[Header] | None:
        """The columns for a run's id, hidden attempts, output schema, visible rows, and whatever
        else they depend on.
        """
        found = self._runs.get(key[0])
        if found is None or found[0] != key:
            return None
        self._runs.move_to_end(key[0])
        return found[1]

    def put(self, key: Key, columns: list[Header]) -> None:
        """Keep the columns of an ended run."""
        if key[3].rows and len(columns) <= MAX_COLUMNS:
            self._runs[key[0]] = key, columns
            self._runs.move_to_end(key[0])
            while len(self._runs) > MAX_RUNS:
                self._runs.popitem(last=False)
