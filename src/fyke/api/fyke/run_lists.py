"""Lists and searches of runs, and one action on many runs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.csv_files import CSV_MEDIA, csv_file
from fyke.api.errors import table_of
from fyke.api.routes import get, post
from fyke.domain.runs.bulk import BulkResult, RunBulk
from fyke.domain.runs.list_export import runs_csv
from fyke.domain.runs.lists import RunListPage, RunLists
from fyke.domain.runs.search import parse_cursor
from fyke.domain.runs.search_terms import SearchTerms
from fyke.errors import Forbidden, InvalidRequest
from fyke.model.account import Scope
from fyke.model.run import Origin
from fyke.wire.fyke import run_lists as wire
from fyke.wire.units import seconds

PATH = "/api/fyke/runs"
NEWER = "newer-"  # prefix of a cursor for newer runs

_ERRORS = table_of(PATH)


@dataclass(frozen=True, slots=True)
class RunListRoutes:
    tag: ClassVar[str] = "Runs"

    lists: RunLists
    bulk: RunBulk

    @get(PATH, scope=Scope.READ)
    async def search_runs(self, call: Call, query: wire.RunListQuery) -> wire.RunItemPage:
        """Search the runs of the account, newest first.

        Page numbers reach 10,000 runs back; cursors have no limit. `count` is exact unless
        `count_is_minimum` is true, and null where it was not counted. A search stops after
        100,000 runs, with `error` after 10,000 messages: `looked_back_to` is the time it reached,
        and `next_cursor` continues there.
        """
        search = await self.lists.search(call.caller, _terms(query))
        size = query.page_size
        cursor = query.cursor.strip()
        if cursor:
            newer, position = cursor.startswith(NEWER), parse_cursor(cursor.removeprefix(NEWER))
            page = await self.lists.page_from(call.caller, search, position, size=size, newer=newer)
        else:
            page = await self.lists.page(call.caller, search, number=query.page_index, size=size)
        return _page(page, size)

    @get(f"{PATH}/export", scope=Scope.READ, produces=(CSV_MEDIA,))
    async def export_run_list(self, call: Call, query: wire.RunSearchFields) -> Response:
        """The whole list of runs as CSV.

        Texts that a spreadsheet would interpret as a formula are prefixed with a single quote.
        """
        search = await self.lists.search(call.caller, _terms(query))
        return await csv_file(runs_csv(self.lists.all_rows(call.caller, search)), "runs.csv")

    @post(
        f"{PATH}/bulk",
        scope=frozenset({Scope.RUN, Scope.WRITE}),  # aborts, reruns and deletes
        errors=(Forbidden,),
        starts=True,
    )
    async def change_runs(self, call: Call, body: wire.BulkRequest) -> wire.BulkResults:
        """Abort, rerun or delete many runs, with a result for each.

        At most 100 runs in `runs`, or with `all_matching` at most 500 that match the filters and
        that the action applies to. With an `Idempotency-Key` no run is rerun twice.
        """
        caller, action, key = call.caller, body.action, call.start_key
        url = body.callback_url.strip()
        if body.all_matching and body.runs:
            raise InvalidRequest("runs: name runs, or send all_matching, not both")
        if body.all_matching:
            search = await self.lists.search(caller, _terms(body))
            outcome = await self.bulk.apply_to_matching(
                caller, action, search, Origin.API, callback_url=url, key=key
            )
        else:
            outcome = await self.bulk.apply_to_named(
                caller, action, body.runs, Origin.API, callback_url=url, key=key
            )
        items = [wire.BulkItem.of(result, _code(result)) for result in outcome.results]
        return wire.BulkResults(items, outcome.done, outcome.more)


def _terms(search_fields: wire.RunSearchFields) -> SearchTerms:
    return SearchTerms(
        **{field.name: getattr(search_fields, field.name) for field in fields(SearchTerms)}
    )


def _code(result: BulkResult) -> int:
    return _ERRORS.row(result.error).code if result.error else 0


def _page(page: RunListPage, size: int) -> wire.RunItemPage:
    return wire.RunItemPage(
        items=[wire.RunItem.of(row) for row in page.rows],
        count=page.total,
        count_is_minimum=page.at_least,
        page_size=size,
        next_cursor=page.next.text() if page.next else "",
        previous_cursor=NEWER + page.previous.text() if page.previous else "",
        looked_back_to=seconds(page.looked_back_to),
    )
