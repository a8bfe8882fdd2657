"""The initial input of a form, and reading a submitted one, even after a version change."""

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
    """The form of the chosen version, and the input. ``moved``: the controls that were sent are
    those of another version, so the form is to be drawn from the input.
    """

    form: FormView
    checked: InputCheck
    moved: bool


async def begin(view: View, forms: RunForms, worker_id: str) -> FormStart:
    """The initial input of the form by the address: of a run, a task, a version, or none.

    Raises ``VersionUnavailable``, ``UnknownVersion``, and ``NotFound`` for what is of others.
    """
    return await forms.initial_input(
        view.caller,
        worker_id,
        from_run=view.query.get("from_run", ""),
        task=view.query.get("task", ""),
        version=view.query.get("version", ""),
    )


async def read_input(forms: RunForms, caller: Caller, ref: str, request: FormRequest) -> FormInput:
    """What was sent, as the chosen version understands it. Of a version that is gone meanwhile the
    input is kept for the newest one. Raise ``VersionUnavailable`` when there is none.
    """
    try:
        form = await forms.open(caller, ref, request.version)
    except (VersionUnavailable, UnknownVersion):
        form = await forms.open(caller, ref)
    if request.was_view == FORM_VIEW and request.drawn and request.drawn != form.version.number:
        drawn = await forms.past_form(caller, ref, request.drawn)
        if drawn is not None:
            value = await forms.read(drawn, request.raw)
            return FormInput(form, await forms.check(caller, form, GivenInput(value.input)), True)
    return FormInput(form, await forms.check(caller, form, request.raw), False)
