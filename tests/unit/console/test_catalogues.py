"""Every text of the console is translated into every language."""

from __future__ import annotations

import re

import pytest

from fyke.console.texts import ENGLISH, LANGUAGES
from support.catalogues import CONSOLE, catalogue, missing, texts, with_two_plurals

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


def test_chinese_sentences_end_with_chinese_signs() -> None:
    ascii_end = re.compile(
        r"[\u4e00-\u9fff\uff09\u201d][.,;:?!](?:\s|$)|[.,;:?!]\s*[\u4e00-\u9fff]"
    )
    found = [
        text
        for item in catalogue("zh_Hans_CN")
        for text in (item.string if isinstance(item.string, tuple) else [item.string])
        if ascii_end.search(text)
    ]
    assert found == []


def test_templates_join_no_sentences_with_an_english_full_stop() -> None:
    joined = re.compile(r'_\("[^"]*"\) }}\. {{ _\(')
    found = [
        path.name for path in CONSOLE.rglob("*.html") if joined.search(path.read_text("utf-8"))
    ]
    assert found == [], "make them one text"


def test_a_chinese_share_of_cores_stays_on_one_line() -> None:
    cores = [item.string for item in catalogue("zh_Hans_CN") if "核" in item.string]
    shares = [text for text in cores if isinstance(text, str) and "/" in text]
    assert shares and not [text for text in shares if re.search(r"s / %\((cores|total)|s 核", text)]


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
