"""Fields that are absent from a saved input: what the form shows, and what it sends unchanged."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.console.forms import PostedForm
from fyke.console.runform.form_request import read
from fyke.console.runform.input_form import initial_form
from fyke.console.statics import Statics
from fyke.console.templating import make_environment
from fyke.domain.forms.describe import describe
from fyke.domain.forms.model import same
from fyke.domain.forms.normalise import normalise
from support import all_editors
from support.examples import examples
from support.pages import Page
from support.run_forms import sent

SWITCHES: list[dict[str, Any]] = [
    {"name": "robots", "type": "boolean", "editor": "switch", "default": True},
    {"name": "scripts", "type": "boolean", "editor": "switch", "default": False},
    {"name": "plain", "type": "boolean", "editor": "switch"},
    {"name": "agreed", "type": "boolean", "editor": "switch", "default": True, "required": True},
]
PROPERTIES = [*all_editors.SCHEMA["properties"], *SWITCHES]
SCHEMA = json.dumps({"properties": PROPERTIES})
DEFAULTS = {item["name"]: item["default"] for item in PROPERTIES if "default" in item}
ENVIRONMENT = make_environment(Statics())
CUSTOMS = st.fixed_dictionaries(
    {},
    optional={
        item["name"]: st.sampled_from([None, item.get("default")])
        if item["editor"] != "switch"
        else st.sampled_from([None, True, False])
        for item in PROPERTIES
    },
)


def drawn(schema: str, custom: dict[str, Any]) -> Page:
    """The form of a saved input, as a browser gets it."""
    made = initial_form(schema, "/x", {"parameters": {"custom": custom}}, browser_mb=0)
    inner = ENVIRONMENT.get_template("parts/input_form.html").render(
        input_form=made, frame=made.frame
    )
    return Page(httpx2.Response(200, text=f'<form id="run-form">{inner}</form>'))


def returned(schema: str, page: Page, **changed: Any) -> dict[str, Any]:
    """The custom input that the form sends."""
    pairs = tuple((name, text) for name, texts in sent(page, **changed).items() for text in texts)
    value = normalise(describe(schema), read(PostedForm(pairs, {})).raw)
    return value.custom


@examples(40)
@given(CUSTOMS)
def test_a_saved_input_that_is_sent_unchanged_stays_the_same(custom: dict[str, Any]) -> None:
    assert same(returned(SCHEMA, drawn(SCHEMA, custom)), custom)


@examples(20)
@given(CUSTOMS)
def test_a_switch_is_shown_as_off_only_if_its_value_is_off(custom: dict[str, Any]) -> None:
    page = drawn(SCHEMA, custom)
    for item in SWITCHES:
        name = item["name"]
        switches = page.all(f"//input[@name='f:{name}']")
        value = custom.get(name)
        shown = [switch.get("checked") is not None for switch in switches]
        assert shown == ([] if value is None else [value])


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("robots", "not set (default: on)"),
        ("scripts", "not set (default: off)"),
        ("plain", "not set"),
        ("agreed", "not set (default: on)"),
    ],
)
def test_a_switch_without_a_value_has_a_third_state(name: str, label: str) -> None:
    page = drawn(SCHEMA, {})
    choices = page.all(f"//select[@name='f:{name}']/option")
    assert [choice.text.strip() for choice in choices] == [label, "on", "off"]
    assert page.all(f"//label[@for='{choices[0].getparent().get('id')}']")
    assert name not in returned(SCHEMA, page)
    for text, value in (("true", True), ("false", False)):
        assert returned(SCHEMA, page, **{f"f:{name}": text})[name] is value


def test_a_switch_that_is_null_says_so() -> None:
    page = drawn(SCHEMA, {"robots": None})
    assert page.all("//select[@name='f:robots']/option")[0].text.strip() == "not set (null)"


def test_a_null_of_any_control_says_so() -> None:
    custom = {item["name"]: None for item in PROPERTIES}
    page = drawn(SCHEMA, custom)
    assert page.text.count("not set (null)") == len(PROPERTIES)
    assert returned(SCHEMA, page) == custom


def test_the_head_of_a_table_names_the_defaults_and_all_descriptions_exist() -> None:
    columns = [
        {"param": "n", "type": "integer", "editor": "number", "default": 3, "description": "Some"},
        {"param": "kind", "type": "string", "editor": "select", "options": ["A"], "default": "A"},
    ]
    table = {"name": "t", "type": "array", "editor": "requestListSource", "param_list": columns}
    schema = json.dumps({"properties": [table, *PROPERTIES]})
    for rows in ([], [{"kind": "A"}, {"n": 1}]):
        page = drawn(schema, {"t": rows})
        heads = [head.text for head in page.all("//th/div")]
        assert heads == ["Default: 3", "Default: A"]
        ids = {item.get("id") for item in page.all("//*[@id]")}
        described = page.all("//*[@aria-describedby]")
        assert {name for item in described for name in item.get("aria-describedby").split()} <= ids
        assert page.text.count("not set (default: A)") == (1 if rows else 0), "not in blank rows"


def test_empty_controls_name_the_default_of_the_schema() -> None:
    page = drawn(SCHEMA, {})

    def hint(name: str) -> str:
        control = page.all(f"//*[@name='f:{name}']")[0].get("id")
        return " ".join(str(page.one(f"//*[@id='{control}-unset']").text_content()).split())

    assert hint("max_results") == "If left empty, it is not set. Default: 20"
    assert hint("city") == "If left empty, it is not set. Default: Vienna"
    text = page.text
    assert "not set (default: Rating)" in text  # a radio
    filled = drawn(SCHEMA, {**DEFAULTS, "plain": False})
    assert "If left empty" not in filled.text
    assert "not set" not in filled.text


def test_a_default_is_named_in_the_words_of_the_form() -> None:
    def line(**item: Any) -> str:
        schema = json.dumps({"properties": [{"name": "x", **item}]})
        return drawn(schema, {}).text

    many = [f"https://a.example/{n}" for n in range(30)]
    assert "Default: https://a.example/0, https://a.example/1" in line(
        type="array", editor="requestList", default=[{"url": url} for url in many]
    )
    assert "Default: 1,000,000" in line(type="integer", editor="number", default=10**6)
    assert "Default: 0.00001" in line(type="number", editor="number", default=1e-5)
    options = [{"label": "Out of memory", "value": "oom"}, {"label": "Exit", "value": "exit"}]
    select = {"type": "string", "editor": "select", "options": options, "default": "oom"}
    assert "not set (default: Out of memory)" in line(**select)
    assert "not set" not in line(**select, required=True), "it cannot be left empty"
    nothing: list[Any] = [[], "", None]
    for empty in nothing:
        assert "not set" not in line(type="array", editor="stringList", default=empty)
    assert 'Default: {"a":1}' in line(type="object", editor="json", default={"a": 1})
    assert "1 to 1,000,000" in line(type="integer", editor="number", minimum=1, maximum=10**6)
