"""The ledger: entries are added, never changed; an account's balance is their sum."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MICROS = 1_000_000


class EntryKind(StrEnum):
    CREDIT = "credit"  # money or traffic added by the operator
    HOLD = "hold"  # set aside at the start of a run
    RELEASE = "release"  # the hold given back at its end
    USAGE = "usage"  # what the run really cost


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One movement. Signed: positive adds to what the account has."""

    id: str
    account_id: str
    at: int
    kind: EntryKind
    usd_micros: int
    traffic_bytes: int
    run_id: str
    note: str
