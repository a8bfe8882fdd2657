"""Finds the workers, tasks and runs of an account by a few letters, with few bounded queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.lists import RunLists, RunRow
from fyke.domain.runs.search import run_id_part
from fyke.domain.workers.lookup import view_for
from fyke.errors import InvalidRequest
from fyke.model.account import Caller
from fyke.model.run_list import RunSearch
from fyke.model.task import Task
from fyke.model.worker import MAX_SEARCH, Worker, WorkerOrder

MAX_EACH = 6  # of each kind
MIN_ID = 4  # characters of a run's id
LATEST = 500  # runs whose last characters are compared
_NO_SEARCH = RunSearch()


@dataclass(frozen=True, slots=True)
class Matches:
    """At most ``MAX_EACH`` of each kind, the most relevant first."""

    workers: Sequence[Worker] = ()
    tasks: Sequence[Task] = ()
    runs: Sequence[RunRow] = ()


class Finder:
    """Finds what the caller's account may see: public workers, and what belongs to the account."""

    def __init__(self, storage: Storage, lists: RunLists) -> None:
        self._storage = storage
        self._lists = lists

    async def find(self, caller: Caller, text: str) -> Matches:
        """Find workers and tasks that contain ``text``, and runs by the beginning or the end of
        their id, otherwise those of the first worker found. A blank text finds the latest runs.
        """
        text = text.strip()[:MAX_SEARCH]
        workers, tasks, run_ids = await self._storage.read(lambda tx: _find(tx, caller, text))
        return Matches(workers, tasks, await self._lists.rows(caller, run_ids))


def _find(tx: Transaction, caller: Caller, text: str) -> tuple[list[Worker], list[Task], list[str]]:
    account_id = caller.account_id
    if not text:
        return [], [], _latest(tx, account_id, _NO_SEARCH, MAX_EACH)
    _, found = tx.workers.search(
        text, account_id=account_id, offset=0, limit=MAX_EACH, order=WorkerOrder.USED
    )
    workers = [view_for(worker, caller) for worker in found]
    _, tasks = tx.tasks.of_account(account_id, offset=0, limit=MAX_EACH, keyword=text)
    run_ids = _by_id(tx, account_id, text)
    if not run_ids and workers:
        run_ids = _latest(tx, account_id, RunSearch(worker_id=workers[0].id), MAX_EACH)
    return workers, tasks, run_ids


def _by_id(tx: Transaction, account_id: str, text: str) -> list[str]:
    """Runs whose id begins with ``text``, or one of the latest whose id ends with it, as lists
    show it.
    """
    text = text.removeprefix("…")
    if len(text) < MIN_ID:
        return []
    try:
        part = run_id_part(text)
    except InvalidRequest:
        part = ""  # a first character that is too large, or no id at all
    if part and (found := _latest(tx, account_id, RunSearch(run_id=part), MAX_EACH)):
        return found
    tail = text.upper()
    if not (tail.isascii() and tail.isalnum()):
        return []
    latest = _latest(tx, account_id, _NO_SEARCH, LATEST)
    return [run_id for run_id in latest if run_id.endswith(tail)][:MAX_EACH]


def _latest(tx: Transaction, account_id: str, search: RunSearch, limit: int) -> list[str]:
    walked = tx.run_lists.walk(account_id, search, None, limit=limit)
    return [cursor.run_id for cursor in walked.cursors]
