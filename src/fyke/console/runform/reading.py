"""The initial input of a form, and reading a submitted one, even for another version."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.console.runform.form_request import FORM_VIEW, FormRequest
from fyke.console.view import View
from fyke.domain.forms.normalise import GivenInput
from fyke.domain.forms.service import FormStart, FormView, InputCheck, RunForms
from fyke.errors import UnknownVersion, VersionUnavailable
from fyke.model.account import Caller


@dataclass(frozen=True, slots=True)
class FormInput:
    """The form of the chosen version, and the input. ``other_version``: the submitted controls are
    those of another version, so the page must be drawn from the parsed input.
    """

    form: FormView
    checked: InputCheck
    other_version: bool


async def initial_input(view: View, forms: RunForms, worker_id: str) -> FormStart:
    """The input that the address names: of a run, a task or a version, else the default.

    Raise ``VersionUnavailable``, ``UnknownVersion``, and ``NotFound`` for runs and tasks of others.
    """
    return await forms.initial_input(
        view.caller,
        worker_id,
        from_run=view.query.get("from_run", ""),
        task=view.query.get("task", ""),
        version=view.query.get("version", ""),
    )


async def read_input(forms: RunForms, caller: Caller, ref: str, request: FormRequest) -> FormInput:
    """The submitted input, read by the schema of the chosen version, or of the latest one when the
    chosen one no longer exists. Raise ``VersionUnavailable`` when no version can run.
    """
    try:
        form = await forms.open(caller, ref, request.version)
    except (VersionUnavailable, UnknownVersion):
        form = await forms.open(caller, ref)
    if (
        request.sent_view == FORM_VIEW
        and request.drawn_version
        and request.drawn_version != form.version.number
    ):
        drawn_form = await forms.past_form(caller, ref, request.drawn_version)
        if drawn_form is not None:
            value = await forms.read(drawn_form, request.raw)
            return FormInput(form, await forms.check(caller, form, GivenInput(value.input)), True)
    return FormInput(form, await forms.check(caller, form, request.raw), False)
