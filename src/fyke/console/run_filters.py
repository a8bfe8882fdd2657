"""Reads and writes the address of a list of runs: filters, columns and cursor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from fyke.console.texts import ngettext
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
VIEW = "runs"  # name of the saved address in the preferences
NEWER = "newer-"  # prefix of a cursor that leads to newer runs

# names in the address that differ from those of the members
_NAMES = {"since": "from"}
_FIELDS = tuple(field.name for field in fields(SearchTerms))
_LENGTH = re.compile(r"([0-9]{1,4})([mhd])", re.IGNORECASE)  # of time, before now
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MINUTE = re.compile(rf"{_DAY.pattern}T[0-9]{{2}}:[0-9]{{2}}")


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
        """The columns to show: without the cost where no prices are set."""
        return tuple(column for column in self.columns if priced or column != "usage")

    @property
    def range(self) -> str:
        """A length of time such as those of ``RANGES``, ``CUSTOM`` for other times, "" for any
        time.
        """
        if _LENGTH.fullmatch(self.terms.since) and not self.terms.until:
            return self.terms.since
        return CUSTOM if self.terms.since or self.terms.until else ""

    def control(self, name: str) -> str:
        """The type of the control for ``since`` or ``until`` that keeps what was typed: browsers
        drop a value that does not fit.
        """
        typed = getattr(self.terms, name)
        exact = any(map(_MINUTE.fullmatch, (self.terms.since, self.terms.until)))
        if self.range == CUSTOM and typed and not _DAY.fullmatch(typed):
            return "datetime-local" if _MINUTE.fullmatch(typed) else "text"
        return "datetime-local" if exact and not typed else "date"

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
        terms |= {"since": length if _LENGTH.fullmatch(length) else "", "until": ""}
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


def read_saved(query: str) -> ListAddress:
    """The address that is saved as ``query``."""
    params = QueryParams(query)
    return read(params, params.getlist("col"))


def length_label(length: str) -> str:
    """The name of a length of time that is none of ``RANGES``, such as ``2d``; "" for others."""
    parts = _LENGTH.fullmatch(length)
    if parts is None:
        return ""
    number = int(parts[1])
    match parts[2].lower():
        case "m":
            text = ngettext("Last %(num)s minute", "Last %(num)s minutes", number)
        case "h":
            text = ngettext("Last %(num)s hour", "Last %(num)s hours", number)
        case _:
            text = ngettext("Last %(num)s day", "Last %(num)s days", number)
    return text % {"num": number}
