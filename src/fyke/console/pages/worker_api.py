"""The API tab of a Worker: programs that start it with the current input, and its endpoints."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.worker_frame import WorkerFrame, WorkerFrames
from fyke.console.pages.worker_input import FORM_BYTES
from fyke.console.reasons import error_text
from fyke.console.runform import form_request
from fyke.console.runform.form_request import FormRequest
from fyke.console.runform.reading import initial_input, read_input
from fyke.console.view import View
from fyke.domain.accounts.profiles import Profiles
from fyke.domain.accounts.service import Accounts
from fyke.domain.forms.model import pretty
from fyke.domain.forms.normalise import GivenInput, JsonText, RawInput
from fyke.domain.forms.service import FormView, InputCheck, RunForms
from fyke.errors import Forbidden, UnknownVersion, VersionUnavailable
from fyke.model.account import Role
from fyke.snippets.render import IDS, KEY, LANGUAGES, MAX_INLINE, Start, body_text, snippet

_BASE = "/w/{owner}/{name}/api"
_TEMPLATE = "workers/api.html"
_GONE = (VersionUnavailable, UnknownVersion)


@dataclass(frozen=True, slots=True)
class WorkerApiPages:
    frames: WorkerFrames
    forms: RunForms
    profiles: Profiles
    accounts: Accounts

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", _BASE, self.show),
            ConsolePage("POST", _BASE, self.follow, form_bytes=FORM_BYTES),
        ]

    async def show(self, view: View) -> Response:
        """The programs for the initial input of the form."""
        frame = await self.frames.get(view, "/api")
        try:
            start = await initial_input(view, self.forms, frame.worker.id)
        except _GONE as error:
            return view.page(_TEMPLATE, frame=frame, unavailable=error_text(error))
        language = await self._language(view, view.query.get("language", ""))
        initial = GivenInput(start.value.input)
        version = view.query.get("version", start.version)
        return await self._page(view, frame, initial, language, version, start.callback_url)

    async def follow(self, view: View) -> Response:
        """The programs for the input of the form or the typed body."""
        request = form_request.read(view.form)
        frame = await self.frames.get(view, "/api")
        requested = request.subject if request.button == "language" else view.form.get("language")
        language = await self._language(view, requested)
        raw: RawInput = _whole_body(request)
        if not view.form.get("whole"):
            submitted = await read_input(self.forms, view.caller, frame.worker.id, request)
            raw = (
                GivenInput(submitted.checked.value.input)
                if submitted.other_version
                else request.raw
            )
        return await self._page(view, frame, raw, language, request.version, request.callback_url)

    async def _language(self, view: View, requested: str) -> str:
        """The requested language, which is saved for the user, else the saved one."""
        saved = (await self.profiles.preferences(view.caller)).snippets
        if requested in IDS and requested != saved:
            await self.profiles.change_preferences(view.caller, snippets=requested)
        return requested if requested in IDS else saved or IDS[0]

    async def _page(
        self,
        view: View,
        frame: WorkerFrame,
        raw: RawInput,
        language: str,
        version: str,
        callback_url: str,
    ) -> Response:
        try:
            form = await self.forms.open(view.caller, frame.worker.id, version)
        except _GONE as error:
            return view.page(_TEMPLATE, frame=frame, unavailable=error_text(error))
        checked = await self.forms.check(view.caller, form, raw)
        start = _start(view, form, checked, version, callback_url)
        body = body_text(start)
        typed = raw.text if isinstance(raw, JsonText) else pretty(checked.value.input)
        return view.page_or_part(
            _TEMPLATE,
            "snippet",
            frame=frame,
            worker=frame.worker,
            unavailable="",
            languages=LANGUAGES,
            language=language,
            program=snippet(language, start),
            long_body=len(body) > MAX_INLINE,
            body=body,
            errors=[error.message for error in checked.value.errors],
            input_text=typed,
            version=version,
            callback_url=callback_url,
            key_variable=KEY,
            path=start.path,
            origin=view.visit.origin,
            has_keys=await self._has_keys(view),
        )

    async def _has_keys(self, view: View) -> bool:
        """Whether there is a key to use; a user who may not see keys is not asked to create one."""
        if view.caller.role is Role.VIEWER:
            return True
        try:
            return bool(await self.accounts.list_keys(view.caller))
        except Forbidden:
            return True


def _whole_body(request: FormRequest) -> RawInput:
    return JsonText(request.json_text.replace("\r\n", "\n"))


def _start(
    view: View, form: FormView, checked: InputCheck, version: str, callback_url: str
) -> Start:
    worker = form.worker
    return Start(
        view.visit.origin, worker.owner, worker.name, checked.value.input, version, callback_url
    )
