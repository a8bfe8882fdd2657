"""Sealed runs, and stores whose runs are sealed before they are read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from fyke.model.results import AttemptBatch
from fyke.storage.sql.results import seal, sealing
from fyke.storage.sql.results.store import SqlResults
from fyke.storage.sql.results.tables import first_key
from support.rows import plain
from support.stores import open_rows


class Rows(StrEnum):
    """Where the rows of a run are."""

    HOT = "hot"
    SEALED = "sealed"
    HALF_REMOVED = "half-removed"  # in the file, and every other row also in the table


def seal_small_frames(patch: pytest.MonkeyPatch) -> None:
    """Seal without pauses, in frames of a few rows."""
    patch.setattr(seal, "FRAME_ROWS", 64)
    patch.setattr(sealing, "MAX_PAUSE", 0.0)


def seal_before_reads(store: SqlResults, rows: Rows, patch: pytest.MonkeyPatch) -> None:
    """Seal all runs, even open ones, before each read of rows of this store."""
    if rows is Rows.HOT:
        return
    seal_small_frames(patch)
    patch.setattr(seal, "_OPEN_ATTEMPTS", f"{seal._OPEN_ATTEMPTS} OFFSET 999")
    if rows is Rows.HALF_REMOVED:
        patch.setattr(sealing.RowSealer, "_remove_rows", _remove_every_other)

    for name in ("_read_visible", "rows_at", "data_at"):
        read = getattr(store, name)

        async def sealed_read(*arguments: Any, read: Any = read, **options: Any) -> Any:
            await seal_all(store)
            return await read(*arguments, **options)

        patch.setattr(store, name, sealed_read)


async def seal_all(store: SqlResults) -> None:
    runs = await store._read(
        lambda driver: driver.query("SELECT run_id FROM results_runs WHERE run_id IS NOT NULL")
    )
    await store.seal_runs([run_id for (run_id,) in runs], 1)


async def _remove_every_other(sealer: sealing.RowSealer, number: int, rows: int) -> None:
    begin = first_key(number)
    await sealer._write(
        lambda driver: driver.run_many(
            "DELETE FROM results_rows WHERE id = ?", [(begin + n,) for n in range(1, rows + 1, 2)]
        )
    )


async def sealed_run_in(folder: Path, run: str, *attempts: str) -> str:
    """Store ten rows of each attempt in ``rows.db`` in the folder, seal the run, and return its
    blob.
    """
    async with open_rows(f"sqlite:///{folder / 'rows.db'}", blobs=folder / "blobs") as store:
        for attempt in attempts:
            await store.open_attempt(run, attempt)
            await store.commit([AttemptBatch(run, attempt, plain(*range(10)))])
            await store.close_attempt(attempt)
        await store.seal_runs([run], 1)
        [(blob,)] = await store._read(
            lambda driver: driver.query(
                "SELECT blob FROM results_seals s JOIN results_runs r ON r.number = s.run "
                "WHERE r.run_id = ?",
                (run,),
            )
        )
        return str(blob)
