"""Lists of runs over all of history, and one act on many runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.csv_files import CSV_MEDIA, csv_file
from fyke.api.decode import PageIndex, PageSize20, Wire, WireBool, WireText, to_text, wrong
from fyke.api.envelope import encode
from fyke.api.errors import table_of
from fyke.api.operations import Operation
from fyke.api.own import run_list_answers as answers
from fyke.api.own.name_lists import WireNames
from fyke.api.own.reasons import reason_members
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import ORIGIN, seconds
from fyke.domain.billing.pricing import format_usage
from fyke.domain.runs.bulk import MOST_MATCHED, MOST_NAMED, BulkAction, BulkAnswer, RunBulk
from fyke.domain.runs.list_export import csv_of
from fyke.domain.runs.lists import MOST_ROWS, RunListPage, RunLists, RunRow
from fyke.domain.runs.search import place_of
from fyke.domain.runs.search_terms import STATE_WORDS, SearchTerms
from fyke.errors import Forbidden, InvalidRequest
from fyke.model.run import Origin
from fyke.model.run_list import RunSearch

_ERRORS = table_of("/api/fyke/runs")
_TIME = "a day (2026-11-24), a day and a time (2026-11-24T09:30) or Unix seconds"


class SearchFields(Wire):
    """Which runs are meant; what is left out does not filter."""

    state: WireText = Field("", description=f"one or several of {', '.join(STATE_WORDS)}")
    outcome: WireText = Field("", description="one or several words of `outcome`, commas between")
    reason: WireText = Field(
        "", description="one or several codes of `reason_code`, commas between"
    )
    worker: WireText = Field("", description="id or owner/name")
    task: WireText = Field("", description="id of a task")
    origin: WireText = Field("", description="one or several of api, api_v2, web, schedule")
    version: WireText = ""
    since: WireText = Field("", validation_alias="from", description=f"started from then: {_TIME}")
    until: WireText = Field("", description=f"started before: {_TIME}; a day with all its hours")
    error: WireText = Field("", description="a part of the error message")
    run: WireText = Field("", description="id of a run, or how it begins")

    def words(self) -> SearchTerms:
        names = SearchTerms.__dataclass_fields__
        return SearchTerms(**{name: getattr(self, name) for name in names})


class RunListFields(SearchFields):
    cursor: WireText = Field("", description="`next_cursor` or `previous_cursor` of an answer")
    page_index: PageIndex = 1
    page_size: PageSize20 = 20


def _action(value: object) -> str:
    word = to_text(value).strip().lower()
    if word not in set(BulkAction):
        raise wrong(f"must be one of {', '.join(BulkAction)}")
    return word


class BulkFields(SearchFields):
    action: Annotated[
        str,
        BeforeValidator(_action),
        WithJsonSchema({"type": "string", "enum": list(BulkAction)}),
    ]
    runs: WireNames = Field((), description=f"ids of at most {MOST_NAMED} runs")
    all_matching: WireBool = Field(
        False,
        description=f"instead of `runs`: all that the other fields mean, {MOST_MATCHED} at most",
    )
    callback_url: WireText = Field("", description="of the runs that a rerun starts")


@dataclass(frozen=True, slots=True)
class RunListOperations:
    lists: RunLists
    bulk: RunBulk

    def operations(self) -> list[Operation[Any]]:
        return [*self._lists(), self._bulk()]

    def _lists(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/runs",
                id="searchRuns",
                tag="Runs",
                summary="Runs of the account, newest first, searched over all of history",
                fields=RunListFields,
                handler=self.page,
                answer=answers.RunPage,
            ),
            Operation(
                "GET",
                "/api/fyke/runs/export",
                id="exportRunList",
                tag="Runs",
                summary="The same list as CSV, whole",
                fields=SearchFields,
                handler=self.export,
                produces=(CSV_MEDIA,),
            ),
        ]

    def _bulk(self) -> Operation[Any]:
        return Operation(
            "POST",
            "/api/fyke/runs/bulk",
            id="changeRuns",
            tag="Runs",
            summary="Abort, rerun or delete many runs, with an answer for each",
            fields=BulkFields,
            handler=self.act,
            answer=answers.BulkDone,
            errors=(TABLE[Forbidden],),
            starts=True,
        )

    async def page(self, call: Call, wanted: RunListFields) -> bytes:
        search = await self.lists.search(call.caller, wanted.words())
        size = min(wanted.page_size, MOST_ROWS)
        if wanted.cursor.strip():
            newer, place = read_cursor(wanted.cursor)
            page = await self.lists.beyond(call.caller, search, place, size=size, newer=newer)
        else:
            page = await self.lists.page(call.caller, search, number=wanted.page_index, size=size)
        return encode(_page(page, size))

    async def export(self, call: Call, wanted: SearchFields) -> Response:
        search = await self.lists.search(call.caller, wanted.words())
        return await csv_file(csv_of(self.lists.all_rows(call.caller, search)), "runs.csv")

    async def act(self, call: Call, wanted: BulkFields) -> bytes:
        action, url = BulkAction(wanted.action), wanted.callback_url.strip()
        if wanted.all_matching and wanted.runs:
            raise InvalidRequest("runs: name runs, or send all_matching, not both")
        if wanted.all_matching:
            search: RunSearch = await self.lists.search(call.caller, wanted.words())
            answer = await self.bulk.matching(
                call.caller, action, search, Origin.API, callback_url=url, key=call.start_key
            )
        else:
            answer = await self.bulk.named(
                call.caller, action, wanted.runs, Origin.API, callback_url=url, key=call.start_key
            )
        return encode(_done(answer))


def read_cursor(text: str) -> tuple[bool, Any]:
    """Whether it leads to newer runs, and from which place. Raises ``InvalidRequest``."""
    plain = text.strip()
    newer = plain.startswith(NEWER)
    return newer, place_of(plain.removeprefix(NEWER))


NEWER = "newer-"  # how the cursor begins that leads to newer runs


def _page(page: RunListPage, size: int) -> dict[str, Any]:
    return {
        "list": [_item(row) for row in page.rows],
        "count": page.total,
        "count_is_minimum": page.at_least,
        "page_size": size,
        "next_cursor": page.next.text() if page.next else "",
        "previous_cursor": NEWER + page.previous.text() if page.previous else "",
        "looked_back_to": seconds(page.looked_back_to),
    }


def _item(row: RunRow) -> dict[str, Any]:
    line = row.line
    return {
        "slug": line.id,
        "worker_slug": line.worker_id,
        "worker": row.worker.path if row.worker else "",
        "version": line.version,
        "task_slug": line.task_id,
        "task": row.task_title,
        "key_id": line.key_id,
        "origin": ORIGIN[line.origin],
        "state": row.shown_state.value,
        "outcome": line.outcome.value if line.outcome else "",
        "error": line.err_msg,
        **reason_members(line.reason),
        "parameters": row.summary,
        "results": row.results,
        "usage": format_usage(row.usage_micros),
        "traffic": row.traffic_bytes,
        "duration": row.duration_ms / 1000,
        "subtasks": line.subtasks,
        "created_at": seconds(line.created_at),
        "started_at": seconds(line.started_at),
        "finished_at": seconds(line.finished_at),
    }


def _done(answer: BulkAnswer) -> dict[str, Any]:
    return {
        "list": [
            {
                "slug": result.run_id,
                "code": _ERRORS.row(result.error).code if result.error else 0,
                "message": result.error.message if result.error else "",
                "run_slug": result.new_run_id,
            }
            for result in answer.results
        ],
        "done": answer.done,
        "more": answer.more,
    }
