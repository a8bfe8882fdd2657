"""One action on many runs, with a result for each: abort, rerun, delete.

Each run is processed separately: a refusal of one does not affect the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fyke.domain.accounts.rights import require_editor
from fyke.domain.runs.lists import RunLists
from fyke.domain.runs.service import Runs
from fyke.domain.runs.start_keys import StartKey
from fyke.errors import FykeError, InvalidRequest, Unavailable
from fyke.model.account import Caller
from fyke.model.run import TERMINAL_STATES, Origin, RunState
from fyke.model.run_list import RunSearch
from fyke.model.run_list_limits import MAX_MATCHED, MAX_NAMED, BulkAction

_LABELS = {
    BulkAction.ABORT: "Aborting runs",
    BulkAction.RERUN: "Starting runs",
    BulkAction.DELETE: "Deleting runs",
}
# The states that an action on all matching runs applies to; other runs are skipped, not refused.
_STATES: dict[BulkAction, tuple[RunState, ...]] = {
    BulkAction.ABORT: (RunState.READY, RunState.RUNNING),
    BulkAction.RERUN: tuple(RunState),
    BulkAction.DELETE: tuple(TERMINAL_STATES),
}


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The result for one run. ``error`` is None after success; ``new_run_id``: the run that a rerun
    has started.
    """

    run_id: str
    error: FykeError | None = None
    new_run_id: str = ""


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """One result for each run, in order. ``more``: other runs match, so repeat the request."""

    results: list[BulkResult]
    more: bool = False

    @property
    def done(self) -> int:
        return sum(1 for result in self.results if result.error is None)


class RunBulk:
    """Runs an action on many runs of the caller's account."""

    def __init__(self, runs: Runs, lists: RunLists) -> None:
        self._runs = runs
        self._lists = lists

    def require_allowed(self, caller: Caller, action: BulkAction) -> None:
        """Raise ``Forbidden`` for a user who may not do this."""
        require_editor(caller, _LABELS[action])

    async def apply_to_named(
        self,
        caller: Caller,
        action: BulkAction,
        run_ids: Sequence[str],
        origin: Origin,
        *,
        callback_url: str = "",
        key: StartKey | None = None,
    ) -> BulkOutcome:
        """Process the runs of these ids in order, each once. Raises ``Forbidden``, and
        ``InvalidRequest`` when none or too many are named.
        """
        self.require_allowed(caller, action)
        unique_ids = list(dict.fromkeys(run_ids))
        if not unique_ids:
            raise InvalidRequest(
                "name at least one run, or all that match with all_matching", field="runs"
            )
        if len(unique_ids) > MAX_NAMED:
            raise InvalidRequest(
                f"at most {MAX_NAMED} runs may be named at once, and {len(unique_ids)} are; "
                "send several requests, or use all_matching",
                field="runs",
            )
        return BulkOutcome(await self._each(caller, action, unique_ids, origin, callback_url, key))

    async def apply_to_matching(
        self,
        caller: Caller,
        action: BulkAction,
        search: RunSearch,
        origin: Origin,
        *,
        callback_url: str = "",
        key: StartKey | None = None,
    ) -> BulkOutcome:
        """Process all matching runs in states that the action applies to, the newest
        ``MAX_MATCHED``, in order of creation. Raises ``Forbidden``.
        """
        self.require_allowed(caller, action)
        states = tuple(s for s in search.states or tuple(RunState) if s in _STATES[action])
        if not states:
            return BulkOutcome([])
        if set(states) != set(RunState):
            search = replace(search, states=states)
        run_ids, has_more = await self._lists.ids(caller, search, MAX_MATCHED)
        run_ids.reverse()
        results = await self._each(caller, action, run_ids, origin, callback_url, key)
        return BulkOutcome(results, has_more)

    async def _each(
        self,
        caller: Caller,
        action: BulkAction,
        run_ids: Sequence[str],
        origin: Origin,
        callback_url: str,
        key: StartKey | None,
    ) -> list[BulkResult]:
        results: list[BulkResult] = []
        repeated: list[bool] = []  # for each new run: whether an earlier request had started it
        down: Unavailable | None = None
        for run_id in run_ids:
            if down is not None:  # the storage is unavailable: do not wait for it with each run
                results.append(BulkResult(run_id, down))
                continue
            run_key = _key_of(key, run_id) if key else None
            try:
                new_run_id = await self._one(caller, action, run_id, origin, callback_url, run_key)
                results.append(BulkResult(run_id, new_run_id=new_run_id))
                repeated += [run_key.replayed] if run_key else []
            except FykeError as error:
                results.append(BulkResult(run_id, error))
                down = error if isinstance(error, Unavailable) else None
        if key is not None:
            key.replayed = bool(repeated) and all(repeated)
        return results

    async def _one(
        self,
        caller: Caller,
        action: BulkAction,
        run_id: str,
        origin: Origin,
        callback_url: str,
        key: StartKey | None,
    ) -> str:
        match action:
            case BulkAction.ABORT:
                await self._runs.abort(caller, run_id)
                return ""
            case BulkAction.DELETE:
                await self._runs.delete(caller, run_id)
                return ""
            case BulkAction.RERUN:
                run = await self._runs.rerun(caller, run_id, callback_url, origin, key=key)
                return run.id


def _key_of(key: StartKey, run_id: str) -> StartKey:
    """A start key for each run of a request with a key, so that each is started once."""
    text = hashlib.sha256(f"{run_id} {key.text}".encode()).hexdigest()
    return StartKey(f"bulk {text}", hashlib.sha256(f"{run_id} {key.digest}".encode()).hexdigest())
