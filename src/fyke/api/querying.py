"""What a client may ask of a run's rows, the same in both versions: for a page and for a file."""

from __future__ import annotations

from fyke.domain.results.query.model import PLAIN, Query, query_of
from fyke.wire.rows import RowQuery


def query_in(wanted: RowQuery) -> Query:
    """The query of a request. Raises ``InvalidFields``."""
    asked = wanted.fields or wanted.clean or wanted.flatten or wanted.sort or wanted.filter
    if not (asked or wanted.failed_rows):
        return PLAIN
    return query_of(
        fields=wanted.fields,
        clean=wanted.clean,
        flatten=wanted.flatten,
        sort=wanted.sort,
        filters=wanted.filter,
        failed_rows=wanted.failed_rows,
    )
