"""The statements that read, outside of transactions: each sees what is committed when it starts.

The first rows of an ended run may be in a file, and the rest in the table (``sealed``). They are
removed from the table after the run is marked as sealed, so what was read from there counts only if
the run was not sealed meanwhile (``_of_run``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from fyke.errors import Unavailable
from fyke.model.log import LogEntry, LogExcerpt, LogFilter, LogType
from fyke.model.results import Header, Row, RowBlock, RunTotals
from fyke.storage.sql.dialects import to_storable_text
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.excluded import Excluded, excluded_of
from fyke.storage.sql.results.first_rows import FirstRows
from fyke.storage.sql.results.frames import DamagedFrame, Frames
from fyke.storage.sql.results.hidden import HiddenPositions, start_of
from fyke.storage.sql.results.kept import SHARING, KeptRowCounts
from fyke.storage.sql.results.known import NewAttempts
from fyke.storage.sql.results.noted_keys import visible_keys
from fyke.storage.sql.results.sealed import SealedRows, StoredRun
from fyke.storage.sql.results.tables import LAST_POSITION, key, position_of
from fyke.storage.sql.results.write import chunks, placeholders

T = TypeVar("T")


class _SealedMeanwhile(Exception):
    """Rows may have been removed from the table between two statements."""


# a run, and its attempts that were not looked up in the state yet
_LOOK_UP = """
    SELECT r.number, r.rows, r.sealed, a.number, a.attempt_id
    FROM results_runs r LEFT JOIN results_attempts a ON a.run = r.number AND a.number > ?
    WHERE r.run_id = ?
"""
_TOTALS = """
    SELECT coalesce(sum(a.rows), 0), coalesce(sum(a.bytes), 0)
    FROM results_attempts a JOIN results_runs r ON r.number = a.run WHERE r.run_id = ?
"""
_PAGE = """
    SELECT w.id, a.attempt_id, w.data
    FROM results_rows w JOIN results_attempts a ON a.number = w.attempt
    WHERE w.id > ? AND w.id <= ? {visible} ORDER BY w.id LIMIT ? OFFSET ?
"""
# a range of ids without a limit, because that is the fastest statement, for SQLite as well; most
# blocks have no gap and are small enough, so that the first statement is all
_BLOCK = """
    SELECT {selected} FROM results_rows w WHERE w.id > ? AND w.id <= ? {visible}
"""
_BY_POSITION = """
    SELECT w.id, a.attempt_id, w.data
    FROM results_rows w JOIN results_attempts a ON a.number = w.attempt
    WHERE w.id IN ({placeholders})
"""
# rows that are larger than the first parameter are read one by one
_DATA = """
    SELECT id, CASE WHEN length(data) <= ? THEN data END FROM results_rows
    WHERE id IN ({placeholders})
"""
_ONE = "SELECT data FROM results_rows WHERE id = ?"
_LOG_COLUMNS = "SELECT id, type, group_name, content, timestamp FROM results_log "

# "!" instead of a backslash, whose meaning depends on settings of the database
_ESCAPED = str.maketrans({"!": "!!", "%": "!%", "_": "!_"})

ALL = 2**62  # no attempt has a higher number
BLOCK_BYTES = 4 * 2**20  # a block with more becomes shorter, but has one row
_LARGE = 16 * 1024  # bytes of a row that is not read together with others at other positions
SHALLOW = 2000  # offsets up to this are skipped faster than hidden positions are read

_headers = msgspec.json.Decoder(list[tuple[str, str, str]])
_EXTENT = "count(*), min(id), max(id), sum(length(data))"


def totals(
    driver: Driver,
    kept_rows: KeptRowCounts,
    run_id: str,
    hidden: frozenset[str],
    *,
    looked_up: int = ALL,
) -> RunTotals:
    """Sums over the visible rows. ``looked_up`` is the highest number of an attempt that was looked
    up in the state. This and the other reads of rows raise ``NewAttempts`` when the run has
    attempts with higher numbers.
    """
    statement = _TOTALS
    if hidden:
        statement += f" AND a.attempt_id NOT IN ({placeholders(len(hidden))})"
    looked_up_rows, sums, *sharing = driver.queries(
        (_LOOK_UP, (looked_up, run_id)),
        (statement, (run_id, *hidden)),
        *([(SHARING, (run_id,))] if hidden else ()),
    )
    _number(looked_up_rows)
    rows, row_bytes = map(int, sums[0])
    kept, kept_bytes = kept_rows.count(driver, sharing[0], hidden) if hidden else (0, 0)
    return RunTotals(rows + kept, row_bytes + kept_bytes, kept)


def headers(driver: Driver, run_id: str) -> list[Header]:
    """Headers by key, in the order in which the attempts were opened."""
    rows = driver.query(
        "SELECT h.data FROM results_headers h JOIN results_attempts a ON a.number = h.attempt "
        "JOIN results_runs r ON r.number = a.run WHERE r.run_id = ? ORDER BY a.number",
        (run_id,),
    )
    merged: dict[str, Header] = {}
    for (data,) in rows:
        for label, name, kind in _headers.decode(data):
            merged.setdefault(name, Header(label, name, kind))
    return list(merged.values())


def keys(
    driver: Driver,
    frames: Frames,
    run_id: str,
    hidden: frozenset[str],
    *,
    looked_up: int = ALL,
) -> list[str] | None:
    """The keys of the visible rows, see ``Results.keys``."""

    def work(run: StoredRun, sealed: SealedRows) -> list[str] | None:
        if run.rows != run.sealed:
            return None
        excluded = excluded_of(driver, run.number, hidden)
        for (note,) in driver.query("SELECT keys FROM results_seals WHERE run = ?", (run.number,)):
            if note is not None:
                return visible_keys(note, excluded.attempts)
        return None

    return _of_run(driver, frames, run_id, looked_up, work)


def page(
    driver: Driver,
    frames: Frames,
    run_id: str,
    hidden: frozenset[str],
    cache: HiddenPositions,
    *,
    offset: int,
    limit: int,
    looked_up: int = ALL,
) -> list[Row]:
    """One page of the visible rows. The offset is translated into a position, so that all offsets
    cost the same.

    Small offsets, and all offsets while hidden rows may change, are skipped row by row.
    """
    begin, size = max(offset, 0), max(limit, 0)

    def work(run: StoredRun, sealed: SealedRows) -> list[Row]:
        excluded = excluded_of(driver, run.number, hidden)
        if not excluded:
            return _rows(driver, run_id, run, sealed, excluded, begin, size)
        if not run.sealed and (begin < SHALLOW or excluded.cache_key is None):
            return _rows(driver, run_id, run, sealed, excluded, 0, size, skip=begin)

        def positions() -> list[int]:
            found = sealed.hidden_positions(excluded) + _positions(driver, run, excluded)
            if not run.sealed and _is_sealed(driver, run.number):
                raise _SealedMeanwhile
            return found

        fixed = excluded.cache_key
        known = positions() if fixed is None else cache.get(fixed, positions)
        return _rows(driver, run_id, run, sealed, excluded, start_of(known, begin), size)

    return _of_run(driver, frames, run_id, looked_up, work) or []


def rows_after(
    driver: Driver,
    frames: Frames,
    run_id: str,
    hidden: frozenset[str],
    *,
    position: int,
    limit: int,
    looked_up: int = ALL,
) -> list[Row]:
    def work(run: StoredRun, sealed: SealedRows) -> list[Row]:
        excluded = excluded_of(driver, run.number, hidden)
        return _rows(driver, run_id, run, sealed, excluded, max(position, 0), max(limit, 0))

    return _of_run(driver, frames, run_id, looked_up, work) or []


def block_after(
    driver: Driver,
    frames: Frames,
    run_id: str,
    hidden: frozenset[str],
    *,
    position: int,
    limit: int,
    looked_up: int = ALL,
) -> RowBlock:
    begin, size = max(position, 0), max(limit, 1)

    def work(run: StoredRun, sealed: SealedRows) -> RowBlock:
        excluded = excluded_of(driver, run.number, hidden)
        block = sealed.block_after(begin, size, BLOCK_BYTES, excluded)
        return block or _block_after(driver, run.number, excluded, max(begin, run.sealed), size)

    return _of_run(driver, frames, run_id, looked_up, work) or RowBlock([], b"[]")


def _block_after(
    driver: Driver, run: int, excluded: Excluded, position: int, limit: int
) -> RowBlock:
    visible, last = excluded.and_visible, key(run, LAST_POSITION)

    def select(selected: str, begin: int, end: int, order: str = "") -> list[Any]:
        statement = _BLOCK.format(selected=selected, visible=visible) + order
        return driver.query(statement, (begin, min(end, last), *excluded.attempts))

    begin = key(run, position)
    if block := _block_at_once(driver, begin, min(begin + limit, last), excluded):
        return block
    while True:
        [(count, lowest, highest, size)] = select(_EXTENT, begin, begin + limit)
        if not count:
            [(lowest,)] = select("min(id)", begin, last)
            if lowest is None:
                return RowBlock([], b"[]")
            begin = lowest - 1
        elif size > BLOCK_BYTES and limit > 1:
            limit = max(1, limit * BLOCK_BYTES // (2 * int(size)))
        else:
            # up to the highest id, because other rows may be pushed meanwhile
            [(joined, data)] = select(f"count(*), {driver.joined}", begin, highest)
            ids: Sequence[int] = range(lowest, highest + 1)
            if joined < len(ids):
                ids = [row_id for (row_id,) in select("id", begin, highest, "ORDER BY id")]
            if 0 < joined == len(ids):
                return RowBlock(list(map(position_of, ids)), b"[%s]" % data)
            # rows were removed between two statements


def _block_at_once(driver: Driver, begin: int, end: int, excluded: Excluded) -> RowBlock | None:
    """The block after ``begin`` by one statement; None when it has gaps or may be too large."""
    selected = f"count(*), max(id), {driver.joined}"
    statement = _BLOCK.format(selected=selected, visible=excluded.and_visible)
    for count, highest, data in driver.query_within(
        BLOCK_BYTES, statement, (begin, end, *excluded.attempts)
    ):
        if count and begin + count == highest:
            first = position_of(begin) + 1
            return RowBlock(list(range(first, first + count)), b"[%s]" % data)
    return None


def rows_at(driver: Driver, frames: Frames, run_id: str, positions: Sequence[int]) -> list[Row]:
    def work(run: StoredRun, sealed: SealedRows) -> list[Row]:
        rows = sealed.at([position for position in positions if position <= run.sealed])
        stored = (key(run.number, position) for position in positions if position > run.sealed)
        for keys in chunks(stored):
            statement = _BY_POSITION.format(placeholders=placeholders(len(keys)))
            rows += _as_rows(run_id, driver.query(statement, keys))
        by_position = {row.position: row for row in rows}
        return [by_position[position] for position in positions if position in by_position]

    return (_of_run(driver, frames, run_id, ALL, work) or []) if positions else []


def data_at(
    driver: Driver, frames: Frames, run_id: str, positions: Sequence[int], *, max_bytes: int
) -> list[bytes]:
    def work(run: StoredRun, sealed: SealedRows) -> list[bytes]:
        first = FirstRows(len(positions), max_bytes)
        indexes = {position: index for index, position in enumerate(positions)}
        sealed.add_to(first, {at: n for at, n in indexes.items() if at <= run.sealed})
        in_table = sorted(at for at in indexes if at > run.sealed)
        for keys in chunks(key(run.number, at) for at in in_table if first.wants(indexes[at])):
            statement = _DATA.format(placeholders=placeholders(len(keys)))
            for row_id, data in driver.query(statement, (_LARGE, *keys)):
                index = indexes[position_of(row_id)]
                if not first.wants(index):
                    continue
                if data is None:
                    for (data,) in driver.query(_ONE, (row_id,)):
                        first.add(index, data)
                else:
                    first.add(index, data)
        return first.in_order()

    return (_of_run(driver, frames, run_id, ALL, work) or []) if positions else []


def log_tail(driver: Driver, run_id: str, limit: int) -> list[LogEntry]:
    run = _run(driver, run_id)
    if run is None:
        return []
    rows = driver.query(
        _LOG_COLUMNS + "WHERE id > ? AND id <= ? ORDER BY id DESC LIMIT ?",
        (key(run, 0), key(run, LAST_POSITION), max(limit, 0)),
    )
    return [LogEntry(position_of(row[0]), *row[1:]) for row in reversed(rows)]


def log_after(driver: Driver, run_id: str, position: int, limit: int) -> list[LogEntry]:
    run = _run(driver, run_id)
    if run is None:
        return []
    rows = driver.query(
        _LOG_COLUMNS + "WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
        (key(run, position), key(run, LAST_POSITION), max(limit, 0)),
    )
    return [LogEntry(position_of(row[0]), *row[1:]) for row in rows]


def log_count(driver: Driver, run_id: str) -> int:
    rows = driver.query("SELECT log_entries FROM results_runs WHERE run_id = ?", (run_id,))
    return int(rows[0][0]) if rows else 0


def log_scan(
    driver: Driver,
    run_id: str,
    filter: LogFilter,
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
    conditions, values = _log_conditions(driver, filter)
    order = "DESC" if newest else "ASC"
    rows = driver.query(
        "SELECT id, type, group_name, substr(content, 1, CAST(? AS INTEGER)), timestamp, "  # noqa: S608
        f"length(content) FROM results_log WHERE id > ? AND id <= ? {conditions} "
        f"ORDER BY id {order} LIMIT ?",
        (max(cut, 0), key(run, low), key(run, high), *values, max(limit, 0)),
    )
    lines = [LogExcerpt(position_of(row[0]), *row[1:]) for row in rows]
    return lines[::-1] if newest else lines


def _log_conditions(driver: Driver, filter: LogFilter) -> tuple[str, list[Any]]:
    conditions, values = "", list[Any]()
    if filter.level > LogType.DEBUG:
        conditions += "AND type >= ? "
        values.append(filter.level)
    if filter.text:
        conditions += f"AND {driver.like('content')} "
        values.append("%" + to_storable_text(filter.text).translate(_ESCAPED) + "%")
    return conditions, values


def _of_run(
    driver: Driver,
    frames: Frames,
    run_id: str,
    looked_up: int,
    work: Callable[[StoredRun, SealedRows], T],
) -> T | None:
    """What ``work`` reads of the run; None if there is no such run. It is repeated if the run was
    sealed meanwhile.
    """
    while run := _number(driver.query(_LOOK_UP, (looked_up, run_id))):
        try:
            answer = work(run, SealedRows(driver, frames, run_id, run))
        except _SealedMeanwhile:
            continue
        except (OSError, DamagedFrame) as error:
            if _run(driver, run_id) is None:
                return None  # its file was deleted with it
            raise Unavailable(
                f"The file with the rows of run {run_id} cannot be read: {error}. "
                "Restore it from a backup; fyke db check lists such files"
            ) from error
        if run.sealed or not _is_sealed(driver, run.number):
            return answer
    return None


def _is_sealed(driver: Driver, number: int) -> bool:
    rows = driver.query("SELECT sealed FROM results_runs WHERE number = ?", (number,))
    return bool(rows and rows[0][0])


def _number(rows: list[tuple[int, int, int, int | None, str]]) -> StoredRun | None:
    """The run that ``_LOOK_UP`` has found."""
    if not rows:
        return None
    new = [(number, attempt_id) for *_, number, attempt_id in rows if number is not None]
    if new:
        raise NewAttempts(max(number for number, _ in new), [attempt_id for _, attempt_id in new])
    return StoredRun(*rows[0][:3])


def _run(driver: Driver, run_id: str) -> int | None:
    rows = driver.query("SELECT number FROM results_runs WHERE run_id = ?", (run_id,))
    return int(rows[0][0]) if rows else None


def _positions(driver: Driver, run: StoredRun, excluded: Excluded) -> list[int]:
    """Positions of all hidden rows in the table, in ascending order."""
    rows = driver.query(
        "SELECT w.id FROM results_rows w "  # noqa: S608 - placeholders only
        f"WHERE w.id > ? AND w.id <= ? AND NOT ({excluded.is_visible}) ORDER BY w.id",
        (key(run.number, run.sealed), key(run.number, LAST_POSITION), *excluded.attempts),
    )
    return [position_of(row_id) for (row_id,) in rows]


def _rows(
    driver: Driver,
    run_id: str,
    run: StoredRun,
    sealed: SealedRows,
    excluded: Excluded,
    position: int,
    limit: int,
    *,
    skip: int = 0,
) -> list[Row]:
    """Visible rows after ``position``, from the file and then from the table, where ``skip`` of
    them are left out.
    """
    rows = sealed.after(position, limit, excluded)
    if len(rows) == limit or run.rows == run.sealed:
        return rows
    begin, end = max(position, run.sealed), LAST_POSITION
    found = driver.query(
        _PAGE.format(visible=excluded.and_visible),
        (key(run.number, begin), key(run.number, end), *excluded.attempts, limit - len(rows), skip),
    )
    return rows + _as_rows(run_id, found)


def _as_rows(run_id: str, found: list[tuple[int, str, bytes]]) -> list[Row]:
    return [Row(run_id, position_of(row_id), attempt, data) for row_id, attempt, data in found]
