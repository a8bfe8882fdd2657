"""The export of a run's rows: the form, with the limits of each format, and the file."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import QueryParams
from starlette.responses import RedirectResponse, Response

from fyke.api.exporting import MAX_KEYS_CHARS
from fyke.api.files import EXPORT, Links
from fyke.console.page import ConsolePage
from fyke.console.pages import run_rows
from fyke.console.pages.run_frame import AREA, RunFrame, RunFrames
from fyke.console.texts import gettext
from fyke.console.view import View
from fyke.domain.accounts.link_issuers import issuer_of
from fyke.domain.results.export.formats import FORMATS, file_name, readable_name
from fyke.domain.results.export.service import Exports
from fyke.domain.results.query.model import Query, parse_query
from fyke.domain.results.service import RunResults
from fyke.errors import InvalidRequest
from fyke.reasons import detail_sentence

MAX_CHECKBOXES = 200  # with more fields, their names are typed


@dataclass(frozen=True, slots=True)
class RunExportPages:
    frames: RunFrames
    results: RunResults
    exports: Exports
    links: Links
    seconds: int  # validity of a link

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/runs/{id}/export", self.show, area=AREA),
            ConsolePage("GET", "/runs/{id}/export/file", self.file, area=AREA),
        ]

    async def show(self, view: View) -> Response:
        return await self._form(view, {})

    async def _form(self, view: View, faults: dict[str, str], link: str = "") -> Response:
        frame = await self.frames.get(view)
        run_id = frame.view.run.id
        failed = parse_query(failed_rows=view.query.get("failed") == "1")
        source = await self.results.source(view.caller, run_id, failed_rows=failed.failed_rows)
        totals = await self.results.totals(source)
        headers = await self.results.headers_of(source)
        limits: dict[str, list[str]] = {}
        refused: dict[str, str] = {}
        # One named field keeps the formats from reading all rows to find the columns. Limits that
        # depend on the rows are checked when the file is made.
        keys = [headers[0].key] if headers else []
        for name in FORMATS:
            try:
                _format, notes = await self.exports.check(view.caller, run_id, name, keys, failed)
                limits[name] = [detail_sentence(note, gettext) for note in notes]
            except InvalidRequest as error:
                refused[name] = _rule(error)
        return view.page_or_part(
            "run/export.html",
            "form",
            status=422 if faults else 200,
            frame=frame,
            address=run_rows.read(view.query),
            formats=FORMATS,
            limits=limits,
            refused=refused,
            default_name=_default_name(view, frame),
            fields=headers,
            narrow={
                name: kind.max_columns
                for name, kind in FORMATS.items()
                if 0 < kind.max_columns < len(headers)
            },
            max_checkboxes=MAX_CHECKBOXES,
            rows=totals.rows,
            size=totals.row_bytes,
            faults=faults,
            parameters=view.query,
            link=link,
            valid_ms=self.seconds * 1000,
        )

    async def file(self, view: View) -> Response:
        """Redirect to the file, or show the form again with the error. ``do`` = ``link`` shows the
        address instead, and ``save`` returns the part of the page that downloads the file.
        """
        parameters = view.query
        run_id = view.param("id")
        try:
            keys, query = keys_of(parameters), rows_of(parameters)
            chosen, _notes = await self.exports.check(
                view.caller, run_id, parameters.get("format"), keys, query
            )
        except InvalidRequest as error:
            return await self._form(view, {"format": _rule(error)})
        try:
            requested = parameters.get("name", "").strip()
            name = file_name(chosen, requested or _default_name(view, await self.frames.get(view)))
        except InvalidRequest as error:
            return await self._form(view, {"name": error.problems[0].text})
        url = self.links.url(
            view.visit,
            issuer_of(view.caller),
            EXPORT,
            run_id,
            name,
            format=chosen.name,
            keys=keys,
            safe=parameters.get("safe") == "1",
            bom=parameters.get("bom") == "1",
            query=query,
        )
        if parameters.get("do") == "link":
            return await self._form(view, {}, url)
        if parameters.get("do") == "save":
            at = urlsplit(url).path
            return view.part("run/saving.html", "file", name=name, address=at, again=view.address)
        return RedirectResponse(url, status_code=303)


def _default_name(view: View, frame: RunFrame) -> str:
    return readable_name(frame.view.worker.name, frame.view.run.created_at, view.zone)


def _rule(error: InvalidRequest) -> str:
    """The broken rules. Of those of the format without the remedy, which names parameters of the
    API: the form shows what else can be chosen.
    """
    return "; ".join(
        problem.rule if problem.field == "format" else problem.sentence
        for problem in error.problems
    )


def keys_of(parameters: QueryParams) -> list[str]:
    """Return the selected fields, then the typed ones; [] for all. Raise ``InvalidRequest``."""
    keys = [key for key in parameters.getlist("key") if key]
    keys += [line.strip() for line in parameters.get("keys", "").splitlines() if line.strip()]
    if sum(map(len, keys)) > MAX_KEYS_CHARS:
        raise InvalidRequest(
            f"the field names may have at most {MAX_KEYS_CHARS} characters in total; "
            "select no field to export all",
            field="key",
        )
    return keys


def rows_of(parameters: QueryParams) -> Query:
    """The requested rows and their form. Raise ``InvalidFields``."""
    return parse_query(
        clean=parameters.get("clean") == "1",
        flatten=parameters.get("flatten") == "1",
        sort=parameters.get("sort", ""),
        filters=[text for text in parameters.getlist("filter") if text],
        failed_rows=parameters.get("failed") == "1",
    )
