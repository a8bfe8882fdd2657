"""The list of runs: filters, columns, bulk actions, live updates."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import Response

from fyke.api.csv_files import csv_file
from fyke.api.event_stream import EventStream
from fyke.console import live, reasons, run_filters
from fyke.console.once import once_key
from fyke.console.over_time import DAY, DrawnOverTime, closer_steps, drawn, steps_of
from fyke.console.page import ConsolePage
from fyke.console.run_filters import NEWER, RANGES, VIEW, ListAddress, length_label
from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext, use_language
from fyke.console.view import View
from fyke.domain.accounts.profiles import Profiles
from fyke.domain.runs.bulk import BulkOutcome, RunBulk
from fyke.domain.runs.list_export import runs_csv
from fyke.domain.runs.list_stream import ListStream
from fyke.domain.runs.lists import RunListPage, RunLists
from fyke.domain.runs.recent import RecentRuns
from fyke.domain.runs.search import parse_cursor
from fyke.errors import InvalidRequest
from fyke.model.run import Origin
from fyke.model.run_list import RunSearch
from fyke.model.run_list_limits import MAX_MATCHED, BulkAction

AREA = "/runs"
SIZE = 50
WEEK = 7 * DAY
CLOSER_STEPS = 2  # times that the picture of a week is counted again, from its first run on
MAX_UPDATES = 60  # then the browser reconnects, and its session is checked again


@dataclass(frozen=True, slots=True)
class RunListPages:
    lists: RunLists
    stream: ListStream
    bulk: RunBulk
    profiles: Profiles
    recent: RecentRuns

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/runs", self.show, area=AREA),
            ConsolePage("GET", "/runs/live", self.live, area=AREA, part=True),
            ConsolePage("GET", "/runs/export", self.export, area=AREA, part=True),
            ConsolePage("POST", "/runs/default", self.save_default, area=AREA),
            ConsolePage("GET", "/runs/bulk", self.ask, area=AREA),
            ConsolePage("POST", "/runs/bulk", self.act, area=AREA),
        ]

    # --- reading ---------------------------------------------------------------------------

    async def show(self, view: View) -> Response:
        saved = view.signed_in.preferences.views.get(VIEW, "") if view.signed_in else ""
        if not view.query and saved:
            return view.go(f"/runs?{saved}")
        address = run_filters.read(view.query, view.query.getlist("col"))
        if not view.wants_part and any(not value for _name, value in view.query.multi_items()):
            return view.go(
                address.path(address.cursor)
            )  # drop empty parameters, to get a short address to bookmark
        faults: dict[str, str] = {}
        page, picture = None, None
        try:
            search = await self.lists.search(view.caller, address.terms, view.zone_name)
            page = await self._page(view, address, search)
            if page is None:
                return view.go(address.path())
            if page.rows and not address.cursor:
                picture = await self._picture(view, address, search)
        except InvalidRequest as error:
            faults = _faults(error)
        response = view.page_or_part(
            "runs/list.html",
            "results",
            status=422 if faults else 200,
            area=AREA,
            address=address,
            other_length="" if address.range in RANGES else length_label(address.range),
            page=page,
            picture=picture,
            faults=faults,
            saved=saved,
            choices=await self.lists.choices(view.caller),
            reason_groups=reasons.groups(view.context.priced, [address.terms.reason]),
            open_ids=[] if page is None else _open_ids(page),
            top=_top(page, address),
            newer_prefix=NEWER,
            max_matched=MAX_MATCHED,
        )
        if view.wants_part:
            response.headers["hx-push-url"] = address.path(address.cursor)
        return response

    async def _picture(
        self, view: View, address: ListAddress, search: RunSearch
    ) -> DrawnOverTime | None:
        """The runs over time: those of the search's time, otherwise from the first run of the last
        week on.
        """
        now = view.context.clock.now_ms()
        until = min(search.created_until or now, now)
        first = search.created_from or until - WEEK
        if first >= until:
            return None
        steps = steps_of(first, until, view.zone)
        over = await self.recent.over_time(view.caller, search, steps)
        if over is None or not any(over.counts):
            return None
        for _pass in range(0 if search.created_from else CLOSER_STEPS):
            closer = closer_steps(over, until, view.zone)
            if closer is None:
                break
            over = await self.recent.over_time(view.caller, search, closer) or over
        return drawn(over, view.zone, address.between, until_now=until == now)

    async def _page(
        self, view: View, address: ListAddress, search: RunSearch
    ) -> RunListPage | None:
        """None for a cursor that is none."""
        if not address.cursor:
            return await self.lists.page(view.caller, search, size=SIZE)
        newer = address.cursor.startswith(NEWER)
        try:
            cursor = parse_cursor(address.cursor.removeprefix(NEWER))
        except InvalidRequest:
            return None
        return await self.lists.page_from(view.caller, search, cursor, size=SIZE, newer=newer)

    async def export(self, view: View) -> Response:
        address = run_filters.read(view.query, ())
        search = await self.lists.search(view.caller, address.terms, view.zone_name)
        rows = self.lists.all_rows(view.caller, search)
        return await csv_file(runs_csv(rows, priced=view.context.priced), "runs.csv")

    async def live(self, view: View) -> Response:
        """Stream changes of the runs in ``run_id``, and the number of runs newer than ``top``."""
        address = run_filters.read(view.query, view.query.getlist("col"))
        search = await self.lists.search(view.caller, address.terms, view.zone_name)
        top = view.query.get("top", "")
        cursor = parse_cursor(top) if top else None
        run_ids = view.query.getlist("run_id")[:SIZE]
        updates = self.stream.follow(view.caller, search, run_ids, cursor)

        async def source() -> AsyncGenerator[bytes, None]:
            sent = 0
            async for update in updates:
                sent += 1
                if sent > MAX_UPDATES:
                    return
                if not (update.rows or update.removed or update.new_count):
                    yield live.comment()
                    continue
                with use_language(view.language):
                    html = view.text_of(
                        "runs/update.html", "update", update=update, address=address
                    )
                yield live.message(html)

        return EventStream(source(), lambda: None)

    async def save_default(self, view: View) -> Response:
        """Save the filters and columns of the form's ``query`` as the default view."""
        query = QueryParams(view.form.get("query"))
        address = run_filters.read(query, query.getlist("col"))
        await self.profiles.save_view(view.caller, VIEW, address.query())
        if address.query():
            return view.go(address.path(), _("The list of runs now opens with these filters."))
        return view.go("/runs", _("The list of runs now opens without filters."))

    # --- bulk actions ----------------------------------------------------------------------

    async def act(self, view: View) -> Response:
        """Run the action and show its results; or ask for confirmation, at an address of its own,
        to which the browser can go back.
        """
        pressed = view.form.get("rerun")  # the run of the row whose key was pressed
        action = BulkAction.RERUN if pressed else _action(view.form.get("action"))
        query = QueryParams(view.form.get("query"))
        address = run_filters.read(query, query.getlist("col"))
        run_ids = [pressed] if pressed else view.form.all("run")
        matching = not pressed and view.form.on("all_matching")
        if not matching and not run_ids:
            return view.go(address.path(), _("No runs selected."), "warn")
        if not view.form.on("confirmed"):
            chosen = (
                [("all_matching", "1")] if matching else [("run", run_id) for run_id in run_ids]
            )
            pairs = [("action", action.value), ("query", address.query()), *chosen]
            return view.go(f"/runs/bulk?{urlencode(pairs)}")
        key = once_key(view.form, "bulk", action, address.query(), run_ids)
        if matching:
            search = await self.lists.search(view.caller, address.terms, view.zone_name)
            search = _until(search, view.form.get("until"))
            answer = await self.bulk.apply_to_matching(
                view.caller, action, search, Origin.WEB, key=key
            )
        else:
            answer = await self.bulk.apply_to_named(
                view.caller, action, run_ids, Origin.WEB, key=key
            )
        if answer.done == len(answer.results) and not answer.more:
            return view.go(address.path(), _summary(action, answer))
        rows = await self.lists.rows(view.caller, [result.run_id for result in answer.results])
        return view.page(
            "runs/bulk_done.html",
            area=AREA,
            action=action.value,
            answer=answer,
            rows={row.line.id: row for row in rows},
            back=address.path(),
            summary=_summary(action, answer),
        )

    async def ask(self, view: View) -> Response:
        """Ask for confirmation. ``until``: runs that are created later were not asked about."""
        action = _action(view.query.get("action", ""))
        self.bulk.require_allowed(view.caller, action)
        query = QueryParams(view.query.get("query", ""))
        address = run_filters.read(query, query.getlist("col"))
        run_ids, matching = view.query.getlist("run"), "all_matching" in view.query
        page = None
        if matching:
            search = await self.lists.search(view.caller, address.terms, view.zone_name)
            page = await self.lists.page(view.caller, search, size=10)
        rows = page.rows if page else await self.lists.rows(view.caller, run_ids)
        if not rows:
            gone = _("The selected runs no longer exist.")
            return view.go(address.path(), gone if run_ids else _("No runs selected."), "warn")
        return view.page(
            "runs/bulk_ask.html",
            area=AREA,
            action=action.value,
            address=address,
            rows=rows,
            matching=matching,
            until=view.context.clock.now_ms(),
            max_matched=MAX_MATCHED,
        )


def _action(text: str) -> BulkAction:
    try:
        return BulkAction(text)
    except ValueError:
        raise InvalidRequest(f"use one of {', '.join(BulkAction)}", field="action") from None


def _until(search: RunSearch, time: str) -> RunSearch:
    """The runs of the search that were there at this time: not those that it has started itself,
    if the form comes twice.
    """
    until = int(time) if time.isascii() and time.isdigit() and len(time) < 16 else 0
    if not until or 0 < search.created_until <= until:
        return search
    return replace(search, created_until=until)


def _open_ids(page: RunListPage) -> list[str]:
    return [row.line.id for row in page.rows if not row.line.state.terminal]


def _top(page: RunListPage | None, address: ListAddress) -> str:
    """The cursor of the newest run on the first page, "" elsewhere: only the first page announces
    new runs.
    """
    if page is None or page.previous is not None or address.cursor or not page.rows:
        return ""
    line = page.rows[0].line
    return f"{line.created_at}-{line.id}"


def _faults(error: InvalidRequest) -> dict[str, str]:
    """Field to rule. The choices of these fields have other names in the form."""
    named = dict.fromkeys(
        ("state", "outcome", "reason", "origin"), _("choose an entry of the list")
    )
    return {problem.field: named.get(problem.field, problem.text) for problem in error.problems}


def _summary(action: BulkAction, answer: BulkOutcome) -> str:
    numbers: dict[str, Any] = {"num": answer.done}
    match action:
        case BulkAction.ABORT:
            return (
                ngettext("One run was aborted.", "%(num)s runs were aborted.", answer.done)
                % numbers
            )
        case BulkAction.RERUN:
            return (
                ngettext("One run was started.", "%(num)s runs were started.", answer.done)
                % numbers
            )
        case BulkAction.DELETE:
            return (
                ngettext("One run was deleted.", "%(num)s runs were deleted.", answer.done)
                % numbers
            )
