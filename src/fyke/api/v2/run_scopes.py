"""Which run an operation is about: one by its id, or the caller's newest, of all or of a worker.

What can be done with a run can be done in each of the three ways, and differs only in the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from pydantic import BaseModel, create_model

from fyke.api.call import Call
from fyke.api.decode import Wire
from fyke.api.errors import TABLE_V2, WireError
from fyke.api.operations import Handler, Operation
from fyke.api.v2.fields import RunRef, WorkerRef
from fyke.domain.runs.service import Runs
from fyke.domain.workers.service import Workers
from fyke.errors import RunNotFound, WorkerNotFound

F = TypeVar("F", bound=Wire)

ACCOUNT_LAST = "/api/v2/worker-runs/last"
ONE_RUN = "/api/v2/worker-runs/{runId:run}"
WORKER_LAST = "/api/v2/workers/{workerId:worker}/runs/last"
# A client that was given no worker builds the path of a worker's last run without one.
_ALIAS = "/api/v2/workers/runs/last"


@dataclass(frozen=True, slots=True)
class RunScopes:
    """Finds the run that the fields of a request name."""

    runs: Runs
    workers: Workers

    async def run_id(self, call: Call, wanted: Wire) -> str:
        """The id as it was given, not looked up, or that of the newest run.

        Raises ``WorkerNotFound``, and ``RunNotFound`` when there is no run yet.
        """
        if isinstance(wanted, RunRef):
            return wanted.run_id
        if isinstance(wanted, WorkerRef):
            worker = await self.workers.of_runs(call.caller, wanted.worker_id)
            return await self.runs.newest(call.caller, worker.id)
        return await self.runs.newest(call.caller)


@dataclass(frozen=True, slots=True)
class Names:
    """The operation ids of one thing to do, by scope."""

    last: str
    run: str
    worker_last: str


def in_all_scopes(
    method: str,
    suffix: str,
    names: Names,
    *,
    tag: str,
    summary: str,
    fields: type[F],
    handler: Handler[F],
    answer: type[BaseModel] | None = None,
    description: str = "",
    run_suffix: str | None = None,
    errors: Sequence[WireError] = (),
    hot: bool = False,
    starts: bool = False,
    validated: bool = False,
) -> list[Operation[Any]]:
    """The three operations of one thing to do.

    ``fields`` is what it takes beside the reference, and all that ``handler`` needs to know;
    ``{run}`` in ``summary`` is the run it is about. ``run_suffix`` is for the one path that is
    spelled differently; ``hot`` is for a run named by its id.
    """
    build = partial(
        Operation,
        method,
        tag=tag,
        handler=handler,
        answer=answer,
        description=description,
        starts=starts,
        validated=validated,
    )
    unknown_run, unknown_worker = TABLE_V2[RunNotFound], TABLE_V2[WorkerNotFound]
    return [
        build(
            ACCOUNT_LAST + suffix,
            id=names.last,
            summary=summary.format(run="the account's newest run"),
            fields=fields,
            errors=(unknown_run, *errors),
            aliases=(_ALIAS + suffix,),
        ),
        build(
            ONE_RUN + (suffix if run_suffix is None else run_suffix),
            id=names.run,
            summary=summary.format(run="a run"),
            fields=_with(fields, RunRef),
            errors=(unknown_run, *errors),
            path_fields=("runId",),
            hot=hot,
        ),
        build(
            WORKER_LAST + suffix,
            id=names.worker_last,
            summary=summary.format(run="a worker's newest run"),
            fields=_with(fields, WorkerRef),
            errors=(unknown_worker, unknown_run, *errors),
            path_fields=("workerId",),
        ),
    ]


def _with(fields: type[F], reference: type[Wire]) -> type[F]:
    """``fields`` and the reference in the path as one model."""
    name = f"{reference.__name__}{fields.__name__}"
    return cast(type[F], create_model(name, __base__=(reference, fields)))
