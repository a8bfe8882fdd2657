"""What the health of an installation says about browsers."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.health import _browser_checks
from fyke.model.browser import BrowserProgram
from fyke.model.health import Level
from fyke.model.runner import RunnerInfo

CHROMIUM = (BrowserProgram.CHROMIUM,)


@pytest.mark.parametrize(
    ("members", "taken", "expected"),
    [
        ({}, 0, []),  # of an older release
        ({"browsers": 2}, 0, [(Level.GOOD, "not checked yet; 2 of 2 places are free")]),
        (
            {"browsers": 2, "browser_programs": CHROMIUM},
            2,
            [(Level.GOOD, "chromium; 0 of 2 places are free, so further runs wait")],
        ),
        ({"browser_problem": "none is installed"}, 0, [(Level.GOOD, "none is installed")]),
        (
            {"browsers": 2, "browser_problem": "it does not start"},
            0,
            [(Level.WARNING, "it does not start")],
        ),
    ],
)
def test_places_and_problems_of_browsers(
    members: dict[str, Any], taken: int, expected: list[tuple[Level, str]]
) -> None:
    runner = RunnerInfo("r", "node", "full", "", 4, 8192, 0, **members)
    checks = _browser_checks(runner, taken)
    assert [(check.level, check.detail) for check in checks] == expected
    assert all(check.name == "browsers of node" for check in checks)
