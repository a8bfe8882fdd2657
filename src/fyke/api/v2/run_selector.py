"""The run of an operation: by its id, or the newest run of the account or of a worker.

Every operation on a run exists for each of the three, and differs only in its path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from fyke.api.call import Call
from fyke.api.routes import Handler, operation
from fyke.domain.runs.service import Runs
from fyke.domain.workers.service import Workers
from fyke.errors import FykeError, RunNotFound, WorkerNotFound
from fyke.model.account import Scope

ACCOUNT_LAST = "/api/v2/worker-runs/last"
ONE_RUN = "/api/v2/worker-runs/{runId:run}"
WORKER_LAST = "/api/v2/workers/{workerId:worker}/runs/last"
# A client without a worker builds the path of the worker's last run without it.
_ALIAS = "/api/v2/workers/runs/last"


@dataclass(frozen=True, slots=True)
class RunSelector:
    """Finds the run that a path names."""

    runs: Runs
    workers: Workers

    async def find(self, call: Call, run_id: str, worker_id: str) -> str:
        """``run_id`` unchecked if it is set, else the id of the newest run of the worker or
        account.

        Raises ``WorkerNotFound``, and ``RunNotFound`` when there is no run yet.
        """
        if run_id:
            return run_id
        if worker_id:
            worker = await self.workers.find_including_deleted(call.caller, worker_id)
            return await self.runs.newest(call.caller, worker.id)
        return await self.runs.newest(call.caller)


@dataclass(frozen=True, slots=True)
class OperationIds:
    """The ids of the three operations."""

    last: str
    run: str
    worker_last: str


class SharedOptions(TypedDict, total=False):
    """Options of all three operations, see ``fyke.api.routes.Options``."""

    starts: bool
    validated: bool


def for_each_selector(
    method: str,
    suffix: str,
    names: OperationIds,
    *,
    scope: Scope,
    run_suffix: str | None = None,
    errors: Sequence[type[FykeError]] = (),
    hot: bool = False,
    **shared: Unpack[SharedOptions],
) -> Callable[[Handler], Handler]:
    """Declare a function as three operations.

    It has the arguments ``run_id`` and ``worker_id``, which are empty by default; ``{run}`` in its
    docstring is replaced by the selected run. ``run_suffix`` replaces ``suffix`` and ``hot`` is set
    only in the path with a run id.
    """
    one_run = ONE_RUN + (suffix if run_suffix is None else run_suffix)

    def declare(handler: Handler) -> Handler:
        # ``operation`` inserts each before the previous one
        operation(
            method,
            WORKER_LAST + suffix,
            scope=scope,
            id=names.worker_last,
            subject="a worker's newest run",
            errors=(WorkerNotFound, RunNotFound, *errors),
            **shared,
        )(handler)
        operation(
            method,
            one_run,
            scope=scope,
            id=names.run,
            subject="a run",
            errors=(RunNotFound, *errors),
            hot=hot,
            **shared,
        )(handler)
        return operation(
            method,
            ACCOUNT_LAST + suffix,
            scope=scope,
            id=names.last,
            subject="the account's newest run",
            errors=(RunNotFound, *errors),
            aliases=(_ALIAS + suffix,),
            **shared,
        )(handler)

    return declare
