"""Row queries of pages and exports, the same in v1 and v2."""

from __future__ import annotations

from fyke.domain.results.query.model import PLAIN, Query, parse_query
from fyke.wire.rows import RowQuery


def query_from(members: RowQuery) -> Query:
    """The query of a request. Raises ``InvalidFields``."""
    if not (
        members.fields
        or members.clean
        or members.flatten
        or members.sort
        or members.filter
        or members.failed_rows
    ):
        return PLAIN
    return parse_query(
        fields=members.fields,
        clean=members.clean,
        flatten=members.flatten,
        sort=members.sort,
        filters=members.filter,
        failed_rows=members.failed_rows,
    )
