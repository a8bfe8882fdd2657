"""Reads and writes the address of a list of runs: filters, columns and cursor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from fyke.domain.runs.search_terms import SearchTerms

# in the order of the table
COLUMNS = (
    "worker", "parameters", "task", "version", "origin", "results", "usage", "traffic",
    "duration", "created", "started", "finished",
)  # fmt: skip
DEFAULT_COLUMNS = ("worker", "parameters", "results", "usage", "duration", "created")
# the lengths of time to choose from
RANGES = ("1h", "24h", "7d", "30d")
CUSTOM = "custom"
NEWER = "newer-"  # prefix of a cursor that leads to newer runs

# names in the address that differ from those of the members
_NAMES = {"since": "from"}
_FIELDS = tuple(field.name for field in fields(SearchTerms))


@dataclass(frozen=True, slots=True)
class ListAddress:
    """The query of the address: search terms, columns, cursor."""

    terms: SearchTerms
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    cursor: str = ""
    everything: bool = False  # without filters, even the saved ones

    @property
    def filtered(self) -> bool:
        return any(getattr(self.terms, name) for name in _FIELDS)

    def shown(self, priced: bool) -> tuple[str, ...]:
        """The columns to show: without the cost where no prices are set, unless it was chosen."""
        if priced or self.columns != DEFAULT_COLUMNS:
            return self.columns
        return tuple(column for column in self.columns if column != "usage")

    @property
    def range(self) -> str:
        """One of ``RANGES``, ``CUSTOM`` for other times, "" for any time."""
        if self.terms.since in RANGES and not self.terms.until:
            return self.terms.since
        return CUSTOM if self.terms.since or self.terms.until else ""

    def pairs(self) -> list[tuple[str, str]]:
        """The query as pairs, without defaults and cursor."""
        pairs = [
            (_NAMES.get(name, name), getattr(self.terms, name))
            for name in _FIELDS
            if getattr(self.terms, name)
        ]
        if self.columns != DEFAULT_COLUMNS:
            pairs += [("col", column) for column in self.columns] or [("col", "none")]
        return pairs

    def query(self) -> str:
        return urlencode(self.pairs())

    def search(self) -> str:
        """The query with the filters only."""
        return urlencode([pair for pair in self.pairs() if pair[0] != "col"])

    def between(self, since: str, until: str) -> str:
        """The address of the runs between two times."""
        terms = replace(self.terms, since=since, until=until)
        return ListAddress(terms, self.columns).path()

    def path(self, cursor: str = "") -> str:
        """The whole address, at this cursor."""
        pairs = self.pairs() + ([("cursor", cursor)] if cursor else [])
        if not pairs:
            return "/runs?all=1" if self.everything else "/runs"
        return f"/runs?{urlencode(pairs)}"


def read(query: QueryParams | Mapping[str, str], chosen: Iterable[str]) -> ListAddress:
    """The address of these query parameters; ``chosen`` are the values of ``col``. The form's
    ``range`` replaces both times, unless it is ``CUSTOM``.
    """
    terms = {name: query.get(_NAMES.get(name, name), "").strip()[:1000] for name in _FIELDS}
    length = query.get("range", CUSTOM)
    if length != CUSTOM:
        terms |= {"since": length if length in RANGES else "", "until": ""}
    requested = list(chosen)
    columns = (
        tuple(column for column in COLUMNS if column in requested) if requested else DEFAULT_COLUMNS
    )
    return ListAddress(
        terms=SearchTerms(**terms),
        columns=columns,
        cursor=query.get("cursor", "").strip(),
        everything="all" in query,
    )
