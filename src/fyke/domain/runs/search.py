"""What is asked of a long list of runs, and what it answers: models without any state.

A walk through history goes from place to place. A place is the moment of creation and the id of a
run, which together are unique and in order, so that whoever goes on from one misses nothing and
sees nothing twice, whatever has begun in the meantime.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from fyke.domain.runs.model import Origin, Outcome, RunState
from fyke.errors import InvalidRequest

_PLACE = re.compile(r"([0-9]{1,15})-([0-9A-Z]{26})")
_RUN_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{0,25}")
MOST_ERROR_CHARS = 200


@dataclass(frozen=True, slots=True)
class RunSearch:
    """Which runs are meant. Empty members do not filter; all others have to hold at once.

    ``run_id`` is a whole id or how one begins, ``error`` a part of the message (capital and small
    letters of ASCII are the same). Times in ms: from ``created_from``, before ``created_until``.
    """

    states: tuple[RunState, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    worker_id: str = ""
    task_id: str = ""
    origins: tuple[Origin, ...] = ()
    version: str = ""
    created_from: int = 0
    created_until: int = 0
    error: str = ""
    run_id: str = ""

    @property
    def filters(self) -> frozenset[str]:
        """Names of the members that are in use."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name))


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a walk goes on: behind this run, on the way that it came."""

    created_at: int  # ms
    run_id: str

    def text(self) -> str:
        return f"{self.created_at}-{self.run_id}"


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run as a list shows it: without its input, of which ``summary`` is one line.

    ``input_json`` is there only for a run without a summary whose input is short: an old one.
    """

    id: str
    account_id: str
    worker_id: str
    version: str
    task_id: str
    key_id: str
    origin: Origin
    state: RunState
    outcome: Outcome | None
    err_msg: str
    summary: str
    input_json: str
    memory_mb: int
    timeout_s: int
    region: str
    subtasks: int
    subtasks_succeeded: int
    subtasks_failed: int
    results: int
    usage_micros: int
    traffic_bytes: int
    created_at: int
    started_at: int
    finished_at: int


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk found, in its direction. ``stopped`` is where it gave up looking because that
    was enough for one question; None when it found what was wanted, or came to the end.
    """

    places: list[Place]
    stopped: Place | None = None


def place_of(text: str) -> Place:
    """The place that ``Place.text`` wrote. Raise ``InvalidRequest``."""
    match = _PLACE.fullmatch(text.strip())
    if not match:
        raise InvalidRequest("cursor: use next_cursor or previous_cursor of an earlier answer")
    return Place(int(match[1]), match[2])


def run_id_part(text: str) -> str:
    """``text`` as an id or the beginning of one. Raise ``InvalidRequest``."""
    part = text.strip().upper()
    if part and not _RUN_ID.fullmatch(part):
        raise InvalidRequest(
            "run: must be the id of a run or how it begins: up to 26 digits and capital letters "
            "without I, L, O and U"
        )
    return part


def error_part(text: str) -> str:
    """``text`` as a part of an error message. Raise ``InvalidRequest`` when it is too long."""
    part = text.strip()
    if len(part) > MOST_ERROR_CHARS:
        raise InvalidRequest(f"error: must be at most {MOST_ERROR_CHARS} characters")
    return part
