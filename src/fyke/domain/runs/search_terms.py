"""Parses the search terms of a form or a query; all errors are reported together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from fyke.contracts.state import Transaction
from fyke.domain.billing.days import day_start_ms, zone_of
from fyke.domain.runs.search import error_part, run_id_part
from fyke.domain.workers.lookup import find_worker_including_deleted
from fyke.errors import InvalidFields, InvalidRequest, Problem, UnknownFilter, WorkerNotFound
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.run import Origin, Outcome, RunState
from fyke.model.run_list import RunSearch
from fyke.reasons.codes import ENDS

ACTIVE = "active"
EMPTY = "empty"  # succeeded without a row
# The states for users: a run that is being stopped at a limit is still running.
STATE_WORDS: dict[str, tuple[RunState, ...]] = {
    "ready": (RunState.READY,),
    "running": (RunState.RUNNING, RunState.ENDING),
    "aborting": (RunState.ABORTING,),
    "succeeded": (RunState.SUCCEEDED,),
    EMPTY: (RunState.SUCCEEDED,),
    "failed": (RunState.FAILED,),
    "aborted": (RunState.ABORTED,),
    ACTIVE: (RunState.READY, RunState.RUNNING, RunState.ENDING, RunState.ABORTING),
}
_MAX_MS = 10**14  # the year 5138
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_Word = TypeVar("_Word", bound=StrEnum)
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """The text of a search. ``state``, ``outcome``, ``reason`` and ``origin`` may be several words
    separated by commas; ``worker`` is an id or a path, ``task`` an id. ``since`` and ``until`` are
    Unix seconds, a day (``2026-11-24``, for ``until`` to its end), a day and a time
    (``2026-11-24T09:30``) or the length of time before now (``30m``, ``24h``, ``7d``).
    """

    state: str = ""
    outcome: str = ""
    reason: str = ""
    worker: str = ""
    task: str = ""
    origin: str = ""
    version: str = ""
    since: str = ""
    until: str = ""
    error: str = ""
    run: str = ""


def parse_search(
    tx: Transaction, caller: Caller, words: SearchTerms, zone: str, *, since_name: str = "from"
) -> RunSearch:
    """Parse a search; times without an offset are in ``zone``. Raise ``InvalidFields`` with all
    problems, ``UnknownFilter`` when the only one is an unknown worker.
    """
    problems: list[Problem] = []
    errors: list[InvalidRequest] = []

    def read(parse: Callable[[], _Read], default: _Read) -> _Read:
        try:
            return parse()
        except InvalidRequest as error:
            errors.append(error)
            problems.extend(error.problems)
            return default

    search = RunSearch(
        states=read(lambda: _states(words.state), ()),
        outcomes=read(lambda: _words("outcome", words.outcome, Outcome), ()),
        reasons=read(lambda: _words("reason", words.reason, ENDS), ()),
        worker_id=read(lambda: _worker(tx, caller, words.worker), ""),
        task_id=read(lambda: _task(words.task), ""),
        origins=read(lambda: _words("origin", words.origin, Origin), ()),
        version=words.version.strip()[:200],
        created_from=read(lambda: moment(words.since, since_name, zone, now=tx.now), 0),
        created_until=read(
            lambda: moment(words.until, "until", zone, now=tx.now, whole_day=True), 0
        ),
        error=read(lambda: error_part(words.error), ""),
        run_id=read(lambda: run_id_part(words.run), ""),
        without_rows=EMPTY in (states := _split(words.state)) and "succeeded" not in states,
    )
    if 0 < search.created_until <= search.created_from:
        problems.append(Problem(f"must be later than {since_name}", "until"))
    if len(problems) == 1 and errors and isinstance(errors[0], UnknownFilter):
        raise UnknownFilter.of(problems)
    if problems:
        raise InvalidFields.of(problems)
    return search


def _states(text: str) -> tuple[RunState, ...]:
    states: dict[RunState, None] = {}
    for word in _split(text):
        if word not in STATE_WORDS:
            raise InvalidRequest(
                f"unknown state {word[:40]!r}; use {', '.join(STATE_WORDS)}", field="state"
            )
        states |= dict.fromkeys(STATE_WORDS[word])
    return tuple(states)


def _words(field: str, text: str, kind: Iterable[_Word]) -> tuple[_Word, ...]:
    members = {item.value: item for item in kind}
    unique: dict[_Word, None] = {}
    for word in _split(text):
        if word not in members:
            raise InvalidRequest(
                f"unknown {field} {word[:40]!r}; use {', '.join(members)}", field=field
            )
        unique[members[word]] = None
    return tuple(unique)


def _split(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip().lower())]


def _worker(tx: Transaction, caller: Caller, text: str) -> str:
    """The id of a worker that is visible, or that the account has runs of."""
    ref = text.strip()
    if not ref:
        return ""
    past_ids = tx.run_lists.workers(caller.account_id)
    if ref in past_ids:
        return ref
    with contextlib.suppress(WorkerNotFound):
        return find_worker_including_deleted(tx, caller, ref).id
    path = ref.replace("~", "/", 1)
    known = tx.workers.get_all(past_ids)
    for worker_id in past_ids:
        if worker_id in known and known[worker_id].path == path:
            return worker_id
    raise UnknownFilter(
        "unknown worker; use its id, or its path, for example acme/prices", field="worker"
    )


def _task(text: str) -> str:
    ref = text.strip()
    if ref and not is_ulid(ref):
        raise InvalidRequest("must be the id of a task, 26 characters", field="task")
    return ref


def moment(text: str, field: str, zone: str, *, now: int, whole_day: bool = False) -> int:
    """Parse a time (ms), 0 for empty text. A day means its start, or with ``whole_day`` its end;
    ``24h`` is that long before ``now``. Raise ``InvalidRequest``.
    """
    typed = text.strip()
    if not typed:
        return 0
    try:
        at = _before(typed, now) or _moment(typed, zone, whole_day=whole_day)
    except (ValueError, OverflowError):
        at = -1
    if not 0 < at <= _MAX_MS:
        raise InvalidRequest(
            f"{typed[:30]!r} is not a time; write a day as 2026-11-24, with a time as "
            "2026-11-24T09:30, as a time before now such as 24h or 7d, or as Unix seconds",
            field=field,
        )
    return at


def _before(typed: str, now: int) -> int:
    """The time that ``24h`` names, 0 for text of another kind."""
    number, unit = typed[:-1], _UNITS_MS.get(typed[-1:].lower(), 0)
    if not unit or not number.isascii() or not number.isdigit():
        return 0
    return now - int(number[:9]) * unit


def _moment(typed: str, zone: str, *, whole_day: bool) -> int:
    if typed.isascii() and typed.isdigit() and len(typed) != 8:  # 20261124 is a day
        return int(typed[:15]) * 1000
    if len(typed) in (8, 10):
        day = date.fromisoformat(typed)
        return day_start_ms(day + timedelta(days=1) if whole_day else day, zone)
    at = datetime.fromisoformat(typed)
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone_of(zone))
    return round(at.timestamp() * 1000)
