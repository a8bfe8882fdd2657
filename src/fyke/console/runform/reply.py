"""The content of a form page after a button was pressed."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.console.pages.worker_frame import WorkerFrame
from fyke.console.runform.context import FormContext, form_context_of
from fyke.console.runform.form_request import FORM_VIEW, JSON_VIEW, REDRAW, FormRequest
from fyke.domain.forms.model import InputError
from fyke.domain.forms.pairs import group_by_field
from fyke.domain.forms.service import FormView, InputCheck

# the new focus, because the pressed button has been replaced
_FOCUS_TARGETS = {FORM_VIEW: "view", JSON_VIEW: "view", REDRAW: "version"}


@dataclass(frozen=True, slots=True)
class FormAction:
    """A pressed button, with the form and the checked input."""

    frame: WorkerFrame
    form: FormView
    request: FormRequest
    checked: InputCheck
    other_version: bool = False  # the submitted form was rendered for another version

    @property
    def unreadable(self) -> bool:
        """Whether the JSON text is invalid, so that it has no other view."""
        value = self.checked.value
        return not value.custom and any(not error.path for error in value.errors)


@dataclass(frozen=True, slots=True)
class FormReply:
    """The result of an action. ``redraw``: show the parsed value in the requested view instead of
    what was typed. ``refused``: errors in the input prevented the action. ``asked``: the
    digest of the values that break rules of the form, about which a start asks first.
    ``about_callback``:
    ``problem`` concerns the callback URL, which an operator can allow with ``callback_entry``.
    """

    action: FormAction
    redraw: bool = False
    refused: bool = False
    asked: str = ""
    problem: str = ""
    about_callback: bool = False
    callback_entry: str = ""
    task_fault: str = ""
    notice: str = ""
    import_errors: tuple[InputError, ...] = ()


def context_after(reply: FormReply) -> FormContext:
    """The values of the page: the form as typed or redrawn, with the result of the action."""
    action, request = reply.action, reply.action.request
    value = action.checked.value
    redraw = (reply.redraw or action.other_version) and not action.unreadable
    errors = reply.import_errors if reply.notice else (*reply.import_errors, *value.errors)
    context = form_context_of(
        action.form.form,
        value,
        action.form.version.defaults,
        request.view if redraw else request.sent_view,
        sent=group_by_field(request.pairs)
        if not redraw and request.sent_view == FORM_VIEW
        else None,
        json_text=request.json_text.replace("\r\n", "\n") if not redraw else "",
        errors=errors,
    )
    context.version = request.version if request.version in action.form.numbers else ""
    context.callback_url, context.task_title = request.callback_url, request.title
    context.problem, context.notice = reply.problem, reply.notice
    context.task_fault = reply.task_fault
    context.callback_fault = reply.problem if reply.about_callback else ""
    context.callback_entry = reply.callback_entry
    context.options_open = context.options_open or bool(context.callback_fault)
    view_unavailable = reply.redraw and action.unreadable and request.sent_view == JSON_VIEW
    context.asked = reply.asked
    refused = bool(
        reply.refused or reply.problem or reply.task_fault or reply.import_errors or reply.asked
    )
    context.focus = refused or view_unavailable
    if not context.focus:
        context.focus_target = "notice" if reply.notice else _FOCUS_TARGETS.get(request.button, "")
    context.options_open = context.options_open or context.focus_target == "version"
    return context
