"""What the browsers of several attempts did, read as one; the contract suite has the stores."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.domain.runs.browser_reports import (
    BrowserPresence,
    NumberedLine,
    RunBrowser,
    _in_order,
    _lines,
    _state,
)
from fyke.model.browser import (
    MAX_LINES,
    BrowserActivity,
    BrowserReport,
    BrowserTexts,
    ConsoleLevel,
    ConsoleLine,
    StatusClass,
)


def attempts(outcome: str | None = None, version: str = "") -> Any:
    return {"A": cast(Any, SimpleNamespace(number="7", outcome=outcome, browser_version=version))}


@pytest.mark.parametrize(
    ("outcome", "version", "reports", "expected"),
    [
        (None, "", {}, BrowserPresence.NONE),
        (None, "shell 1", {}, BrowserPresence.ENDED),
        (None, "", {"A": BrowserReport(is_open=True)}, BrowserPresence.OPEN),
        (None, "", {"A": BrowserReport(is_open=False)}, BrowserPresence.ENDED),
        ("lost", "", {"A": BrowserReport(is_open=True)}, BrowserPresence.ENDED),
    ],
)
def test_a_browser_is_open_while_its_attempt_runs(
    outcome: str | None, version: str, reports: Any, expected: BrowserPresence
) -> None:
    assert _state(attempts(outcome, version), reports) is expected


def test_the_last_lines_are_in_order_of_time() -> None:
    lines = tuple(ConsoleLine(at, ConsoleLevel.INFO, str(at)) for at in range(MAX_LINES + 5, 0, -1))
    found = _lines(attempts(), {"A": BrowserTexts(lines=lines)})
    assert found[0] == NumberedLine("7", ConsoleLine(6, ConsoleLevel.INFO, "6"))
    assert [item.line.at for item in found] == list(range(6, MAX_LINES + 6))


def test_blocked_requests_are_known_even_if_the_client_lets_none_be_reported() -> None:
    activity = BrowserActivity(
        requests={"document": 2, "image": 7}, blocked={"image": 5, "font": 3}
    )
    run: Any = SimpleNamespace(browser_block=())
    shown = RunBrowser(run, BrowserPresence.ENDED, "", None, 1, 0, 0, activity, ())
    assert shown.by_type == [("image", 7), ("font", 3), ("document", 2)]


def test_statuses_are_in_their_order_and_only_those_that_occurred() -> None:
    assert _in_order(StatusClass, {"5xx": 1, "2xx": 3}) == [("2xx", 3), ("5xx", 1)]
