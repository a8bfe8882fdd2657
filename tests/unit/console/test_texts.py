"""The languages of the console."""

from __future__ import annotations

import pytest

from fyke.console.pages.find import _groups
from fyke.console.reasons import error_text
from fyke.console.texts import (
    ENGLISH,
    LANGUAGES,
    choose_language,
    current_language,
    gettext,
    pgettext,
    use_language,
)
from fyke.domain.finder import Matches
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
def test_the_chosen_language_overrides_that_of_the_browser(
    preferred: str, accepted: str, language: object
) -> None:
    assert choose_language(preferred, accepted) == language


def test_pages_of_the_console_are_not_those_of_a_list() -> None:
    with use_language(CHINESE):
        group, *_ = _groups("", Matches(), [], [])
        assert (group.label, gettext("Pages")) == ("页面", "分页")
        assert gettext("Other accounts") == "其他账户"


def test_a_language_is_used_only_within_its_context() -> None:
    with use_language(CHINESE):
        assert gettext("Overview") == "概览"
        assert current_language() == CHINESE
    assert gettext("Overview") == "Overview"


def test_an_ambiguous_text_is_translated_by_its_context() -> None:
    with use_language(CHINESE):
        assert pgettext("row filter", "Condition") == "条件"
        assert gettext("Condition") == "通知条件"
        assert pgettext("content", "Rows") == "数据行"
        assert gettext("Rows") == "行数"
        assert pgettext("action", "Check") == "检查"
        assert (pgettext("time", "Started"), gettext("Started")) == ("开始时间", "已开始")
        assert pgettext("action", "Count") == "统计"
    assert pgettext("row filter", "Condition") == "Condition"


def test_not_found_errors_are_translated() -> None:
    with use_language(CHINESE):
        for kind in (RunNotFound, TaskNotFound, WorkerNotFound):
            assert error_text(kind()) != kind.default
            assert error_text(kind()) == gettext(kind.default)
    assert error_text(RunNotFound()) == "The run does not exist"


def test_an_unknown_text_is_unchanged() -> None:
    with use_language(CHINESE):
        assert gettext("no such text anywhere") == "no such text anywhere"
