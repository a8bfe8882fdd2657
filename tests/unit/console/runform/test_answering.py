"""The page of a form after an action: what is shown again, what is said, what takes the focus."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from fyke.console.forms import PostedForm
from fyke.console.runform.answering import FormAction, FormReply, page_with_errors
from fyke.console.runform.context import FormContext
from fyke.console.runform.form_request import read
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

FRAME = OUTLOOK = cast(Any, None)  # neither is asked


def action(*pairs: tuple[str, str], moved: bool = False) -> FormAction:
    request = read(PostedForm(pairs))
    worker = a_worker("acme")
    view = FormView(worker, a_version(worker.id), FORM, ("v1.0.1",))
    checked = InputCheck(normalise(FORM, request.raw), OUTLOOK)
    return FormAction(FRAME, view, request, checked, moved)


def control(work: FormContext, name: str) -> str:
    [found] = [each for g in work.groups for each in g.controls if each.field.name == name]
    return found.text


def test_what_was_typed_stays_with_its_fault() -> None:
    work = page_with_errors(FormReply(action(("do", "start"), ("f:count", "many")), refused=True))
    assert control(work, "count") == "many"
    assert work.errors and work.focus
    assert not work.land


def test_errors_that_answer_nothing_do_not_take_the_focus() -> None:
    work = page_with_errors(FormReply(action(("do", "redraw"), ("f:count", "many")), afresh=True))
    assert work.errors and not work.focus
    assert (work.land, work.options_open) == ("version", True)


@pytest.mark.parametrize(("do", "was"), [("json", "form"), ("form", "json")])
def test_the_other_view_shows_what_was_understood(do: str, was: str) -> None:
    pairs = (("view", was), ("f:city", "Graz"), ("json_text", '{"city": "Graz"}'))
    work = page_with_errors(FormReply(action(("do", do), *pairs), afresh=True))
    assert (work.view, work.land, work.focus) == (do, "view", False)
    assert "Graz" in (work.json_text if do == "json" else control(work, "city"))


def test_json_that_cannot_be_read_has_no_other_view() -> None:
    asked = action(("do", "form"), ("view", "json"), ("json_text", '{"city":\r\n'))
    work = page_with_errors(FormReply(asked, afresh=True))
    assert (work.view, work.json_text) == ("json", '{"city":\n')
    assert work.focus, "the error is why nothing changed"


def test_an_empty_input_can_be_read() -> None:
    asked = action(("do", "form"), ("view", "json"), ("json_text", "{}"))
    assert page_with_errors(FormReply(asked, afresh=True)).view == "form"


def test_controls_of_another_version_are_drawn_anew_with_the_input_they_stood_for() -> None:
    asked = action(("do", "start"), ("f:town", "Graz"), ("version", "v1.0.1"), moved=True)
    asked = replace(
        asked, checked=InputCheck(NormalisedInput({}, {"city": "Graz", "old": 1}), OUTLOOK)
    )
    work = page_with_errors(FormReply(asked))
    assert control(work, "city") == "Graz"
    assert json.loads(work.rest) == {"old": 1}


def test_a_version_that_may_not_run_is_not_chosen_again() -> None:
    assert page_with_errors(FormReply(action(("version", "v1.0.1")))).version == "v1.0.1"
    assert page_with_errors(FormReply(action(("version", "v9")))).version == ""


def test_a_notice_stands_alone_and_leads_to_itself() -> None:
    reply = FormReply(action(("do", "default"), ("f:count", "many")), notice="Saved.")
    work = page_with_errors(reply)
    assert (work.notice, work.land, work.errors, work.focus) == ("Saved.", "notice", [], False)
    more = replace(reply, more=(InputError("custom.city", "line 3 is empty"),))
    assert page_with_errors(more).focus


def test_a_problem_of_the_callback_stands_at_its_field_which_is_in_sight() -> None:
    asked = action(("do", "start"), ("callback_url", " ftp://x "), ("task_title", "T"))
    work = page_with_errors(FormReply(asked, problem="must be http", of_callback=True))
    assert (work.callback_fault, work.options_open, work.focus) == ("must be http", True, True)
    assert (work.callback_url, work.task_title) == ("ftp://x", "T")
    other = page_with_errors(FormReply(asked, problem="no balance"))
    assert (other.callback_fault, other.options_open, other.problem) == ("", False, "no balance")
    assert page_with_errors(FormReply(asked, task_fault="must have a title")).focus
