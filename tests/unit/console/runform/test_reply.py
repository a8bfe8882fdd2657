"""The page of a form after an action: kept values, errors, notices, focus."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from fyke.console.forms import PostedForm
from fyke.console.runform.context import FormContext
from fyke.console.runform.form_request import read
from fyke.console.runform.reply import FormAction, FormReply, context_after
from fyke.domain.forms.describe import describe
from fyke.domain.forms.model import InputError
from fyke.domain.forms.normalise import NormalisedInput, normalise
from fyke.domain.forms.service import FormView, InputCheck
from support.memory import a_version, a_worker

FORM = describe(
    json.dumps(
        {
            "properties": [
                {"name": "city", "type": "string", "editor": "input"},
                {"name": "count", "type": "integer", "editor": "number", "maximum": 10},
            ]
        }
    )
)

FRAME = OUTLOOK = cast(Any, None)  # neither is pressed


def action(*pairs: tuple[str, str], other_version: bool = False) -> FormAction:
    request = read(PostedForm(pairs))
    worker = a_worker("acme")
    view = FormView(worker, a_version(worker.id), FORM, ("v1.0.1",))
    checked = InputCheck(normalise(FORM, request.raw), OUTLOOK)
    return FormAction(FRAME, view, request, checked, other_version)


def control(context: FormContext, name: str) -> str:
    [found] = [item for g in context.groups for item in g.controls if item.field.name == name]
    return found.text


def test_an_invalid_text_is_kept_with_its_error() -> None:
    context = context_after(FormReply(action(("do", "start"), ("f:count", "many")), refused=True))
    assert control(context, "count") == "many"
    assert context.errors and context.focus
    assert not context.focus_target


def test_errors_of_a_redraw_do_not_take_the_focus() -> None:
    context = context_after(FormReply(action(("do", "redraw"), ("f:count", "many")), redraw=True))
    assert context.errors and not context.focus
    assert (context.focus_target, context.options_open) == ("version", True)


@pytest.mark.parametrize(("do", "was"), [("json", "form"), ("form", "json")])
def test_changing_the_view_keeps_the_input(do: str, was: str) -> None:
    pairs = (("view", was), ("f:city", "Graz"), ("json_text", '{"city": "Graz"}'))
    context = context_after(FormReply(action(("do", do), *pairs), redraw=True))
    assert (context.view, context.focus_target, context.focus) == (do, "view", False)
    assert "Graz" in (context.json_text if do == "json" else control(context, "city"))


def test_unreadable_json_stays_in_the_json_view() -> None:
    pressed = action(("do", "form"), ("view", "json"), ("json_text", '{"city":\r\n'))
    context = context_after(FormReply(pressed, redraw=True))
    assert (context.view, context.json_text) == ("json", '{"city":\n')
    assert context.focus, "the error is why nothing changed"


def test_an_empty_json_object_can_be_shown_as_a_form() -> None:
    pressed = action(("do", "form"), ("view", "json"), ("json_text", "{}"))
    assert context_after(FormReply(pressed, redraw=True)).view == "form"


def test_controls_of_another_version_are_replaced_and_keep_the_input() -> None:
    pressed = action(("do", "start"), ("f:town", "Graz"), ("version", "v1.0.1"), other_version=True)
    pressed = replace(
        pressed, checked=InputCheck(NormalisedInput({}, {"city": "Graz", "old": 1}), OUTLOOK)
    )
    context = context_after(FormReply(pressed))
    assert control(context, "city") == "Graz"
    assert json.loads(context.rest) == {"old": 1}


def test_a_version_that_cannot_run_is_not_selected() -> None:
    assert context_after(FormReply(action(("version", "v1.0.1")))).version == "v1.0.1"
    assert context_after(FormReply(action(("version", "v9")))).version == ""


def test_a_notice_takes_the_focus_and_is_shown_without_errors() -> None:
    reply = FormReply(action(("do", "default"), ("f:count", "many")), notice="Saved.")
    context = context_after(reply)
    assert (context.notice, context.focus_target, context.errors, context.focus) == (
        "Saved.",
        "notice",
        [],
        False,
    )
    more = replace(reply, import_errors=(InputError("custom.city", "line 3 is empty"),))
    assert context_after(more).focus


def test_an_error_of_the_callback_is_shown_at_its_field_in_the_open_options() -> None:
    pressed = action(("do", "start"), ("callback_url", " ftp://x "), ("task_title", "T"))
    context = context_after(FormReply(pressed, problem="must be http", about_callback=True))
    assert (context.callback_fault, context.options_open, context.focus) == (
        "must be http",
        True,
        True,
    )
    assert (context.callback_url, context.task_title) == ("ftp://x", "T")
    other = context_after(FormReply(pressed, problem="no balance"))
    assert (other.callback_fault, other.options_open, other.problem) == ("", False, "no balance")
    assert context_after(FormReply(pressed, task_fault="must have a title")).focus
