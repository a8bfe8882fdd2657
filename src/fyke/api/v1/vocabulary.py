"""The vocabulary of v1: its status numbers, its units."""

from __future__ import annotations

from fyke.domain.callbacks.payload import NUMBERS
from fyke.model.billing import MICROS
from fyke.model.run import Origin, RunState

ORIGIN: dict[Origin, str] = {
    Origin.API: "api",
    Origin.API_V2: "api_v2",
    Origin.WEB: "web",
    Origin.SCHEDULE: "schedule",
    Origin.TEST: "web",  # clients know no other word for it
}

# Callers of the other version send its words; they are unambiguous, so they are understood.
STATUS_NAMES: dict[str, int] = {
    "ready": 1,
    "running": 2,
    "succeeded": 3,
    "failed": 4,
    "aborting": 5,
    "aborted": 5,
}


def states_of(status: int) -> tuple[RunState, ...]:
    """The states that v1 shows as ``status``; 0 means all of them, which is no filter."""
    return tuple(state for state, number in NUMBERS.items() if number == status)


def seconds(ms: int) -> int:
    """Unix seconds of a time in ms; 0 stays 0."""
    return ms // 1000


def usd(micros: int) -> int | float:
    """A number of US dollars, an integer where it is one."""
    whole, rest = divmod(micros, MICROS)
    return micros / MICROS if rest else whole


def megabytes(size: int) -> int | float:
    """A number of MB (10^6 bytes), an integer where it is one."""
    whole, rest = divmod(size, 1_000_000)
    return size / 1_000_000 if rest else whole
