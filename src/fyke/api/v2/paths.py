"""What a path of v2 may name.

A worker is named by its id, by ``owner~name``, or by ``owner/name`` with the slash as it is or
encoded (the server decodes a path before it is matched, so both look alike). The second part of
such a name must not be mistaken for what follows a worker in a path, and the run called ``last``
is not an id: literal segments win.
"""

from __future__ import annotations

from starlette.convertors import StringConvertor

_AFTER_A_WORKER = ("runs", "queued-runs", "input-schema", "versions", "internal", "events")


class WorkerReference(StringConvertor):
    """``{workerId:worker}``: one segment, or two when the second is a worker's name."""

    regex = rf"[^/]+(?:/(?!(?:{'|'.join(_AFTER_A_WORKER)})(?:/|$))[^/]+)?"

    def to_string(self, value: str) -> str:
        return value


class RunReference(StringConvertor):
    """``{runId:run}``: one segment that is not ``last``."""

    regex = r"(?!last(?:/|$))[^/]+"
