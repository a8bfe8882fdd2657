"""The detail of one run, the answer that clients poll until the run has ended.

It is read in the event loop. The answer about an ended run is kept as bytes, and is current as long
as the run and its worker are unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from fyke.api.decode import MAX_DEPTH, too_deep
from fyke.api.envelope import encode
from fyke.api.etags import tag_of
from fyke.api.hot.kept import Encoded, KeptAnswers
from fyke.api.hot.route import Asked, HotRead
from fyke.api.v2.run_selector import ONE_RUN
from fyke.contracts.inline import InlineStorage, at_once
from fyke.domain.runs.service import Runs, RunView
from fyke.model.account import Caller
from fyke.model.run import RunState
from fyke.wire import v1
from fyke.wire.v2.runs import WorkerRun

# These depend on the time and on what the client has read before, see ``AbortingReaders``.
_ABORTED = (RunState.ABORTING, RunState.ABORTED)


class _RunRef(msgspec.Struct):
    run_slug: str


_run_ref = msgspec.json.Decoder(_RunRef)


class _Details:
    """Reads details, and keeps those of ended runs. ``runs`` reads ``state``; ``encoded`` makes the
    answer, None has the full path.
    """

    def __init__(
        self, runs: Runs, state: InlineStorage, encoded: Callable[[RunView], Encoded | None]
    ) -> None:
        self._runs = runs
        self._state = state
        self._encoded = encoded
        self._kept = KeptAnswers(state.version)

    def get(self, caller: Caller, run_id: str) -> Encoded | None:
        version, key = self._state.version(), (caller.account_id, run_id)
        kept = self._kept.get(version, key, lambda: self._state.revision(run_id))
        if kept is not None:
            return kept
        view = at_once(self._runs.get(caller, run_id))
        encoded = self._encoded(view)
        if encoded is not None and view.run.state.terminal:
            self._kept.put(version, key, encoded, self._state.revision(run_id))
        return encoded


class RunDetailV1(HotRead):
    """``POST /api/v1/run/detail``."""

    method: ClassVar[str] = "POST"
    path: ClassVar[str] = "/api/v1/run/detail"

    def __init__(self, runs: Runs, state: InlineStorage) -> None:
        self._details = _Details(runs, state, _in_v1)

    def answer(self, asked: Asked) -> Encoded | None:
        if too_deep(asked.body, MAX_DEPTH):
            return None
        try:
            run_id = _run_ref.decode(asked.body).run_slug.strip()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return self._details.get(asked.caller, run_id)


class RunDetailV2(HotRead):
    """``GET /api/v2/worker-runs/{runId}`` without a query."""

    method: ClassVar[str] = "GET"
    path: ClassVar[str] = ONE_RUN

    def __init__(self, runs: Runs, state: InlineStorage) -> None:
        self._details = _Details(runs, state, _in_v2)

    def answer(self, asked: Asked) -> Encoded | None:
        return None if asked.query else self._details.get(asked.caller, asked.run_id)


def _in_v1(view: RunView) -> Encoded:
    return Encoded(encode(v1.RunDetail.of(view)))


def _in_v2(view: RunView) -> Encoded | None:
    if view.run.state in _ABORTED:
        return None
    data = encode(WorkerRun.of(view, grace=0))
    return Encoded(data, tag_of(data))
