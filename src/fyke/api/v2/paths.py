"""Path parameters of v2.

A worker is named by its id, by ``owner~name``, or by ``owner/name`` with the slash encoded or not
(the server decodes a path before matching it, so both are the same). Literal segments take
precedence: the second part of such a name is not one of the segments after a worker, and ``last``
is not the id of a run.
"""

from __future__ import annotations

from starlette.convertors import StringConvertor

_WORKER_SUBPATHS = ("runs", "queued-runs", "input-schema", "versions", "internal", "events")


class WorkerReference(StringConvertor):
    """``{workerId:worker}``: one segment, or two when the second is a worker's name."""

    regex = rf"[^/]+(?:/(?!(?:{'|'.join(_WORKER_SUBPATHS)})(?:/|$))[^/]+)?"

    def to_string(self, value: str) -> str:
        return value


class RunReference(StringConvertor):
    """``{runId:run}``: one segment that is not ``last``."""

    regex = r"(?!last(?:/|$))[^/]+"
