"""From the words of a form or a query to a search; every wrong word is reported at once."""

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
from fyke.errors import InvalidFields, InvalidRequest, Problem, WorkerNotFound
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.run import Origin, Outcome, RunState
from fyke.model.run_list import RunSearch
from fyke.reasons.codes import ENDS

ACTIVE = "active"
# The states as users know them: a run that is being stopped at a limit is still running.
STATE_WORDS: dict[str, tuple[RunState, ...]] = {
    "ready": (RunState.READY,),
    "running": (RunState.RUNNING, RunState.ENDING),
    "aborting": (RunState.ABORTING,),
    "succeeded": (RunState.SUCCEEDED,),
    "failed": (RunState.FAILED,),
    "aborted": (RunState.ABORTED,),
    ACTIVE: (RunState.READY, RunState.RUNNING, RunState.ENDING, RunState.ABORTING),
}
_LAST_MS = 10**14  # of what can be asked for: the year 5138
_Word = TypeVar("_Word", bound=StrEnum)
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """A search as it is typed. ``state``, ``outcome``, ``reason`` and ``origin`` may be several
    words with commas between; ``worker`` is an id or a path, ``task`` an id. ``since`` and
    ``until`` are Unix seconds, a day (``2026-11-24``, that of ``until`` is meant with all of its
    hours) or a day and a time (``2026-11-24T09:30``) in ``zone``.
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


def search_of(
    tx: Transaction, caller: Caller, words: SearchTerms, zone: str, *, since_name: str = "from"
) -> RunSearch:
    """The search that is meant. Raise ``InvalidFields`` with the problem of each wrong word."""
    problems: list[Problem] = []

    def read(how: Callable[[], _Read], otherwise: _Read) -> _Read:
        try:
            return how()
        except InvalidRequest as error:
            problems.extend(error.problems)
            return otherwise

    search = RunSearch(
        states=read(lambda: _states(words.state), ()),
        outcomes=read(lambda: _words("outcome", words.outcome, Outcome), ()),
        reasons=read(lambda: _words("reason", words.reason, ENDS), ()),
        worker_id=read(lambda: _worker(tx, caller, words.worker), ""),
        task_id=read(lambda: _task(words.task), ""),
        origins=read(lambda: _words("origin", words.origin, Origin), ()),
        version=words.version.strip()[:200],
        created_from=read(lambda: moment(words.since, since_name, zone), 0),
        created_until=read(lambda: moment(words.until, "until", zone, whole_day=True), 0),
        error=read(lambda: error_part(words.error), ""),
        run_id=read(lambda: run_id_part(words.run), ""),
    )
    if 0 < search.created_until <= search.created_from:
        problems.append(Problem(f"must be later than {since_name}", "until"))
    if problems:
        raise InvalidFields.of(problems)
    return search


def _states(text: str) -> tuple[RunState, ...]:
    found: dict[RunState, None] = {}
    for word in _split(text):
        if word not in STATE_WORDS:
            raise InvalidRequest(
                f"unknown state {word[:40]!r}; use {', '.join(STATE_WORDS)}", field="state"
            )
        found |= dict.fromkeys(STATE_WORDS[word])
    return tuple(found)


def _words(field: str, text: str, kind: Iterable[_Word]) -> tuple[_Word, ...]:
    known = {each.value: each for each in kind}
    found: dict[_Word, None] = {}
    for word in _split(text):
        if word not in known:
            raise InvalidRequest(
                f"unknown {field} {word[:40]!r}; use {', '.join(known)}", field=field
            )
        found[known[word]] = None
    return tuple(found)


def _split(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip().lower())]


def _worker(tx: Transaction, caller: Caller, text: str) -> str:
    """Also a worker that is not visible any more, as long as the account has runs of it."""
    ref = text.strip()
    if not ref:
        return ""
    used = tx.run_lists.workers(caller.account_id)
    if ref in used:
        return ref
    with contextlib.suppress(WorkerNotFound):
        return find_worker_including_deleted(tx, caller, ref).id
    past = (tx.workers.get(worker_id) for worker_id in used)
    named = (worker.id for worker in past if worker and worker.path == ref.replace("~", "/", 1))
    found = next(named, "")
    if not found:
        raise InvalidRequest(
            "unknown worker; use its id, or its path such as acme/prices", field="worker"
        )
    return found


def _task(text: str) -> str:
    ref = text.strip()
    if ref and not is_ulid(ref):
        raise InvalidRequest("must be the id of a task, 26 characters", field="task")
    return ref


def moment(text: str, field: str, zone: str, *, whole_day: bool = False) -> int:
    """The moment (ms) that was typed, 0 for nothing; of a day its beginning, or with ``whole_day``
    its end. Raise ``InvalidRequest``.
    """
    typed = text.strip()
    if not typed:
        return 0
    try:
        found = _moment(typed, zone, whole_day=whole_day)
    except (ValueError, OverflowError):
        found = -1
    if not 0 < found <= _LAST_MS:
        raise InvalidRequest(
            f"{typed[:30]!r} is no time; write a day as 2026-11-24, with a time as "
            "2026-11-24T09:30, or Unix seconds",
            field=field,
        )
    return found


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
