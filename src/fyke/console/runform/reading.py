"""Determines the initial input of a run form and reads a submitted form, which may have been
rendered for another version.
"""

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
    """The form of the chosen version and the input. ``other_version``: the submitted form was
    rendered for another version, so the page must be rendered from the parsed input.
    """

    form: FormView
    checked: InputCheck
    other_version: bool


async def initial_input(view: View, forms: RunForms, worker_id: str) -> FormStart:
    """Return the input of the run, task or version that the query names, or the default.

    Raise ``VersionUnavailable``, ``UnknownVersion``, and ``NotFound`` for runs and tasks of other
    accounts.
    """
    return await forms.initial_input(
        view.caller,
        worker_id,
        from_run=view.query.get("from_run", ""),
        task=view.query.get("task", ""),
        version=view.query.get("version", ""),
    )


async def read_input(forms: RunForms, caller: Caller, ref: str, request: FormRequest) -> FormInput:
    """Return the submitted input, parsed by the schema of the chosen version, or of the latest
    version if the chosen one no longer exists. Raise ``VersionUnavailable`` when no version can
    run.
    """
    try:
        form = await forms.open(caller, ref, request.version)
    except (VersionUnavailable, UnknownVersion):
        form = await forms.open(caller, ref)
    if (
        request.sent_view == FORM_VIEW
        and request.rendered_version
        and request.rendered_version != form.version.number
    ):
        rendered_form = await forms.past_form(caller, ref, request.rendered_version)
        if rendered_form is not None:
            value = await forms.read(rendered_form, request.raw)
            return FormInput(form, await forms.check(caller, form, GivenInput(value.input)), True)
    return FormInput(form, await forms.check(caller, form, request.raw), False)
