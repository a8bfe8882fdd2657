"""The detail of one run, the answer that clients poll until the run has ended.

It is read in the event loop. The answer about an ended run is kept as bytes.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from fyke.api.decode import MAX_DEPTH, too_deep
from fyke.api.envelope import encode
from fyke.api.etags import tag_of
from fyke.api.hot.kept import Encoded, KeptAnswers
from fyke.api.hot.route import Asked, HotRead
from fyke.api.v2.run_selector import ONE_RUN
from fyke.contracts.inline import InlineStorage
from fyke.domain.runs.service import Runs
from fyke.model.run import RunState
from fyke.wire import v1
from fyke.wire.v2.runs import WorkerRun

# These depend on the time and on what the client has read before, see ``AbortingReaders``.
_ABORTED = (RunState.ABORTING, RunState.ABORTED)


class _RunRef(msgspec.Struct):
    run_slug: str


_run_ref = msgspec.json.Decoder(_RunRef)


class RunDetailV1(HotRead):
    """``POST /api/v1/run/detail``. ``runs`` reads ``state``."""

    method: ClassVar[str] = "POST"
    path: ClassVar[str] = "/api/v1/run/detail"

    def __init__(self, runs: Runs, state: InlineStorage) -> None:
        self._runs = runs
        self._state = state
        self._kept = KeptAnswers()

    async def answer(self, asked: Asked) -> Encoded | None:
        caller = asked.caller
        if too_deep(asked.body, MAX_DEPTH):
            return None
        try:
            run_id = _run_ref.decode(asked.body).run_slug.strip()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        version, key = self._state.version(), (caller.account_id, run_id)
        kept = self._kept.get(version, key)
        if kept is not None:
            return kept
        view = await self._runs.get(caller, run_id)
        encoded = Encoded(encode(v1.RunDetail.of(view)))
        if view.run.state.terminal:
            self._kept.put(version, key, encoded)
        return encoded


class RunDetailV2(HotRead):
    """``GET /api/v2/worker-runs/{runId}`` without a query. ``runs`` reads ``state``."""

    method: ClassVar[str] = "GET"
    path: ClassVar[str] = ONE_RUN

    def __init__(self, runs: Runs, state: InlineStorage) -> None:
        self._runs = runs
        self._state = state
        self._kept = KeptAnswers()

    async def answer(self, asked: Asked) -> Encoded | None:
        if asked.query:
            return None
        caller, run_id = asked.caller, asked.run_id
        version, key = self._state.version(), (caller.account_id, run_id)
        kept = self._kept.get(version, key)
        if kept is not None:
            return kept
        view = await self._runs.get(caller, run_id)
        if view.run.state in _ABORTED:
            return None
        data = encode(WorkerRun.of(view, grace=0))
        encoded = Encoded(data, tag_of(data))
        if view.run.state.terminal:
            self._kept.put(version, key, encoded)
        return encoded
