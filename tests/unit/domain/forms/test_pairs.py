"""The names of a form's controls, and the pairs that a form sends."""

from __future__ import annotations

import pytest

from fyke.domain.forms.pairs import FormContent, content_of, content_pairs, control, group_by_field
from support.forms import form

NAMES = ["url", "a:b", "a.b c", "50%", "名前", "json", "\ud800"]


@pytest.mark.parametrize("name", NAMES)
def test_every_field_name_is_decoded_from_its_control_name(name: str) -> None:
    sent = [(control(name), "1"), (control(name, "json"), "2"), (control(name, part="s"), "3")]
    assert all(name.count(":") <= 2 for name, _ in sent)
    assert group_by_field(sent) == FormContent(
        custom={name: {"": ["1"], "json": ["2"]}}, system={name: {"": ["3"]}}
    )


def test_a_suffix_may_contain_the_separator() -> None:
    name = control("rows", "0.date:unit")
    assert group_by_field([(name, "days")]).custom == {"rows": {"0.date:unit": ["days"]}}


def test_texts_of_one_control_stay_in_order() -> None:
    sent = [("f:x", "b"), ("f:y", "c"), ("f:x", "a"), ("f:x", "b")]
    assert group_by_field(sent).custom == {"x": {"": ["b", "a", "b"]}, "y": {"": ["c"]}}


def test_values_beyond_the_form_are_separate_and_other_controls_are_left_out() -> None:
    sent = [("f", '{"a":1}'), ("s", '{"cpus":1}'), ("csrf", "x"), ("fx", "y"), ("g:x", "z")]
    assert group_by_field(sent) == FormContent(custom_rest='{"a":1}', system_rest='{"cpus":1}')


def test_a_form_sends_the_complete_input() -> None:
    made = form({"name": "x", "editor": "input", "type": "string"})
    content = content_of(made, {"x": "1", "more": [2]}, {"memory": 1024, "cpus": 1})
    sent = content_pairs(content)
    assert ("f:x", "1") in sent
    assert ("s:memory", "1024") in sent
    assert dict(sent)["f"] == '{"more":[2]}'
    assert dict(sent)["s"] == '{"cpus":1}'
    again = group_by_field(sent)
    assert again.custom == content.custom


def test_without_values_beyond_the_form_the_rest_is_empty() -> None:
    made = form({"name": "x", "editor": "input", "type": "string"})
    sent = dict(content_pairs(content_of(made, {}, {})))
    assert (sent["f"], sent["s"]) == ("", "")
    assert "f:x" not in sent
