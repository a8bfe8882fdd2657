"""Which run an operation is about: one by its id, or the caller's newest, of all or of a worker.

What can be done with a run can be done in each of the three ways, and differs only in the path.
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
# A client that was given no worker builds the path of a worker's last run without one.
_ALIAS = "/api/v2/workers/runs/last"


@dataclass(frozen=True, slots=True)
class RunScopes:
    """Finds the run that a path names."""

    runs: Runs
    workers: Workers

    async def find(self, call: Call, run_id: str, worker_id: str) -> str:
        """``run_id`` as it was given, not looked up, or the id of the newest run, of all without
        ``worker_id``.

        Raises ``WorkerNotFound``, and ``RunNotFound`` when there is no run yet.
        """
        if run_id:
            return run_id
        if worker_id:
            worker = await self.workers.find_including_deleted(call.caller, worker_id)
            return await self.runs.newest(call.caller, worker.id)
        return await self.runs.newest(call.caller)


@dataclass(frozen=True, slots=True)
class Names:
    """The operation ids of the three operations."""

    last: str
    run: str
    worker_last: str


class Shared(TypedDict, total=False):
    """What the three operations have in common, see ``fyke.api.routes.Options``."""

    starts: bool
    validated: bool


def in_all_scopes(
    method: str,
    suffix: str,
    names: Names,
    *,
    scope: Scope,
    run_suffix: str | None = None,
    errors: Sequence[type[FykeError]] = (),
    hot: bool = False,
    **shared: Unpack[Shared],
) -> Callable[[Handler], Handler]:
    """Declare the function to be three operations.

    It has the arguments ``run_id`` and ``worker_id``, which are empty by default; ``{run}`` in its
    docstring is the run it is about. ``run_suffix`` is for the one path that is spelled
    differently; ``hot`` is for a run named by its id.
    """
    one_run = ONE_RUN + (suffix if run_suffix is None else run_suffix)

    def declare(handler: Handler) -> Handler:
        # each comes before those that are declared already
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
