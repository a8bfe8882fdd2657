"""Every text of the console is translated into every language."""

from __future__ import annotations

import pytest

from fyke.console.texts import ENGLISH, LANGUAGES
from support.catalogues import catalogue, missing, texts, with_two_plurals

pytestmark = pytest.mark.slow  # reads every module and template


@pytest.mark.parametrize(
    "locale", [language.locale for language in LANGUAGES if language is not ENGLISH]
)
def test_every_text_is_translated_with_its_placeholders(locale: str) -> None:
    assert missing(locale) == [], "run script/translate and translate what it lists"


@pytest.mark.parametrize(
    "locale", [language.locale for language in LANGUAGES if language is not ENGLISH]
)
def test_no_translation_belongs_to_a_removed_text(locale: str) -> None:
    now = {message.id for message in texts()}
    assert [item.id for item in catalogue(locale) if item.id and item.id not in now] == []


def test_a_singular_has_the_same_plural_everywhere() -> None:
    assert with_two_plurals() == []


def test_what_a_run_takes_and_stores_has_one_name_each() -> None:
    """Input and rows; the other names are those of the API and of a search."""
    places = {
        text: [file for file, _line in texts().get(text).locations]
        for text in ("Parameters", "Results")
    }
    assert places == {
        "Parameters": ["templates/docs/operation.html"],
        "Results": ["templates/find/palette.html"],
    }
