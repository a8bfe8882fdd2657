"""The secrets that the visitor's account stores for a Worker. No page contains a value: not the
list, not the form after an error, and not the form that is kept while the user signs in again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.worker_frame import WorkerFrame, WorkerFrames
from fyke.console.problems import faults_of
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.secrets.service import WorkerSecrets
from fyke.domain.workers.secret_rules import MAX_SECRETS
from fyke.errors import InvalidRequest, NotFound, Refused

AREA = "/store"
TAB = "/secrets"
FORM_BYTES = 2**18
VALUES = frozenset({"value", "lines"})  # fields of the form that contain a value
_FIELDS = {"name": "name", "value": "value"}


@dataclass(frozen=True, slots=True)
class WorkerSecretPages:
    frames: WorkerFrames
    secrets: WorkerSecrets

    def pages(self) -> list[ConsolePage]:
        at = f"/w/{{owner}}/{{name}}{TAB}"
        return [
            ConsolePage("GET", at, self.show, area=AREA),
            ConsolePage("POST", at, self.put, area=AREA, form_bytes=FORM_BYTES, excluded=VALUES),
            ConsolePage(
                "POST", f"{at}/{{secret}}/remove", self.remove, area=AREA, form_bytes=2**16
            ),
        ]

    async def show(self, view: View) -> Response:
        frame = await self.frames.get(view, TAB)
        return await self._page(view, frame, view.query.get("name", "")[:64], {})

    async def put(self, view: View) -> Response:
        frame = await self.frames.get(view, TAB)
        name, lines = view.form.get("name").strip(), view.form.get("lines").replace("\r\n", "\n")
        value = view.form.get("value") or lines
        try:
            await self.secrets.put(view.caller, frame.worker.id, name, value)
        except (InvalidRequest, Refused) as error:
            return await self._page(view, frame, name, faults_of(error, _FIELDS))
        notice = _("%(name)s was set. It is available to runs that start from now on.") % {
            "name": name
        }
        return view.go(frame.base + TAB, notice)

    async def remove(self, view: View) -> Response:
        frame = await self.frames.get(view, TAB)
        name = view.param("secret")
        try:
            await self.secrets.remove(view.caller, frame.worker.id, name)
        except NotFound:
            return view.go(frame.base + TAB, _("The secret was already removed."), "warn")
        return view.go(frame.base + TAB, _("%(name)s was removed.") % {"name": name})

    async def _page(
        self, view: View, frame: WorkerFrame, name: str, faults: Mapping[str, str]
    ) -> Response:
        """``name``: the initial value of the form."""
        return view.page(
            "workers/secrets.html",
            status=422 if faults else 200,
            frame=frame,
            secrets=await self.secrets.read(view.caller, frame.worker.id),
            name=name,
            faults=faults,
            max_secrets=MAX_SECRETS,
        )
