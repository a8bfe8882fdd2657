"""The address of a list of runs: filters, columns and place in it, read and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from fyke.domain.runs.search_terms import SearchTerms

# in the order of the table; the first two are always there
COLUMNS = (
    "worker", "parameters", "task", "version", "origin", "results", "usage", "traffic",
    "duration", "created", "started", "finished",
)  # fmt: skip
USUAL = ("worker", "parameters", "results", "usage", "duration", "created")
NEWER = "newer-"  # how a cursor begins that leads to newer runs

# what a field is called in the address, where that is not the member's name
_NAMES = {"since": "from"}
_FIELDS = tuple(field.name for field in fields(SearchTerms))


@dataclass(frozen=True, slots=True)
class ListAddress:
    """The content of the address: search words, columns, and the position in the list."""

    words: SearchTerms
    columns: tuple[str, ...] = USUAL
    cursor: str = ""
    everything: bool = False  # requested without any filter, even the saved ones

    @property
    def filtered(self) -> bool:
        return any(getattr(self.words, name) for name in _FIELDS)

    def pairs(self) -> list[tuple[str, str]]:
        """What is in use, as pairs of a query, without the place in the list."""
        found = [
            (_NAMES.get(name, name), getattr(self.words, name))
            for name in _FIELDS
            if getattr(self.words, name)
        ]
        if self.columns != USUAL:
            found += [("col", column) for column in self.columns] or [("col", "none")]
        return found

    def query(self) -> str:
        return urlencode(self.pairs())

    def search(self) -> str:
        """The filters alone."""
        return urlencode([pair for pair in self.pairs() if pair[0] != "col"])

    def path(self, cursor: str = "") -> str:
        """The whole address, at this place of the list."""
        pairs = self.pairs() + ([("cursor", cursor)] if cursor else [])
        if not pairs:
            return "/runs?all=1" if self.everything else "/runs"
        return f"/runs?{urlencode(pairs)}"


def read(query: QueryParams | Mapping[str, str], chosen: Iterable[str]) -> ListAddress:
    """The address of these query parameters; ``chosen`` are the values of ``col``."""
    words = {name: query.get(_NAMES.get(name, name), "").strip()[:1000] for name in _FIELDS}
    wanted = list(chosen)
    columns = tuple(column for column in COLUMNS if column in wanted) if wanted else USUAL
    return ListAddress(
        words=SearchTerms(**words),
        columns=columns,
        cursor=query.get("cursor", "").strip(),
        everything="all" in query,
    )
