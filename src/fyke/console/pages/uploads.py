"""Uploads: from a ZIP or a repository, progress of the checks, test run, publishing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response

from fyke.api.event_stream import EventStream
from fyke.api.uploads import MAX_UPLOAD_BYTES
from fyke.console import live
from fyke.console.page import ConsolePage
from fyke.console.problems import faults_of
from fyke.console.runform.input_form import InputForm, initial_form, read_submitted
from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext, use_language
from fyke.console.view import View
from fyke.domain.forms.service import RunForms
from fyke.domain.review.service import Reviews
from fyke.domain.runs.service import Runs
from fyke.domain.uploads.service import Uploads
from fyke.domain.workers import output_schema
from fyke.domain.workers.naming import checked_name, name_from_title
from fyke.domain.workers.promotion import Promotions
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, FykeError, InvalidRequest, NotFound, Refused
from fyke.model.upload import GitSource, Upload, UploadState
from fyke.model.worker import Worker

AREA = "/dev/upload"
SIZE = 50
OFFERED = 500  # Workers in the choice of a target
NEW, VERSION = "new", "version"  # what an upload becomes
_READY = (UploadState.READY, UploadState.PUBLISHED)


@dataclass(frozen=True, slots=True)
class UploadPages:
    uploads: Uploads
    workers: Workers
    runs: Runs
    reviews: Reviews
    forms: RunForms
    promotions: Promotions

    def pages(self) -> list[ConsolePage]:
        upload_path = f"{AREA}/{{id}}"
        return [
            ConsolePage("GET", AREA, self.list, area=AREA),
            ConsolePage(
                "POST", f"{AREA}/zip", self.add_zip, area=AREA, form_bytes=MAX_UPLOAD_BYTES
            ),
            ConsolePage("POST", f"{AREA}/git", self.add_git, area=AREA),
            ConsolePage("GET", upload_path, self.show, area=AREA),
            ConsolePage("GET", f"{upload_path}/live", self.live, area=AREA, part=True),
            ConsolePage("POST", f"{upload_path}/again", self.again, area=AREA),
            ConsolePage("POST", f"{upload_path}/remove", self.remove, area=AREA),
            ConsolePage("POST", f"{upload_path}/publish", self.publish, area=AREA),
            ConsolePage("POST", f"{upload_path}/test", self.test, area=AREA, form_bytes=16 * 2**20),
        ]

    # --- new uploads -------------------------------------------------------------------------

    async def list(self, view: View) -> Response:
        return await self._list_page(view)

    async def _list_page(self, view: View, *, status: int = 200, **more: Any) -> Response:
        values = {"faults": {}, "typed": {"url": "", "ref": "", "folder": ""}} | more
        ref = view.form.get("worker") or view.query.get("worker", "")
        target = await self.uploads.target(view.caller, ref) if ref else None
        _count, uploads = await self.uploads.page(view.caller, offset=0, limit=SIZE)
        without_git = await self.uploads.git_problem()
        return view.page(
            "upload/list.html",
            status=status,
            area=AREA,
            uploads=uploads,
            without_git=without_git,
            target=target,
            **values,
        )

    async def add_zip(self, view: View) -> Response:
        file = view.form.files.get("scraper_file")
        if file is None or not file.filename:
            faults = {"scraper_file": _("Choose a ZIP file of the project.")}
            return await self._list_page(view, status=422, faults=faults)
        try:
            upload = await self.uploads.add_zip(
                view.caller, await file.read(), file.filename, worker=view.form.get("worker")
            )
        except (InvalidRequest, Refused) as error:
            faults = faults_of(error, {"file": "scraper_file"}, "scraper_file")
            return await self._list_page(view, status=422, faults=faults)
        return view.go(f"{AREA}/{upload.id}")

    async def add_git(self, view: View) -> Response:
        typed = {name: view.form.get(name) for name in ("url", "ref", "folder")}
        try:
            upload = await self.uploads.add_git(
                view.caller, GitSource(**typed), worker=view.form.get("worker")
            )
        except (InvalidRequest, Refused) as error:
            faults = faults_of(error, {name: name for name in typed}, "url")
            return await self._list_page(view, status=422, faults=faults, typed=typed)
        return view.go(f"{AREA}/{upload.id}")

    # --- one upload ------------------------------------------------------------------------

    async def show(self, view: View) -> Response:
        upload = await self.uploads.get(view.caller, view.param("id"))
        values = await self._values(view, upload)
        return await asyncio.to_thread(view.page, "upload/show.html", **values)

    async def live(self, view: View) -> Response:
        """A stream of the page's content, sent whenever a check starts or ends, and in the end of
        its head, with the title of the project and what to do next.
        """
        await self.uploads.get(
            view.caller, view.param("id")
        )  # an error must come before the stream starts
        updates = self.uploads.follow(view.caller, view.param("id"))

        def partials(blocks: dict[str, str], values: dict[str, Any]) -> str:
            texts = {at: view.text_of("upload/show.html", b, **values) for at, b in blocks.items()}
            return "".join(live.partial(at, "innerHTML", html) for at, html in texts.items())

        async def source() -> AsyncGenerator[bytes, None]:
            with suppress(NotFound):  # removed in the meantime
                async for upload in updates:
                    values = await self._values(view, upload)
                    blocks = {"#upload": "upload"}
                    if not upload.state.in_progress:
                        blocks["#upload-head"] = "upload_head"
                    with use_language(view.language):
                        html = await asyncio.to_thread(partials, blocks, values)
                    yield live.message(html)
            yield live.END

        return EventStream(source(), lambda: None)

    async def _values(
        self, view: View, upload: Upload, input_form: InputForm | None = None, **more: Any
    ) -> dict[str, Any]:
        base = f"{AREA}/{upload.id}"
        ready = upload.state in _READY
        if ready and input_form is None:
            input_form = await asyncio.to_thread(
                partial(initial_form, browser_mb=self.forms.browser_mb(upload.browser), own=True),
                upload.input_schema,
                f"{base}/test",
            )
        worker = await self._worker(view, upload)
        workers = await self._own_workers(view, worker) if upload.state is UploadState.READY else []
        only_tested = worker is not None and not worker.latest and bool(upload.test_run_id)
        typed = {
            "target": NEW if only_tested or not workers else VERSION if worker else "",
            "worker": worker.id if worker else "",
            "name": worker.name if worker and only_tested else _name(upload),
            "title": upload.title,
            "public": False,
            "note": "",
        }
        values = {"faults": {}, "problem": "", "typed": typed} | more
        return {
            "area": AREA,
            "upload": upload,
            "base": base,
            "ready": ready,
            "worker": worker,
            "workers": workers,
            "input_form": input_form,
            "frame": input_form.frame if input_form else None,
            "columns": output_schema.headers(upload.output_schema) if ready else [],
            "test_run": await self._test_run(view, upload),
            "needs_review": self.reviews.needed_by(view.caller),
            **values,
        }

    async def _worker(self, view: View, upload: Upload) -> Worker | None:
        if not upload.worker_id:
            return None
        try:
            return await self.workers.find(view.caller, upload.worker_id)
        except NotFound:
            return None

    async def _own_workers(self, view: View, worker: Worker | None) -> Sequence[Worker]:
        """The Workers that an upload may become a version of, ``worker`` first."""
        _count, own = await self.workers.own_page(view.caller, "", offset=0, limit=OFFERED)
        first = [worker] if worker else []
        return first + [item for item in own if worker is None or item.id != worker.id]

    async def _test_run(self, view: View, upload: Upload) -> Any:
        if not upload.test_run_id:
            return None
        try:
            return (await self.runs.get(view.caller, upload.test_run_id)).run
        except NotFound:
            return None

    async def again(self, view: View) -> Response:
        upload = await self.uploads.restart(view.caller, view.param("id"))
        return view.go(f"{AREA}/{upload.id}")

    async def remove(self, view: View) -> Response:
        await self.uploads.remove(view.caller, view.param("id"))
        return view.go(AREA, _("The upload was removed."))

    async def publish(self, view: View) -> Response:
        upload = await self.uploads.get(view.caller, view.param("id"))
        texts = ("target", "worker", "name", "title", "note")
        typed: dict[str, Any] = {n: view.form.get(n).strip() for n in texts}
        typed["public"] = view.form.on("public")
        named = await self._named(view, typed["name"]) if typed["target"] == NEW else None
        if faults := _target_faults(typed, named):
            values = await self._values(view, upload, typed=typed, faults=faults)
            return view.page("upload/show.html", status=422, **values)
        new, breaks = typed["target"] == NEW, 0
        try:
            if not new and not view.form.on("keep"):
                schema = upload.input_schema
                breaks = await self.promotions.breaks(view.caller, typed["worker"], schema)
            worker, version, findings = await self.uploads.publish(
                view.caller,
                upload.id,
                name=typed["name"] if new else "",
                title=typed["title"] if new else "",
                public=True if typed["public"] else None,
                note=typed["note"],
                new=new and named is None,
                worker="" if new else typed["worker"],
                promote=new or not (breaks or view.form.on("keep")),
                replace_waiting=not view.form.on("keep"),
            )
        except (NotFound, Forbidden):
            raise
        except FykeError as error:
            if new and isinstance(error, Refused):  # its name may have been taken meanwhile
                named = await self._named(view, typed["name"])
            faults = _target_faults(typed, named) or _faults(error, typed["target"])
            values = await self._values(view, upload, typed=typed, faults=faults)
            return view.page("upload/show.html", status=422, **values)
        needs_review = any(finding.code == "review_waiting" for finding in findings)
        text = _("Version %(number)s is published.")
        current = {"number": version.number, "current": worker.latest}
        at = f"/w/{worker.path}/versions/{version.number}/promote"
        if breaks and worker.latest != version.number:
            text = ngettext(
                "Version %(number)s is published, but %(current)s is still the current version: one"
                " task could no longer start. Check it, then make %(number)s current.",
                "Version %(number)s is published, but %(current)s is still the current version:"
                " %(num)s tasks could no longer start. Check them, then make %(number)s current.",
                breaks,
            )
            return view.go(at, text % {**current, "num": breaks}, "warn")
        if needs_review:
            text = _("Version %(number)s is waiting for review. Your account can already run it.")
        elif worker.latest != version.number:
            text = _("Version %(number)s is published. %(current)s is still the current version.")
            return view.go(at, text % current)
        return view.go(f"/w/{worker.path}", text % {"number": version.number})

    async def _named(self, view: View, name: str) -> Worker | None:
        """The account's Worker with this name. One without a version is that of a test run."""
        try:
            path = f"{view.caller.account_name}/{checked_name(name)}"
            return await self.workers.find(view.caller, path)
        except (NotFound, InvalidRequest):
            return None  # a name that is not allowed is refused with its rule

    async def test(self, view: View) -> Response:
        """Start a test run of the draft, or redraw its form."""
        upload = await self.uploads.get(view.caller, view.param("id"))
        base = f"{AREA}/{upload.id}/test"
        input_form, check_only = await read_submitted(
            upload.input_schema,
            base,
            view.form,
            partial(self.forms.read_file, view.caller),
            browser_mb=self.forms.browser_mb(upload.browser),
        )
        problem = ""
        if not check_only and not input_form.faulty:
            try:
                run = await self.uploads.test_run(view.caller, upload.id, input_form.input)
                return view.go(f"/runs/{run.id}")
            except (NotFound, Forbidden):
                raise
            except FykeError as error:
                problem = error.message
        values = await self._values(view, upload, input_form, problem=problem)
        status = 200 if check_only else 422
        return await asyncio.to_thread(
            view.page_or_part, "upload/show.html", "work", status=status, **values
        )


def _target_faults(typed: dict[str, Any], named: Worker | None) -> dict[str, str]:
    """What is missing to know which Worker an upload becomes a version of."""
    if typed["target"] == VERSION:
        return {} if typed["worker"] else {"worker": _("Choose the Worker.")}
    if typed["target"] != NEW:
        return {"target": _("Choose whether it is a new Worker or a version of one.")}
    if not typed["name"]:
        return {"name": _("Give the new Worker a name.")}
    if named is not None and named.latest:
        return {"name": _("You have a Worker with this name. To update it, choose its version.")}
    return {}


def _faults(error: FykeError, target: str) -> dict[str, str]:
    """The problems at the fields that are visible for this target."""
    shown = ("name", "title", "note") if target == NEW else ("worker", "note")
    return faults_of(error, {name: name for name in shown}, shown[0])


def _name(upload: Upload) -> str:
    """The proposed name of the Worker."""
    try:
        return name_from_title(upload.title or upload.label.removesuffix(".zip"))
    except InvalidRequest:
        return ""
