"""The detail of one run, the answer that clients poll until the run has ended.

It is read in the event loop. The answer about an ended run is kept as bytes, and is current as long
as the run and its worker are unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from functools import partial
from typing import ClassVar, Protocol

import msgspec
import structlog

from fyke.api.decode import MAX_DEPTH, too_deep
from fyke.api.envelope import encode
from fyke.api.etags import tag_of
from fyke.api.hot.kept import Encoded, KeptAnswers
from fyke.api.hot.route import Asked, HotRead, Later, Question
from fyke.api.v2.run_selector import ONE_RUN
from fyke.contracts.inline import InlineStorage, at_once
from fyke.contracts.revisions import RunRevisions
from fyke.domain.runs.service import Runs, RunView
from fyke.errors import FykeError
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.run import RunState
from fyke.wire import v1
from fyke.wire.v2.runs import WorkerRun

# These depend on the time and on what the client has read before, see ``AbortingReaders``.
_ABORTED = (RunState.ABORTING, RunState.ABORTED)


READ_SECONDS = 2.0  # of a run that has changed; then the full path reads it
_FULL = Encoded(b"")  # kept for a run in a state whose answer the full path makes

Encoding = Callable[[RunView], Encoded | None]  # None: the full path answers

log = structlog.get_logger("fyke.api")


class Details(Protocol):
    """The detail of the caller's run, as bytes. ``NotInline``, ``FykeError`` and None: the full
    path answers.
    """

    def get(self, run_id: str, caller: Caller) -> Encoded | Later | None: ...


class _RunRef(msgspec.Struct):
    run_slug: str


_run_ref = msgspec.json.Decoder(_RunRef)


class InlineDetails:
    """Reads details, and keeps those of ended runs. ``runs`` reads ``state``; ``encoded`` makes the
    answer, None has the full path.
    """

    def __init__(self, runs: Runs, state: InlineStorage, encoded: Encoding) -> None:
        self._runs = runs
        self._state = state
        self._encoded = encoded
        self._kept = KeptAnswers(state.version)

    def get(self, run_id: str, caller: Caller) -> Encoded | None:
        version, key = self._state.version(), (caller.account_id, run_id)
        kept = self._kept.get(version, key, lambda: self._state.revision(run_id))
        if kept is not None:
            return kept
        view = at_once(self._runs.get(caller, run_id))
        encoded = self._encoded(view)
        if encoded is not None and view.run.state.terminal:
            self._kept.put(version, key, encoded, self._state.revision(run_id))
        return encoded


class RevisedDetails:
    """Keeps details of ended runs over a database that answers over a network. Each request asks
    whether the run is unchanged, and reads only a run that is not.
    """

    def __init__(self, runs: Runs, revisions: RunRevisions, encoded: Encoding) -> None:
        self._runs = runs
        self._revisions = revisions
        self._encoded = encoded
        self._kept = KeptAnswers()
        self._reads: set[asyncio.Task[None]] = set()

    def get(self, run_id: str, caller: Caller) -> Later | None:
        revision = self._revisions.ask(run_id) if is_ulid(run_id) else None
        if revision is None:
            return None
        answer: Later = revision.get_loop().create_future()
        revision.add_done_callback(partial(self._check, caller, run_id, answer))
        return answer

    def _check(
        self, caller: Caller, run_id: str, answer: Later, asked: asyncio.Future[Hashable | None]
    ) -> None:
        """Answer with what is kept, or read."""
        revision = asked.result()
        if revision is None:
            answer.set_result(None)
            return
        kept = self._kept.get(revision, (caller.account_id, run_id))
        if kept is None:
            read = asyncio.create_task(self._read(caller, run_id, revision, answer))
            self._reads.add(read)
            read.add_done_callback(self._reads.discard)
        else:
            answer.set_result(kept if kept.data else None)

    async def _read(self, caller: Caller, run_id: str, revision: Hashable, answer: Later) -> None:
        """Read the run after its revision: what is kept is never older than that."""
        encoded = None
        try:
            async with asyncio.timeout(READ_SECONDS):
                view = await self._runs.get(caller, run_id)
            encoded = self._encoded(view)
            if encoded is None or view.run.state.terminal:
                self._kept.put(revision, (caller.account_id, run_id), encoded or _FULL)
        except (FykeError, TimeoutError):
            pass
        except Exception as error:
            log.warning("hot_read_failed", path="run/detail", exc_info=error)
        finally:
            answer.set_result(encoded)


class RunDetailV1(HotRead):
    """``POST /api/v1/run/detail``."""

    method: ClassVar[str] = "POST"
    path: ClassVar[str] = "/api/v1/run/detail"

    def __init__(self, details: Callable[[Encoding], Details]) -> None:
        self._details = details(_in_v1)

    def question(self, asked: Asked) -> Question | None:
        if too_deep(asked.body, MAX_DEPTH):
            return None
        try:
            run_id = _run_ref.decode(asked.body).run_slug.strip()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return partial(self._details.get, run_id)


class RunDetailV2(HotRead):
    """``GET /api/v2/worker-runs/{runId}`` without a query."""

    method: ClassVar[str] = "GET"
    path: ClassVar[str] = ONE_RUN

    def __init__(self, details: Callable[[Encoding], Details]) -> None:
        self._details = details(_in_v2)

    def question(self, asked: Asked) -> Question | None:
        return None if asked.query else partial(self._details.get, asked.run_id)


def _in_v1(view: RunView) -> Encoded:
    return Encoded(encode(v1.RunDetail.of(view)))


def _in_v2(view: RunView) -> Encoded | None:
    if view.run.state in _ABORTED:
        return None
    data = encode(WorkerRun.of(view, grace=0))
    return Encoded(data, tag_of(data))
