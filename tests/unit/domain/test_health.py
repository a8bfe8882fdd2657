"""What the health of an installation says about browsers, and about settings that must agree."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.domain.health import _browser_checks, _name, _settings_checks
from fyke.model.browser import BrowserProgram
from fyke.model.health import Level
from fyke.model.runner import RunnerInfo
from fyke.model.settings_version import ServerBeat

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
    checks = _browser_checks(runner, runner.node, taken)
    assert [(check.level, check.detail) for check in checks] == expected
    assert all(check.name == "browsers of node" for check in checks)


def test_machines_of_the_installation_are_called_so_and_told_apart() -> None:
    ids = "01JG0000000000000000000000", "01JG0000000000000000000001"
    first, second, node = (RunnerInfo(n, n, "full", "", 4, 8192, 0) for n in (*ids, "n1"))
    assert _name(first, [first, node]) == "this installation"
    assert _name(node, [first, node]) == "n1"
    assert _name(second, [first, second]) == f"this installation ({ids[1]})"


def test_runners_and_servers_with_other_settings_are_named() -> None:
    runners = [
        RunnerInfo(name, name, "full", "", 4, 8192, 0, settings_version=version)
        for name, version in (("old", 3), ("new", 4), ("release-before", 0))
    ]
    beats = [ServerBeat("a", 1, settings_version=4), ServerBeat("b", 1, settings_version=3)]

    def checks(newest: int) -> list[tuple[str, str]]:
        tx = SimpleNamespace(
            now=1,
            settings=SimpleNamespace(newest_number=lambda: newest),
            runs=SimpleNamespace(runners=lambda since: runners),
            servers=SimpleNamespace(active=lambda since: beats),
        )
        found = _settings_checks(cast(Any, tx))
        assert {check.level for check in found} <= {Level.WARNING}
        return [(check.name, check.detail) for check in found]

    assert checks(4) == [
        ("settings of old", "its egress uses version 3; the installation has version 4"),
        ("settings of release-before", "its egress uses its own; the installation has version 4"),
        ("settings of servers", "1 of 2 do not use version 4 of the settings"),
    ]
    del runners[0], runners[1], beats[1]
    assert not checks(4)
