"""Review: the pending submissions, one of them in full, and the decision."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.reasons import error_text
from fyke.console.runform.input_form import initial_form, read_submitted
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.forms.service import RunForms
from fyke.domain.review.files import ShownFile, SubmissionFiles
from fyke.domain.review.service import DecidedAlready, Reviews, SubmissionView
from fyke.domain.workers.history import VersionComparison, VersionHistory
from fyke.errors import Forbidden, FykeError, InvalidRequest, NotFound, VersionUnavailable

AREA = "/admin/review"
SIZE = 50


@dataclass(frozen=True, slots=True)
class ReviewPages:
    reviews: Reviews
    history: VersionHistory
    files: SubmissionFiles
    forms: RunForms

    def pages(self) -> list[ConsolePage]:
        submission_path = f"{AREA}/{{id}}"
        return [
            ConsolePage("GET", AREA, self.list, area=AREA, operator=True),
            ConsolePage("GET", submission_path, self.show, area=AREA, operator=True),
            ConsolePage("POST", f"{submission_path}/decide", self.decide, area=AREA, operator=True),
            ConsolePage(
                "POST",
                f"{submission_path}/sample",
                self.sample,
                area=AREA,
                operator=True,
                form_bytes=16 * 2**20,
            ),
        ]

    async def list(self, view: View) -> Response:
        decided = view.query.get("decided") == "1"
        text = view.query.get("page", "1")
        number = int(text) if text.isdecimal() and 0 < int(text[:6]) < 100_000 else 1
        offset = (number - 1) * SIZE
        count, submissions = await self.reviews.page(
            view.caller, waiting=not decided, offset=offset, limit=SIZE
        )
        return view.page(
            "review/list.html",
            area=AREA,
            entries=submissions,
            decided=decided,
            waiting=await self.reviews.waiting(view.caller),
            count=count,
            first=offset + 1,
            last=offset + len(submissions),
            number=number,
            more=offset + len(submissions) < count,
        )

    async def show(self, view: View) -> Response:
        entry = await self.reviews.get(view.caller, view.param("id"))
        return await self._page(view, entry)

    async def decide(self, view: View) -> Response:
        reply = view.form.get("reply").replace("\r\n", "\n")
        ref = view.param("id")
        try:
            if view.form.get("decision") == "approve":
                await self.reviews.approve(view.caller, ref, reply)
                text = _("The version was approved: all users can now find and run it.")
            else:
                await self.reviews.send_back(view.caller, ref, reply)
                text = _("The version was returned with your note.")
        except DecidedAlready:
            entry = await self.reviews.get(view.caller, ref)
            return await self._page(view, entry, status=409, decided_first=True)
        except (InvalidRequest, VersionUnavailable) as error:
            entry = await self.reviews.get(view.caller, ref)
            faults = {"reply": error_text(error)}
            return await self._page(view, entry, status=422, faults=faults, reply=reply)
        return view.go(AREA, text)

    async def sample(self, view: View) -> Response:
        """Start a sample run, or redraw its form."""
        ref = view.param("id")
        entry = await self.reviews.get(view.caller, ref)
        base = f"{AREA}/{ref}/sample"
        input_form, check_only = await read_submitted(
            entry.version.input_schema,
            base,
            view.form,
            partial(self.forms.read_file, view.caller),
            browser_mb=self.forms.browser_mb(entry.version.browser),
        )
        problem = ""
        if not check_only and not input_form.faulty:
            try:
                run = await self.reviews.sample(view.caller, ref, input_form.input)
                return view.go(f"/runs/{run.id}")
            except (NotFound, Forbidden):
                raise
            except FykeError as error:
                problem = error_text(error)
        status = 200 if check_only else 422
        return await self._page(view, entry, status=status, input_form=input_form, problem=problem)

    async def _page(
        self, view: View, entry: SubmissionView, *, status: int = 200, **more: Any
    ) -> Response:
        base = f"{AREA}/{entry.submission.id}"
        comparison, fault = await self._comparison(view, entry)
        shown: list[ShownFile] = []
        more_files = 0
        if comparison is None and not fault:
            shown, more_files = await self.files.list(view.caller, entry)
        input_form = more.pop("input_form", None) or await asyncio.to_thread(
            partial(
                initial_form, browser_mb=self.forms.browser_mb(entry.version.browser), own=True
            ),
            entry.version.input_schema,
            f"{base}/sample",
        )
        values = {"faults": {}, "reply": "", "problem": "", "decided_first": False} | more
        return await asyncio.to_thread(
            view.page_or_part,
            "review/show.html",
            "work",
            status=status,
            area=AREA,
            entry=entry,
            submission=entry.submission,
            base=base,
            comparison=comparison,
            diff_fault=fault,
            files=shown,
            more_files=more_files,
            input_form=input_form,
            frame=input_form.frame,
            **values,
        )

    async def _comparison(
        self, view: View, entry: SubmissionView
    ) -> tuple[VersionComparison | None, str]:
        """(difference from the public version, error); None for the first version or an error."""
        if entry.base is None:
            return None, ""
        try:
            return (
                await self.history.compare(
                    view.caller, entry.worker.id, entry.base.number, entry.version.number
                ),
                "",
            )
        except (NotFound, VersionUnavailable, InvalidRequest) as error:
            return None, error_text(error)
