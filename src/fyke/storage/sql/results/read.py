"""The statements that read. No transaction: each sees what was committed when it began."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fyke.model.log import LogEntry, LogExcerpt, LogFilter, LogType
from fyke.model.results import Header, Row, RunTotals
from fyke.storage.sql.dialects import to_storable_text
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.hidden import HiddenPositions, start_of
from fyke.storage.sql.results.tables import LAST_POSITION, key, position_of
from fyke.storage.sql.results.write import marks

_ATTEMPTS = """
    FROM results_attempts a JOIN results_runs r ON r.number = a.run WHERE r.run_id = ?
"""
_PAGE = """
    SELECT w.id, a.attempt_id, w.data
    FROM results_rows w JOIN results_attempts a ON a.number = w.attempt
    WHERE w.id > ? AND w.id <= ? {visible} ORDER BY w.id LIMIT ? OFFSET ?
"""
_AT = """
    SELECT w.id, a.attempt_id, w.data
    FROM results_rows w JOIN results_attempts a ON a.number = w.attempt WHERE w.id IN ({marks})
"""
_LOG_COLUMNS = "SELECT id, type, group_name, content, timestamp FROM results_log "

# the escape is no backslash, so that no setting of a database changes what it means
_ESCAPED = str.maketrans({"!": "!!", "%": "!%", "_": "!_"})

SHALLOW = 2000  # up to here counting is quicker than knowing where hidden rows are

_headers = msgspec.json.Decoder(list[tuple[str, str, str]])


def totals(driver: Driver, run_id: str, hidden: frozenset[str]) -> RunTotals:
    statement = "SELECT coalesce(sum(a.rows), 0), coalesce(sum(a.bytes), 0)" + _ATTEMPTS
    if hidden:
        statement += f" AND a.attempt_id NOT IN ({marks(len(hidden))})"
    rows, row_bytes = driver.query(statement, (run_id, *hidden))[0]
    return RunTotals(int(rows), int(row_bytes))


def headers(driver: Driver, run_id: str) -> list[Header]:
    """Merged by key in the order in which the attempts were opened."""
    found = driver.query(
        "SELECT h.data FROM results_headers h JOIN results_attempts a ON a.number = h.attempt "
        "JOIN results_runs r ON r.number = a.run WHERE r.run_id = ? ORDER BY a.number",
        (run_id,),
    )
    merged: dict[str, Header] = {}
    for (data,) in found:
        for label, name, kind in _headers.decode(data):
            merged.setdefault(name, Header(label, name, kind))
    return list(merged.values())


def page(
    driver: Driver,
    run_id: str,
    hidden: frozenset[str],
    kept: HiddenPositions,
    *,
    offset: int,
    limit: int,
) -> list[Row]:
    """Turn the offset into a position: any depth costs the same.

    Near the beginning, and while a hidden attempt could still grow, the rows are just counted.
    """
    run = _run(driver, run_id)
    if run is None:
        return []
    out, final = _with_rows(driver, run, hidden)
    offset = max(offset, 0)
    if not out:
        return _rows(driver, run_id, run, out, offset, limit)
    if offset < SHALLOW or not final:
        return _rows(driver, run_id, run, out, 0, limit, skip=offset)
    positions = kept.get((run, *out), lambda: _positions(driver, run, out))
    return _rows(driver, run_id, run, out, start_of(positions, offset), limit)


def rows_after(
    driver: Driver, run_id: str, hidden: frozenset[str], *, position: int, limit: int
) -> list[Row]:
    run = _run(driver, run_id)
    if run is None:
        return []
    out, _ = _with_rows(driver, run, hidden)
    return _rows(driver, run_id, run, out, position, limit)


def rows_at(driver: Driver, run_id: str, positions: Sequence[int]) -> list[Row]:
    run = _run(driver, run_id)
    if run is None or not positions:
        return []
    found = driver.query(
        _AT.format(marks=marks(len(positions))), [key(run, position) for position in positions]
    )
    rows = {
        position_of(row_id): Row(run_id, position_of(row_id), attempt, data)
        for row_id, attempt, data in found
    }
    return [rows[position] for position in positions if position in rows]


def log_tail(driver: Driver, run_id: str, limit: int) -> list[LogEntry]:
    run = _run(driver, run_id)
    if run is None:
        return []
    found = driver.query(
        _LOG_COLUMNS + "WHERE id > ? AND id <= ? ORDER BY id DESC LIMIT ?",
        (key(run, 0), key(run, LAST_POSITION), max(limit, 0)),
    )
    return [LogEntry(position_of(row[0]), *row[1:]) for row in reversed(found)]


def log_after(driver: Driver, run_id: str, position: int, limit: int) -> list[LogEntry]:
    run = _run(driver, run_id)
    if run is None:
        return []
    found = driver.query(
        _LOG_COLUMNS + "WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
        (key(run, position), key(run, LAST_POSITION), max(limit, 0)),
    )
    return [LogEntry(position_of(row[0]), *row[1:]) for row in found]


def log_count(driver: Driver, run_id: str) -> int:
    found = driver.query("SELECT log_entries FROM results_runs WHERE run_id = ?", (run_id,))
    return int(found[0][0]) if found else 0


def log_scan(
    driver: Driver,
    run_id: str,
    wanted: LogFilter,
    *,
    low: int,
    high: int,
    limit: int,
    cut: int,
    newest: bool,
) -> list[LogExcerpt]:
    run = _run(driver, run_id)
    if run is None:
        return []
    conditions, values = _log_conditions(driver, wanted)
    order = "DESC" if newest else "ASC"
    found = driver.query(
        "SELECT id, type, group_name, substr(content, 1, CAST(? AS INTEGER)), timestamp, "  # noqa: S608
        f"length(content) FROM results_log WHERE id > ? AND id <= ? {conditions} "
        f"ORDER BY id {order} LIMIT ?",
        (max(cut, 0), key(run, low), key(run, high), *values, max(limit, 0)),
    )
    lines = [LogExcerpt(position_of(row[0]), *row[1:]) for row in found]
    return lines[::-1] if newest else lines


def _log_conditions(driver: Driver, wanted: LogFilter) -> tuple[str, list[Any]]:
    conditions, values = "", list[Any]()
    if wanted.level > LogType.DEBUG:
        conditions += "AND type >= ? "
        values.append(wanted.level)
    if wanted.text:
        conditions += f"AND {driver.like('content')} "
        values.append("%" + to_storable_text(wanted.text).translate(_ESCAPED) + "%")
    return conditions, values


def _run(driver: Driver, run_id: str) -> int | None:
    found = driver.query("SELECT number FROM results_runs WHERE run_id = ?", (run_id,))
    return int(found[0][0]) if found else None


def _with_rows(driver: Driver, run: int, hidden: frozenset[str]) -> tuple[list[int], bool]:
    """Numbers of the hidden attempts that own rows, and whether all of them are closed."""
    if not hidden:
        return [], True
    found = driver.query(
        "SELECT number, closed FROM results_attempts "  # noqa: S608 - marks only
        f"WHERE run = ? AND rows > 0 AND attempt_id IN ({marks(len(hidden))}) ORDER BY number",
        (run, *hidden),
    )
    return [int(number) for number, _ in found], all(closed for _, closed in found)


def _positions(driver: Driver, run: int, attempts: list[int]) -> list[int]:
    """Positions of all rows of the attempts, rising."""
    found = driver.query(
        "SELECT id FROM results_rows "  # noqa: S608 - marks only
        f"WHERE id > ? AND id <= ? AND attempt IN ({marks(len(attempts))}) ORDER BY id",
        (key(run, 0), key(run, LAST_POSITION), *attempts),
    )
    return [position_of(row_id) for (row_id,) in found]


def _rows(
    driver: Driver,
    run_id: str,
    run: int,
    out: list[int],
    position: int,
    limit: int,
    *,
    skip: int = 0,
) -> list[Row]:
    visible = f"AND w.attempt NOT IN ({marks(len(out))})" if out else ""
    found = driver.query(
        _PAGE.format(visible=visible),
        (key(run, position), key(run, LAST_POSITION), *out, max(limit, 0), skip),
    )
    return [Row(run_id, position_of(row_id), attempt, data) for row_id, attempt, data in found]
