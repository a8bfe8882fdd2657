"""Pages of a run's rows as they were pushed: no query, no cursor, at most ``MAX_ROWS``.

State and rows are read in the event loop. Small pages are kept as bytes: they depend on nothing but
the two stores. What the state says about a run's rows costs more than half of a page, and is the
same for all of its pages until the next commit, so it is kept as well. If it says the same after
commits, the pages of an ended run are current until the next commit to the rows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

import msgspec

from fyke.api.envelope import encode
from fyke.api.etags import tag_of
from fyke.api.hot.kept import Encoded, KeptAnswers
from fyke.api.hot.page_query import page_in
from fyke.api.hot.route import Asked, HotRead, Question
from fyke.api.v2.run_selector import ONE_RUN
from fyke.contracts.inline import InlineStores, at_once
from fyke.domain.results.service import RunResults, RunRows
from fyke.model.account import Caller
from fyke.wire.fields import to_page_index, to_page_size
from fyke.wire.rows import ResultPage

MAX_ROWS = 100  # on a page
MAX_SOURCES = 64  # that are kept

_to_page_size = to_page_size(10)


class _Page(msgspec.Struct, forbid_unknown_fields=True):
    """The members of a plain page. All others, and other names of these, have the full path."""

    run_slug: str
    page_index: int = 1
    page_size: int = 10


_page = msgspec.json.Decoder(_Page)


class _Pages:
    """Reads pages, and keeps the small ones. ``tagged``: with their ``ETag``."""

    def __init__(self, results: RunResults, stores: InlineStores, *, tagged: bool) -> None:
        self._results = results
        self._stores = stores
        self._tagged = tagged
        self._kept = KeptAnswers(self._version)
        # by account and run, with the version of the state
        self._sources: dict[tuple[str, str], tuple[int, RunRows]] = {}

    def get(self, run_id: str, index: int, size: int, caller: Caller) -> Encoded | None:
        if size > MAX_ROWS:
            return None
        version = self._version()
        key = caller.account_id, run_id, index, size
        kept = self._kept.get(version, key, lambda: self._revision(version, caller, run_id))
        if kept is not None:
            return kept
        source = self._source(version[0], caller, run_id)
        page = at_once(self._results.plain_page(source, index, size))
        data = encode(ResultPage.of(page))
        encoded = Encoded(data, tag_of(data) if self._tagged else "")
        # why a run has no rows depends on more of the state
        lasting = source.run.state.terminal and page.count > 0
        self._kept.put(version, key, encoded, (version[1], source) if lasting else None)
        return encoded

    def _revision(self, version: tuple[int, int], caller: Caller, run_id: str) -> object:
        """What the pages of an ended run with rows depend on."""
        return version[1], self._source(version[0], caller, run_id)

    def _source(self, version: int, caller: Caller, run_id: str) -> RunRows:
        """What the state says about the rows at its ``version`` or later."""
        key = caller.account_id, run_id
        kept_version, kept = self._sources.get(key, (None, None))
        if kept is not None and kept_version == version:
            return kept
        read = at_once(self._results.source(caller, run_id))
        # a page has nothing of the input, which may be large
        source = replace(read, run=replace(read.run, input_json=""))
        if source == kept:
            source = kept  # which is compared faster
        if self._stores.state.version() == version:
            if len(self._sources) >= MAX_SOURCES:
                self._sources.clear()
            self._sources[key] = version, source
        return source

    def _version(self) -> tuple[int, int]:
        return self._stores.state.version(), self._stores.rows.version()


class ResultPageV1(HotRead):
    """``POST /api/v1/run/result/list``."""

    method: ClassVar[str] = "POST"
    path: ClassVar[str] = "/api/v1/run/result/list"

    def __init__(self, results: RunResults, stores: InlineStores) -> None:
        self._pages = _Pages(results, stores, tagged=False)

    def question(self, asked: Asked) -> Question | None:
        try:
            page = _page.decode(asked.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        index, size = to_page_index(page.page_index), _to_page_size(page.page_size)
        return partial(self._pages.get, page.run_slug.strip(), index, size)


class ResultPageV2(HotRead):
    """``GET /api/v2/worker-runs/{runId}/result`` with the plain parameters of a page."""

    method: ClassVar[str] = "GET"
    path: ClassVar[str] = f"{ONE_RUN}/result"

    def __init__(self, results: RunResults, stores: InlineStores) -> None:
        self._pages = _Pages(results, stores, tagged=True)

    def question(self, asked: Asked) -> Question | None:
        page = page_in(asked.query)
        if page is None:
            return None
        return partial(self._pages.get, asked.run_id, page.number, page.size)
