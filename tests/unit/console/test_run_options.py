"""The names of run options, in forms and in error messages."""

from __future__ import annotations

import pytest

from fyke.console.problems import faults_of
from fyke.console.reasons import error_text
from fyke.console.run_options import name_options, option_title, shown_option
from fyke.console.texts import LANGUAGES, use_language
from fyke.domain.forms.system import FIELDS
from fyke.errors import InvalidRequest

CHINESE = LANGUAGES[1]
BLOCK = "input.parameters.system.browser_block"


def test_every_option_has_texts_in_each_language() -> None:
    english = [shown_option(name, 1024) for name in FIELDS]
    assert all(item.title != item.name and item.description for item in english)
    with use_language(CHINESE):
        chinese = [shown_option(name, 1024) for name in FIELDS]
    assert all(
        one.title != other.title and one.description != other.description
        for one, other in zip(english, chinese, strict=True)
    )
    windows = chinese[list(FIELDS).index("browser")]
    assert [one.token for one in windows.options] == ["headless", "headful"]
    assert all(not one.label.isascii() for one in windows.options)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{BLOCK} is for the browser", '"Not loaded by browsers" is for the browser'),
        ("input.parameters.system.cpus is 4", '"CPU" is 4'),
        ("input.parameters.system.other is 4", '"other" is 4'),
        (
            'required field "max" is missing or empty; give input.parameters.custom.max a value',
            "Fill in the field max.",
        ),
        ("input.parameters.custom is required", "input.parameters.custom is required"),
    ],
)
def test_an_error_names_the_option_of_the_form(text: str, shown: str) -> None:
    assert name_options(text) == shown


def test_errors_of_starts_and_tasks_name_the_option() -> None:
    error = InvalidRequest("is for the browser", field=BLOCK, remedy="leave it out")
    sentence = f'"{option_title("browser_block")}" is for the browser; leave it out'
    assert error_text(error) == sentence
    assert faults_of(error, {"title": "title"}, "version") == {"version": sentence}
