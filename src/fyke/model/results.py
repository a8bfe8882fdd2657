"""Headers, rows, and the batch in which an attempt commits them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from fyke.model.log import NewLogEntry

ROW_ID = "__coreclaw_data_id__"
UPSERT_KEY = "__coreclaw_upsert_key__"
UPSERT_VALUE = "__coreclaw_upsert_value__"

MAX_ROW_BYTES = 8 * 2**20
MAX_HEADERS = 10_000  # columns that one call declares
MAX_RUN_ROWS = 1_000_000
MAX_RUN_ROW_BYTES = 2**30
LAST_BATCH = 2**31 - 1  # the number of the batch with the line about a returned attempt

_texts = msgspec.json.Decoder(list[msgspec.Raw]).decode


ROWS_LOST_AT = "rows_lost_at"  # a fact about the installation: no row was kept of runs that ended
# up to this time, in milliseconds


@dataclass(frozen=True, slots=True)
class Header:
    """One column as a Worker or its output schema declared it."""

    label: str
    key: str
    format: str


@dataclass(frozen=True, slots=True)
class Row:
    """A stored row. ``position`` is 1-based and without gaps within its run."""

    run_id: str
    position: int
    attempt_id: str
    data: bytes  # one JSON object, UTF-8, numbers exactly as pushed


@dataclass(frozen=True, slots=True)
class RowBlock:
    """The positions of some rows, and a JSON array of their data."""

    positions: list[int]
    data: bytes

    @classmethod
    def of(cls, positions: Iterable[int], texts: Iterable[bytes]) -> RowBlock:
        return cls(list(positions), b"[%s]" % b",".join(texts))

    def __len__(self) -> int:
        return len(self.positions)

    def texts(self) -> list[bytes]:
        """The data of each row."""
        return list(map(bytes, _texts(self.data)))


@dataclass(frozen=True, slots=True)
class PushedRow:
    """A decoded row: canonical JSON, and the key and value of its upsert, if any."""

    data: bytes
    upsert_key: str = ""
    upsert_value: str = ""


@dataclass(slots=True)
class AttemptBatch:
    """Rows, headers and log lines of one attempt, which are stored together or not at all.

    ``number`` counts up from 1 in each attempt; 0: not numbered, as lines that the platform writes.
    A batch that is sent again has its number and its content.
    """

    run_id: str
    attempt_id: str
    rows: list[PushedRow] = field(default_factory=list)
    headers: list[Header] | None = None  # replace the earlier ones of this attempt
    log: list[NewLogEntry] = field(default_factory=list)
    number: int = 0


@dataclass(frozen=True, slots=True)
class RunTotals:
    """The visible rows of a run and their bytes, across all its attempts. ``kept``: how many of the
    rows belong to a hidden attempt, and are shown because another one has upserted them too.
    """

    rows: int
    row_bytes: int
    kept: int = 0
