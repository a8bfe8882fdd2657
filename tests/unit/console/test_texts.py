"""The languages of the console."""

from __future__ import annotations

import pytest

from fyke.console.reasons import said
from fyke.console.texts import ENGLISH, LANGUAGES, choose, current, gettext, pgettext, speak
from fyke.errors import RunNotFound, TaskNotFound, WorkerNotFound

CHINESE = LANGUAGES[1]


@pytest.mark.parametrize(
    ("preferred", "accepted", "language"),
    [
        ("", "", ENGLISH),
        ("", "de-DE,de;q=0.9,zh-CN;q=0.8", CHINESE),
        ("", "en-GB,zh;q=0.5", ENGLISH),
        ("", "zh-Hans-CN", CHINESE),
        ("", "zh-TW", ENGLISH),
        ("zh-Hans", "en", CHINESE),
        ("en", "zh", ENGLISH),
        ("tlh", "zh", CHINESE),
    ],
)
def test_the_chosen_language_goes_before_the_browsers(
    preferred: str, accepted: str, language: object
) -> None:
    assert choose(preferred, accepted) == language


def test_a_language_holds_for_its_context_only() -> None:
    with speak(CHINESE):
        assert gettext("Overview") == "概览"
        assert current() == CHINESE
    assert gettext("Overview") == "Overview"


def test_a_text_of_several_meanings_is_chosen_by_context() -> None:
    with speak(CHINESE):
        assert pgettext("row filter", "Condition") == "条件"
        assert gettext("Condition") == "通知条件"
    assert pgettext("row filter", "Condition") == "Condition"


def test_a_page_names_what_is_not_found_in_its_language() -> None:
    with speak(CHINESE):
        for kind in (RunNotFound, TaskNotFound, WorkerNotFound):
            assert said(kind()) != kind.default
            assert said(kind()) == gettext(kind.default)
    assert said(RunNotFound()) == "The run does not exist"


def test_an_unknown_text_stays_as_it_is() -> None:
    with speak(CHINESE):
        assert gettext("no such text anywhere") == "no such text anywhere"
