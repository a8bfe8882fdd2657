from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from fyke.console.pages.usage import _presets


@pytest.mark.parametrize(
    ("period", "chosen"),
    [
        ((date(2026, 11, 1), date(2026, 11, 30)), ["This month"]),  # also the last 30 days
        ((date(2026, 11, 24), date(2026, 11, 30)), ["Last 7 days"]),
        ((date(2026, 11, 2), date(2026, 11, 30)), []),
        (None, []),
    ],
)
def test_one_of_two_equal_periods_is_marked(period: Any, chosen: list[str]) -> None:
    shown = period and SimpleNamespace(first=period[0], last=period[1])
    presets = _presets(shown, date(2026, 11, 30))
    assert [label for _first, _last, label, is_shown in presets if is_shown] == chosen
