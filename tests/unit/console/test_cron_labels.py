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
        ("0 6 1,15 * *", "on days 1, 15 of each month at 06:00"),
        ("0 9,12 * * *", "every day at 09:00, 12:00"),
        ("30,0 9 * * mon-fri", "Monday to Friday at 09:00, 09:30"),
        ("0 9 * * 1,3", "Monday, Wednesday at 09:00"),
        ("0 9 * * 6-0", "Saturday to Sunday at 09:00"),
        ("0 */6 * * *", "every 6 hours at minute 0"),
        ("15 */1 * * *", "every hour at minute 15"),
        ("*/20 8-18 * * 1-5", "every 20 minutes from 08:00 to 18:59, Monday to Friday"),
        ("* 8-18 * * *", "every minute from 08:00 to 18:59"),
        ("5 8-18 * * SUN", "every hour from 08:05 to 18:05, every Sunday"),
        ("*/5 * * * 0", "every 5 minutes, every Sunday"),
    ],
)
def test_common_rules_are_said_in_words(rule: str, label: str) -> None:
    assert cron_label(rule, weekdays()) == label


@pytest.mark.parametrize(
    "rule",
    [
        *("*/7 * * * *", "*/0 * * * *", "0 9 1 * 1", "0 9 * 5 *", "0 9 L * *", "x", ""),
        *("0 18-8 * * *", "0,30 8-18 * * *", "0 */5 * * *", "0 9 * * 1#2", "0 9 0 * *"),
        *("0 25 * * *", "0 1,2,3,4,5,6,7 * * *", "*/5 * 1 * *", "0 9 * * day"),
    ],
)
def test_other_rules_have_no_words(rule: str) -> None:
    assert cron_label(rule, weekdays()) == ""
