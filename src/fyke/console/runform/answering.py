"""The page of a form after an action on it."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.console.pages.worker_frame import WorkerFrame
from fyke.console.runform.context import FormContext, form_context_of
from fyke.console.runform.form_request import FORM_VIEW, JSON_VIEW, REDRAW, FormRequest
from fyke.domain.forms.model import InputError
from fyke.domain.forms.pairs import group_by_field
from fyke.domain.forms.service import FormView, InputCheck

# the new focus, because the pressed button has been replaced
_LAND = {FORM_VIEW: "view", JSON_VIEW: "view", REDRAW: "version"}


@dataclass(frozen=True, slots=True)
class FormAction:
    """The request and its input."""

    frame: WorkerFrame
    form: FormView
    request: FormRequest
    checked: InputCheck
    moved: bool = False  # the controls that were sent are those of another version

    @property
    def unreadable(self) -> bool:
        """Whether the JSON text is invalid, so that it has no other view."""
        value = self.checked.value
        return not value.custom and any(not error.path for error in value.errors)


@dataclass(frozen=True, slots=True)
class FormReply:
    """What the page is to say. ``afresh`` shows the value that was understood, in the view that is
    wanted; otherwise all stays as it was typed. ``refused``: the faults are why nothing was done.
    ``of_callback``: the problem is one of the callback URL.
    """

    asked: FormAction
    afresh: bool = False
    refused: bool = False
    problem: str = ""
    of_callback: bool = False
    task_fault: str = ""
    notice: str = ""
    more: tuple[InputError, ...] = ()


def page_with_errors(reply: FormReply) -> FormContext:
    """The form as typed, with the reply."""
    asked, request = reply.asked, reply.asked.request
    value = asked.checked.value
    afresh = (reply.afresh or asked.moved) and not asked.unreadable
    typed = not afresh
    errors = reply.more if reply.notice else (*reply.more, *value.errors)
    work = form_context_of(
        asked.form.form,
        value,
        asked.form.version.defaults,
        request.view if afresh else request.was_view,
        sent=group_by_field(request.pairs) if typed and request.was_view == FORM_VIEW else None,
        json_text=request.json_text.replace("\r\n", "\n") if typed else "",
        errors=errors,
    )
    work.version = request.version if request.version in asked.form.numbers else ""
    work.callback_url, work.task_title = request.callback_url, request.title
    work.problem, work.task_fault, work.notice = reply.problem, reply.task_fault, reply.notice
    work.callback_fault = reply.problem if reply.of_callback else ""
    work.options_open = work.options_open or bool(work.callback_fault)
    stuck = reply.afresh and asked.unreadable and request.was_view == JSON_VIEW
    refused = bool(reply.refused or reply.problem or reply.task_fault or reply.more)
    work.focus = refused or stuck
    if not work.focus:
        work.land = "notice" if reply.notice else _LAND.get(request.act, "")
    work.options_open = work.options_open or work.land == "version"
    return work
