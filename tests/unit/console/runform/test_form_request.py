"""The request of a form: button, input, additional rows."""

from __future__ import annotations

import json

import pytest

from fyke.console.forms import PostedForm
from fyke.console.runform.form_request import FormRequest, read
from fyke.domain.forms.describe import describe
from fyke.domain.forms.normalise import FormPairs, JsonText
from support import all_editors

FORM = describe(json.dumps(all_editors.SCHEMA))
PLACES = FORM.fields["places"]


def request(*pairs: tuple[str, str]) -> FormRequest:
    return read(PostedForm(pairs))


def test_the_value_of_the_button_has_an_action_and_a_field() -> None:
    found = request(("do", "rows:places:old"))
    assert (found.button, found.subject) == ("rows", "places:old")
    assert (request(("do", "start")).button, request(("do", "start")).subject) == ("start", "")
    assert request().button == "redraw"


@pytest.mark.parametrize(
    ("do", "was", "shown"),
    [
        ("start", "form", "form"),
        ("start", "json", "json"),
        ("json", "form", "json"),
        ("form", "json", "form"),
        ("start", "<b>", "form"),
    ],
)
def test_a_button_can_change_the_view(do: str, was: str, shown: str) -> None:
    assert request(("do", do), ("view", was)).view == shown


def test_other_parameters_are_not_part_of_the_input() -> None:
    own = (("f:city", "Graz"), ("s:memory", "512"), ("f", "{}"), ("json_text", "{}"))
    found = request(*own, ("fx", "1"), ("task_title", " T "), ("version", " v1.0.1 "))
    assert found.pairs == own
    assert (found.title, found.version) == ("T", "v1.0.1")


def test_the_input_comes_from_the_view_that_was_sent() -> None:
    pairs = (("json_text", '{"a":\r\n1}'), ("f:city", "Graz"))
    assert request(("view", "json"), *pairs).raw == JsonText('{"a":\n1}', pairs)
    assert request(("view", "form"), ("do", "json"), *pairs).raw == FormPairs(pairs)


def test_a_blank_paste_field_does_not_count_as_pasted() -> None:
    assert not request(("f:places:paste", " \r\n")).pasted
    assert request(("f:places:paste", "a\tb")).pasted


def test_new_rows_are_empty_and_follow_the_last_row() -> None:
    old = ("f:places:0.url", "https://a.example"), ("f:places:7.url", ""), ("f:places:paste", "")
    found = request(*old).with_rows(PLACES, 2)
    assert found.pairs[:3] == old
    names = [f"f:places:{row}.{column.name}" for row in (8, 9) for column in PLACES.columns]
    assert found.pairs[3:] == tuple((name, "") for name in names)
    first = request().with_rows(PLACES, 1).pairs
    assert {name.partition(".")[0] for name, _ in first} == {"f:places:0"}
