"""The statements that move the rows of an ended run into a file.

1. ``claim`` names the file in ``results_seals`` before it exists, so at any moment each file that
   is not named there can be removed. A process that was killed loses its claim after a while, and
   the next one names another file.
2. ``remove_upserts``: from then on no push changes a stored row.
3. ``next_frame`` reads the rows; the caller writes and flushes the file.
4. ``commit`` makes the file the place of these rows, if nothing has changed: the frames, and
   ``results_runs.sealed``.
5. ``remove_rows`` empties the table in small steps, and ``finish`` ends the work.

A run that gets another attempt nevertheless, because its state was replaced by an older one, has
the new rows in the table, after those in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fyke.contracts.blobs import Folder
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.frames import FRAME_BYTES, FRAME_ROWS, Frame
from fyke.storage.sql.results.tables import first_key, key, position_of
from fyke.storage.sql.results.write import placeholders

CLAIM_MS = 120_000

_CANDIDATES = """
    SELECT r.number FROM results_runs r LEFT JOIN results_seals s ON s.run = r.number
    WHERE r.run_id IN ({placeholders}) AND r.rows >= ? AND r.sealed = 0 AND s.run IS NULL
    ORDER BY r.number
"""
_CLAIM = """
    INSERT INTO results_seals (run, blob, size, sha256, claimed_until, done)
    VALUES (?, ?, 0, ?, ?, FALSE)
    ON CONFLICT (run) DO UPDATE SET blob = excluded.blob, claimed_until = excluded.claimed_until
"""
_OPEN_ATTEMPTS = """
    SELECT 1 FROM results_attempts WHERE run = ? AND NOT closed AND attempt_id <> ? LIMIT 1
"""
_UPSERTS = """
    DELETE FROM results_upserts WHERE run = ? AND digest IN
    (SELECT digest FROM results_upserts WHERE run = ? LIMIT ?)
"""
_NOT_SEALED = """
    WHERE run = ? AND blob = ? AND NOT EXISTS
    (SELECT 1 FROM results_runs WHERE number = results_seals.run AND sealed > 0)
"""
_FRAMES = {"id": "int8", "rows": "int8", "start_byte": "int8", "bytes": "int8", "attempts": "bytea"}


class Changed(Exception):
    """The rows are not those that were claimed: the run is being deleted, or continues."""


@dataclass(frozen=True, slots=True)
class SealClaim:
    """A run whose rows this process may move to the file ``blob``. ``sealed``: they are there
    already, and have to be removed from the table. ``abandoned``: a file to delete.
    """

    run: int
    run_id: str
    blob: str
    sealed: int = 0
    abandoned: str = ""


def candidates(driver: Driver, run_ids: Sequence[str], at_least: int) -> list[int]:
    """The numbers of those runs with so many rows that are not sealed yet."""
    if not run_ids:
        return []
    statement = _CANDIDATES.format(placeholders=placeholders(len(run_ids)))
    return [number for (number,) in driver.query(statement, (*run_ids, at_least))]


def unfinished(driver: Driver, now: int) -> list[int]:
    """The numbers of the runs whose sealing was interrupted."""
    rows = driver.query(
        "SELECT run FROM results_seals WHERE NOT done AND claimed_until < ? ORDER BY run", (now,)
    )
    return [number for (number,) in rows]


def claim(driver: Driver, number: int, unique: str, now: int) -> SealClaim | None:
    """Claim a run that has ended; None if it is deleted, open, done, or claimed by another. The
    name of its file ends in ``unique``.
    """
    runs = driver.query(
        "SELECT run_id, sealed FROM results_runs WHERE number = ?" + driver.for_update,  # noqa: S608
        (number,),
    )
    if not runs or runs[0][0] is None or driver.query(_OPEN_ATTEMPTS, (number, runs[0][0])):
        return None
    run_id, sealed = runs[0]
    blob, abandoned = f"{Folder.ROWS}/{run_id.lower()}-{unique}.jsonl.zst", ""
    for old, claimed_until, done in driver.query(
        "SELECT blob, claimed_until, done FROM results_seals WHERE run = ?", (number,)
    ):
        if done or (claimed_until >= now and old != blob):
            return None
        if sealed:
            blob = old
        elif old != blob:  # else claimed by this call, before the connection was lost
            abandoned = old
    driver.run(_CLAIM, (number, blob, b"", now + CLAIM_MS))
    return SealClaim(number, run_id, blob, sealed, abandoned)


def renew(driver: Driver, claim: SealClaim, now: int) -> None:
    """Raise ``Changed`` if the claim was lost."""
    renewed = driver.run(
        "UPDATE results_seals SET claimed_until = ? WHERE run = ? AND blob = ?",
        (now + CLAIM_MS, claim.run, claim.blob),
    )
    if not renewed:
        raise Changed


def give_up(driver: Driver, claim: SealClaim, *, for_good: bool) -> bool:
    """End a claim without a file; ``for_good``: the run is never tried again. Return whether the
    file can be deleted: not if it is the place of the rows.
    """
    _lock(driver, claim.run)
    if for_good:
        end = "UPDATE results_seals SET blob = '', done = TRUE"
    else:
        end = "DELETE FROM results_seals"
    driver.run(f"{end} {_NOT_SEALED}", (claim.run, claim.blob))
    return blob_of(driver, claim.run) != claim.blob


def remove_upserts(driver: Driver, number: int, step: int) -> int:
    """Remove up to ``step`` upsert records, while no push to the run is being stored; return how
    many.
    """
    _lock(driver, number)
    return driver.run(_UPSERTS, (number, number, step))


def bytes_of(driver: Driver, number: int) -> int:
    """The bytes of the rows of a run."""
    rows = driver.query(
        "SELECT coalesce(sum(bytes), 0) FROM results_attempts WHERE run = ?", (number,)
    )
    return int(rows[0][0])


def count_rows(driver: Driver, claim: SealClaim) -> tuple[int, dict[int, str]]:
    """The number of rows to move, and the ids of their attempts by number. Raises ``Changed`` if
    there is none.
    """
    rows = driver.query("SELECT rows FROM results_runs WHERE number = ? AND rows > 0", (claim.run,))
    if not rows:
        raise Changed
    attempts = driver.query(
        "SELECT number, attempt_id FROM results_attempts WHERE run = ? AND rows > 0 "
        "ORDER BY number",
        (claim.run,),
    )
    return int(rows[0][0]), dict(attempts)


def next_frame(
    driver: Driver, number: int, position: int, last: int
) -> tuple[list[int], list[bytes]]:
    """The attempts and data of the rows after ``position`` that are the next frame, up to ``last``.
    Raises ``Changed`` if some are missing.
    """
    found = driver.query(
        "SELECT id, attempt, length(data) FROM results_rows WHERE id > ? AND id <= ? "
        "ORDER BY id LIMIT ?",
        (key(number, position), key(number, last), FRAME_ROWS),
    )
    attempts: list[int] = []
    size, begin = 0, key(number, position)
    for row_id, attempt, length in found:
        size += length
        if attempts and size > FRAME_BYTES:
            break
        if row_id != begin + len(attempts) + 1:
            raise Changed
        attempts.append(attempt)
    rows = driver.query(
        "SELECT data FROM results_rows WHERE id > ? AND id <= ? ORDER BY id",
        (begin, begin + len(attempts)),
    )
    if not attempts or len(rows) != len(attempts):
        raise Changed
    return attempts, [data for (data,) in rows]


def shares(driver: Driver, number: int, position: int, last: int) -> dict[int, set[int]]:
    """By position, the attempts of those rows after ``position`` up to ``last`` that several have
    upserted.
    """
    found: dict[int, set[int]] = {}
    for row_id, attempt in driver.query(
        "SELECT id, attempt FROM results_shares WHERE id > ? AND id <= ?",
        (key(number, position), key(number, last)),
    ):
        found.setdefault(position_of(row_id), set()).add(attempt)
    return found


def commit(
    driver: Driver,
    claim: SealClaim,
    frames: Sequence[Frame],
    size: int,
    sha256: bytes,
    keys: bytes | None,
) -> bool:
    """Make the file the place of the rows. False if they, or the claim, are not the same as when
    the file was started.
    """
    rows = frames[-1].last
    _lock(driver, claim.run)
    found = driver.query(
        "SELECT r.rows, r.sealed FROM results_runs r JOIN results_seals s ON s.run = r.number "
        "WHERE r.number = ? AND r.run_id IS NOT NULL AND s.blob = ?",
        (claim.run, claim.blob),
    )
    if not found:
        return False
    if found[0][1]:
        return True  # committed before the connection was lost; there may be new rows since
    if found[0][0] != rows:
        return False
    if driver.query(_OPEN_ATTEMPTS, (claim.run, claim.run_id)) or driver.query(
        "SELECT 1 FROM results_upserts WHERE run = ? LIMIT 1", (claim.run,)
    ):
        return False  # a push may have changed a row after it was copied
    driver.insert(
        "results_frames",
        _FRAMES,
        [
            (key(claim.run, frame.last), frame.rows, frame.start_byte, frame.length, frame.attempts)
            for frame in frames
        ],
    )
    driver.run(
        "UPDATE results_seals SET size = ?, sha256 = ?, keys = ? WHERE run = ?",
        (size, sha256, keys, claim.run),
    )
    driver.run("UPDATE results_runs SET sealed = ? WHERE number = ?", (rows, claim.run))
    return True


def remove_rows(driver: Driver, number: int, position: int, last: int) -> None:
    """Remove the rows after ``position`` up to ``last`` from the table, and release their space."""
    begin = first_key(number)
    driver.run(
        "DELETE FROM results_rows WHERE id > ? AND id <= ?", (begin + position, begin + last)
    )
    driver.release_pages()


def finish(driver: Driver, number: int) -> None:
    driver.run("UPDATE results_seals SET done = TRUE WHERE run = ?", (number,))


def blob_of(driver: Driver, number: int) -> str:
    """The file of a run, which may not exist; empty if there is none."""
    rows = driver.query("SELECT blob FROM results_seals WHERE run = ?", (number,))
    return str(rows[0][0]) if rows else ""


def _lock(driver: Driver, number: int) -> None:
    if driver.for_update:
        driver.query(
            "SELECT 1 FROM results_runs WHERE number = ?" + driver.for_update,  # noqa: S608
            (number,),
        )
