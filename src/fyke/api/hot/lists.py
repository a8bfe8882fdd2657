"""The first pages of the list of runs: newest first, optionally of one status.

They are read in the event loop. A page is kept as bytes if all of its runs have ended, because the
figures of an active run depend on the time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import ClassVar

import msgspec

from fyke.api.envelope import encode
from fyke.api.hot.kept import Encoded, KeptAnswers
from fyke.api.hot.page_query import page_in
from fyke.api.hot.route import Asked, HotRead, Question
from fyke.contracts.inline import InlineStorage, at_once
from fyke.domain.callbacks.payload import NUMBERS
from fyke.domain.runs.service import Runs, RunView
from fyke.model.account import Caller
from fyke.model.run import RunFilter, RunState
from fyke.wire import v1
from fyke.wire.fields import to_page_index, to_page_size
from fyke.wire.v2.runs import WorkerRun, WorkerRunPage

MAX_RUNS = 20  # on a page
MAX_OFFSET = 1000

_to_page_size = to_page_size(20)


class _RunList(msgspec.Struct, forbid_unknown_fields=True):
    """The members of a list of all workers. All others, and other names, have the full path."""

    page_index: int = 1
    page_size: int = 20
    status: int = 0


_run_list = msgspec.json.Decoder(_RunList)


class _Lists:
    """Reads pages, and keeps those of ended runs. ``runs`` reads ``state``."""

    def __init__(self, runs: Runs, state: InlineStorage) -> None:
        self._runs = runs
        self._state = state
        self._kept = KeptAnswers(state.version)

    def get(
        self,
        states: tuple[RunState, ...],
        index: int,
        size: int,
        page_of: Callable[[int, list[RunView]], msgspec.Struct | None],
        caller: Caller,
    ) -> Encoded | None:
        """``page_of`` makes the answer of the count and the runs; None has the full path."""
        offset = (index - 1) * size
        if size > MAX_RUNS or offset > MAX_OFFSET:
            return None
        version = self._state.version()
        key: Hashable = (caller.account_id, states, index, size)
        kept = self._kept.get(version, key)
        if kept is not None:
            return kept
        count, views = at_once(
            self._runs.list(caller, RunFilter(states=states), offset=offset, limit=size)
        )
        page = page_of(count, views)
        if page is None:
            return None
        encoded = Encoded(encode(page))
        if all(view.run.state.terminal for view in views):
            self._kept.put(version, key, encoded)
        return encoded


class RunListV1(HotRead):
    """``POST /api/v1/run/list``."""

    method: ClassVar[str] = "POST"
    path: ClassVar[str] = "/api/v1/run/list"

    def __init__(self, runs: Runs, state: InlineStorage) -> None:
        self._lists = _Lists(runs, state)

    def question(self, asked: Asked) -> Question | None:
        try:
            sent = _run_list.decode(asked.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not 0 <= sent.status <= 5:
            return None
        states = tuple(state for state, number in NUMBERS.items() if number == sent.status)
        index, size = to_page_index(sent.page_index), _to_page_size(sent.page_size)

        def page_of(count: int, views: list[RunView]) -> v1.RunPage:
            return v1.RunPage(count, [v1.RunDetail.of(view) for view in views], index, size)

        return partial(self._lists.get, states, index, size, page_of)


class WorkerRunListV2(HotRead):
    """``GET /api/v2/worker-runs`` with the plain parameters of a page. ``grace``: milliseconds, see
    ``status_at``.
    """

    method: ClassVar[str] = "GET"
    path: ClassVar[str] = "/api/v2/worker-runs"

    def __init__(self, runs: Runs, state: InlineStorage, grace: int) -> None:
        self._lists = _Lists(runs, state)
        self._grace = grace

    def question(self, asked: Asked) -> Question | None:
        page = page_in(asked.query)
        if page is None:
            return None
        index, size = page

        def page_of(count: int, views: list[RunView]) -> WorkerRunPage | None:
            if any(self._depends_on_client(view) for view in views):
                return None
            return WorkerRunPage(count, [WorkerRun.of(view, 0) for view in views], index, size)

        return partial(self._lists.get, (), index, size, page_of)

    def _depends_on_client(self, view: RunView) -> bool:
        """Whether the status depends on what the client has read, see ``AbortingReaders``."""
        run = view.run
        return run.state is RunState.ABORTED and view.now - run.finished_at < self._grace
