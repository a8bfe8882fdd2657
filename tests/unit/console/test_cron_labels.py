"""Cron rules in words."""

from __future__ import annotations

import pytest

from fyke.console.cron_labels import cron_label
from fyke.console.pages.task_schedule import weekdays


@pytest.mark.parametrize(
    ("rule", "label"),
    [
        ("* * * * *", "every minute"),
        ("*/1 * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("7 * * * *", "every hour at minute 7"),
        ("5 0 * * *", "every day at 00:05"),
        ("0 9 * * 1-5", "Monday to Friday at 09:00"),
        ("30 18 * * 0", "every Sunday at 18:30"),
        ("30 18 * * 7", "every Sunday at 18:30"),
        ("0 6 1 * *", "on day 1 of each month at 06:00"),
    ],
)
def test_common_rules_are_said_in_words(rule: str, label: str) -> None:
    assert cron_label(rule, weekdays()) == label


@pytest.mark.parametrize(
    "rule",
    ["*/7 * * * *", "*/0 * * * *", "0 9 1 * 1", "0 9 * 5 *", "0 9,12 * * *", "0 9 L * *", "x", ""],
)
def test_other_rules_have_no_words(rule: str) -> None:
    assert cron_label(rule, weekdays()) == ""
