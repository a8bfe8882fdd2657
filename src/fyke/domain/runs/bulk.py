"""One action on many runs, with a result for each: abort, rerun, delete.

Each run is processed by itself: a refusal for one does not affect the others.
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
from fyke.model.run_list import MAX_MATCHED, MAX_NAMED, BulkAction, RunSearch

_LABELS = {
    BulkAction.ABORT: "Aborting runs",
    BulkAction.RERUN: "Starting runs",
    BulkAction.DELETE: "Deleting runs",
}
# The states that an action on all matching runs applies to; others are skipped, not refused.
_MEANT: dict[BulkAction, tuple[RunState, ...]] = {
    BulkAction.ABORT: (RunState.READY, RunState.RUNNING),
    BulkAction.RERUN: tuple(RunState),
    BulkAction.DELETE: tuple(TERMINAL_STATES),
}


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The result for one run: ``error`` is None after success; ``new_run_id`` of a rerun."""

    run_id: str
    error: FykeError | None = None
    new_run_id: str = ""


@dataclass(frozen=True, slots=True)
class BulkAnswer:
    """One result for each run, in order. ``more``: further runs match; repeat the request."""

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

    async def named(
        self,
        caller: Caller,
        action: BulkAction,
        run_ids: Sequence[str],
        origin: Origin,
        *,
        callback_url: str = "",
        key: StartKey | None = None,
    ) -> BulkAnswer:
        """Process the named runs in order, each once. Raises ``Forbidden``, and ``InvalidRequest``
        when none or too many are named.
        """
        require_editor(caller, _LABELS[action])
        wanted = list(dict.fromkeys(run_ids))
        if not wanted:
            raise InvalidRequest(
                "name at least one run, or all that match with all_matching", field="runs"
            )
        if len(wanted) > MAX_NAMED:
            raise InvalidRequest(
                f"at most {MAX_NAMED} runs may be named at once, and {len(wanted)} are; "
                "send several requests, or use all_matching",
                field="runs",
            )
        return BulkAnswer(await self._each(caller, action, wanted, origin, callback_url, key))

    async def matching(
        self,
        caller: Caller,
        action: BulkAction,
        search: RunSearch,
        origin: Origin,
        *,
        callback_url: str = "",
        key: StartKey | None = None,
    ) -> BulkAnswer:
        """Do it to all that match and that it makes sense for (an abort: to what is not over), up
        to ``MAX_MATCHED``, the oldest of those first. Raises ``Forbidden``.
        """
        require_editor(caller, _LABELS[action])
        meant = tuple(s for s in search.states or tuple(RunState) if s in _MEANT[action])
        if not meant:
            return BulkAnswer([])
        narrowed = search
        if set(meant) != set(RunState):
            narrowed = replace(search, states=meant)
        run_ids, more = await self._lists.ids(caller, narrowed, MAX_MATCHED)
        run_ids.reverse()
        results = await self._each(caller, action, run_ids, origin, callback_url, key)
        return BulkAnswer(results, more)

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
            if down is not None:  # the store is down for the others too: do not wait for each
                results.append(BulkResult(run_id, down))
                continue
            own = _key_of(key, run_id) if key else None
            try:
                new = await self._one(caller, action, run_id, origin, callback_url, own)
                results.append(BulkResult(run_id, new_run_id=new))
                repeated += [own.replayed] if own else []
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
