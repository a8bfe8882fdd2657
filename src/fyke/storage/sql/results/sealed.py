"""Reads the rows of a run that are in its file: positions 1 to ``StoredRun.sealed``."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fyke.model.results import Row, RowBlock
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.excluded import Excluded
from fyke.storage.sql.results.first_rows import FirstRows
from fyke.storage.sql.results.frames import Frame, Frames
from fyke.storage.sql.results.tables import key, position_of
from fyke.storage.sql.results.write import placeholders

_FRAMES = """
    SELECT s.blob, f.id, f.rows, f.start_byte, f.bytes, f.attempts
    FROM results_frames f JOIN results_seals s ON s.run = ?
    WHERE f.id > ? AND f.id <= ? ORDER BY f.id LIMIT ?
"""
_ATTEMPTS = """
    SELECT '', id, rows, 0, 0, attempts FROM results_frames
    WHERE id > ? AND id <= ? ORDER BY id
"""
_FRAMES_AT_ONCE, _MOST_FRAMES_AT_ONCE = 4, 64  # in one query, for few and for many rows


@dataclass(frozen=True, slots=True)
class StoredRun:
    """The number of a run, how many rows it has, and how many of the first are in its file."""

    number: int
    rows: int
    sealed: int


class SealedRows:
    """The rows of a run in its file. Reading raises ``OSError`` and ``DamagedFrame``."""

    def __init__(self, driver: Driver, frames: Frames, run_id: str, run: StoredRun) -> None:
        self._driver = driver
        self._frames = frames
        self._run_id = run_id
        self._run = run

    def after(self, position: int, limit: int, excluded: Excluded) -> list[Row]:
        """The first ``limit`` visible rows after ``position``."""
        found: list[tuple[int, int, bytes]] = []  # position, attempt, data
        for frame in self._frames_after(position):
            if len(found) >= limit:
                break
            attempts = frame.attempt_of_each()
            indexes, lines = self._select(frame, position, limit - len(found), excluded)
            found += [
                (frame.first + n, attempts[n], line) for n, line in zip(indexes, lines, strict=True)
            ]
        return self._with_attempts(found)

    def block_after(
        self, position: int, limit: int, max_bytes: int, excluded: Excluded
    ) -> RowBlock | None:
        """Visible rows of some frames after ``position``; None after the last."""
        positions: list[int] = []
        parts: list[bytes] = []
        size = 0
        for frame in self._frames_after(position):
            left = limit - len(positions)
            if frame.first > position and frame.rows <= left and not excluded:
                indexes: Sequence[int] = range(frame.rows)
                part = self._frames.text(frame).replace(b"\n", b",")
            else:
                indexes, lines = self._select(frame, position, left, excluded)
                part = b",".join(lines)
            if parts and size + len(part) > max_bytes:
                break
            if len(part) > max_bytes:
                indexes, part = self._shortened(frame, indexes, max_bytes)
            if indexes:
                positions += [frame.first + n for n in indexes]
                parts.append(part)
                size += len(part)
            if len(positions) >= limit or size >= max_bytes // 2:
                break
        return RowBlock.of(positions, parts) if positions else None

    def _shortened(
        self, frame: Frame, indexes: Sequence[int], max_bytes: int
    ) -> tuple[Sequence[int], bytes]:
        """The first of these rows of a frame that have ``max_bytes`` together, at least one."""
        lines = self._frames.lines(frame, 0, frame.rows)
        size, count = 0, 0
        for n in indexes:
            size += len(lines[n]) + 1
            if count and size > max_bytes:
                break
            count += 1
        return indexes[:count], b",".join(lines[n] for n in indexes[:count])

    def at(self, positions: Sequence[int]) -> list[Row]:
        """The rows at these positions, in ascending order."""
        found: list[tuple[int, int, bytes]] = []
        for frame, here in self._by_frame(sorted(positions)):
            begin = here[0] - frame.first
            lines = self._frames.lines(frame, begin, here[-1] - frame.first + 1)
            attempts = frame.attempt_of_each()
            found += [(at, attempts[at - frame.first], lines[at - here[0]]) for at in here]
        return self._with_attempts(found)

    def add_to(self, first: FirstRows, indexes: dict[int, int]) -> None:
        """Add the rows at these positions, each with its index."""
        for frame, here in self._by_frame(sorted(indexes)):
            wanted = [at for at in here if first.wants(indexes[at])]
            if wanted:
                lines = self._frames.text(frame).split(b"\n", wanted[-1] - frame.first + 1)
                for at in wanted:
                    if first.wants(indexes[at]):
                        first.add(indexes[at], lines[at - frame.first])

    def _by_frame(self, wanted: Sequence[int]) -> Iterator[tuple[Frame, Sequence[int]]]:
        """The frames with rows at positions in ascending order, and the positions in each."""
        done, frames = 0, list[Frame]()
        at_once = _MOST_FRAMES_AT_ONCE if len(wanted) > _MOST_FRAMES_AT_ONCE else _FRAMES_AT_ONCE
        while done < len(wanted):
            frames = frames or self._next_frames(wanted[done] - 1, at_once)[::-1]
            if not frames:
                return
            frame = frames.pop()
            here = wanted[done : bisect_right(wanted, frame.last, done)]
            done += len(here)
            if here:
                yield frame, here

    def hidden_positions(self, excluded: Excluded) -> list[int]:
        """The positions of all hidden rows, in ascending order."""
        positions: list[int] = []
        run, wanted = self._run, frozenset(excluded.attempts)
        self._frames.pass_over(run.sealed)
        bounds = key(run.number, 0), key(run.number, run.sealed)
        kept = excluded.kept(self._driver, *bounds)
        for row in self._driver.query(_ATTEMPTS, bounds):
            frame = _frame(row)
            for begin, attempt, count in frame.spans():
                if attempt in wanted:
                    positions += range(begin, begin + count)
        return [position for position in positions if position not in kept] if kept else positions

    def _frames_after(self, position: int) -> Iterator[Frame]:
        """The frames from that of the row after ``position`` on."""
        while frames := self._next_frames(position):
            yield from frames
            position = frames[-1].last

    def _next_frames(self, position: int, at_once: int = _FRAMES_AT_ONCE) -> list[Frame]:
        if position >= self._run.sealed:
            return []
        number = self._run.number
        bounds = key(number, position), key(number, self._run.sealed)
        return [_frame(row) for row in self._driver.query(_FRAMES, (number, *bounds, at_once))]

    def _select(
        self, frame: Frame, position: int, limit: int, excluded: Excluded
    ) -> tuple[Sequence[int], list[bytes]]:
        """Indexes and data of the first visible rows of the frame after ``position``."""
        begin = max(position + 1 - frame.first, 0)
        indexes: Sequence[int] = range(begin, min(begin + limit, frame.rows))
        if excluded:
            self._frames.pass_over(frame.rows)
            attempts, hidden = frame.attempt_of_each(), frozenset(excluded.attempts)
            number = self._run.number
            bounds = key(number, frame.first - 1), key(number, frame.last)
            kept = excluded.kept(self._driver, *bounds)
            indexes = [
                n
                for n in range(begin, frame.rows)
                if attempts[n] not in hidden or frame.first + n in kept
            ][:limit]
        if not indexes:
            return indexes, []
        lines = self._frames.lines(frame, indexes[0], indexes[-1] + 1)
        if excluded:
            lines = [lines[n - indexes[0]] for n in indexes]
        return indexes, lines

    def _with_attempts(self, found: Sequence[tuple[int, int, bytes]]) -> list[Row]:
        """Rows with the ids of their attempts, which are gone if the run is being deleted."""
        numbers = list({attempt for _, attempt, _ in found})
        if not numbers:
            return []
        ids = dict(
            self._driver.query(
                "SELECT number, attempt_id FROM results_attempts "  # noqa: S608 - placeholders
                f"WHERE number IN ({placeholders(len(numbers))})",
                numbers,
            )
        )
        return [
            Row(self._run_id, position, ids[attempt], data)
            for position, attempt, data in found
            if attempt in ids
        ]


def _frame(row: tuple[str, int, int, int, int, bytes]) -> Frame:
    blob, row_id, rows, start_byte, length, attempts = row
    return Frame(blob, position_of(row_id), rows, start_byte, length, attempts)
