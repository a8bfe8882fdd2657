"""The form of an input inside another form: views, errors, additional rows, imports."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from starlette.datastructures import UploadFile

from fyke.console.forms import PostedForm
from fyke.console.runform.input_form import InputForm, initial_form, read_submitted
from fyke.domain.forms.describe import describe
from fyke.domain.forms.importing import ImportChoice, ImportResult, import_file
from fyke.domain.forms.model import FormField
from support import all_editors

pytestmark = pytest.mark.anyio

SCHEMA = json.dumps(all_editors.SCHEMA)
KEYWORDS = f"x{list(describe(SCHEMA).fields).index('keywords')}"
AT = "/tasks/1/edit"


def custom(form: InputForm) -> Any:
    return form.input["parameters"]["custom"]  # type: ignore[index]  # an object of ours


async def posted(
    *pairs: tuple[str, str], file: tuple[str, bytes] | None = None
) -> tuple[InputForm, bool]:
    files = {}
    if file:
        files[f"file:{KEYWORDS}"] = UploadFile(io.BytesIO(file[1]), filename=file[0])
    return await read_submitted(SCHEMA, AT, PostedForm(pairs, files), read_file, browser_mb=0)


async def read_file(field: FormField, name: str, data: bytes, choice: ImportChoice) -> ImportResult:
    return import_file(field, name, data, choice)


def test_a_new_form_has_the_defaults_and_shows_no_errors() -> None:
    form = initial_form(SCHEMA, AT, browser_mb=0)
    assert custom(form)["city"] == "Vienna"
    assert form.context.errors == []
    required = initial_form(
        '{"properties":[{"name":"a","type":"string","required":true}]}', AT, browser_mb=0
    )
    assert required.faulty
    assert required.context.errors == [], "nothing was typed yet"


def test_a_given_input_is_shown_with_its_errors() -> None:
    form = initial_form(SCHEMA, AT, {"parameters": {"custom": {"max_results": 0}}}, browser_mb=0)
    assert form.faulty
    assert [place for place, _ in form.context.errors if place]
    assert initial_form(SCHEMA, AT, browser_mb=0, json_view=True).context.view == "json"


async def test_only_buttons_that_change_the_view_are_view_only() -> None:
    pairs = (("f:city", "Graz"), ("f:keywords", "tea"), ("f:keywords:key", "keyword"))
    form, view_only = await posted(("do", "save"), *pairs)
    assert (view_only, form.faulty, custom(form)["city"]) == (False, False, "Graz")
    form, view_only = await posted(("do", "json"), *pairs)
    assert (view_only, form.context.view) == (True, "json")
    assert json.loads(form.context.json_text)["city"] == "Graz"


async def test_unreadable_json_stays_as_typed_in_the_json_view() -> None:
    pairs = (("view", "json"), ("json_text", '{"city":\r\n'))
    for do in ("form", "save"):
        form, view_only = await posted(("do", do), *pairs)
        assert view_only == (do == "form")
        assert (form.context.view, form.context.json_text) == ("json", '{"city":\n')
        assert form.context.json_wrong and form.context.focus


async def test_an_empty_json_object_can_be_shown_as_a_form() -> None:
    form, view_only = await posted(("do", "form"), ("view", "json"), ("json_text", "{}"))
    assert (view_only, form.context.view) == (True, "form")


async def test_an_error_keeps_the_typed_text_and_takes_the_focus() -> None:
    form, _ = await posted(("do", "save"), ("f:max_results", "many"), ("f:keywords", "tea"))
    assert form.faulty and form.context.focus
    [control] = [
        item for g in form.context.groups for item in g.controls if item.field.name == "max_results"
    ]
    assert control.text == "many" and control.faults


async def test_adding_rows_keeps_the_typed_texts() -> None:
    form, view_only = await posted(("do", "rows:places"), ("f:max_results", "many"))
    by_name = {control.field.name: control for g in form.context.groups for control in g.controls}
    assert view_only
    assert len(by_name["places"].rows) > 3
    assert by_name["max_results"].text == "many"
    unknown, _ = await posted(("do", "rows:nothing"), ("f:city", "Graz"))
    assert custom(unknown)["city"] == "Graz"


async def test_the_entries_of_a_file_are_added_to_the_list() -> None:
    form, view_only = await posted(
        ("do", "import:keywords"),
        ("f:keywords", "tea"),
        ("f:keywords:key", "keyword"),
        file=("words.txt", b"cake\nmilk\n"),
    )
    [control] = [
        item for g in form.context.groups for item in g.controls if item.field.name == "keywords"
    ]
    assert view_only
    assert control.text == "tea\ncake\nmilk"
    assert form.context.notice == "2 entries were added."


@pytest.mark.parametrize(
    ("subject", "file"), [("keywords", None), ("keywords", ("", b"")), ("nothing", ("a.txt", b"x"))]
)
async def test_an_import_without_a_file_is_an_error(
    subject: str, file: tuple[str, bytes] | None
) -> None:
    form, view_only = await posted(("do", f"import:{subject}"), ("f:city", "Graz"), file=file)
    assert view_only and form.context.focus
    assert any("Choose a file." in sentence for _, sentence in form.context.errors)
    assert custom(form)["city"] == "Graz"


async def test_a_file_that_cannot_be_read_adds_nothing() -> None:
    form, _ = await posted(("do", "import:keywords"), file=("words.xlsx", b"PK\x03\x04broken"))
    assert form.context.focus
    assert not form.context.notice
