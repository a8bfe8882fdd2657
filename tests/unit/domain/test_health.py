"""What the health of an installation says about browsers, and about settings that must agree."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.domain.health import (
    MAX_SILENT,
    _browser_checks,
    _machine_checks,
    _name,
    _settings_checks,
    _silent_nodes,
)
from fyke.model.browser import BrowserProgram
from fyke.model.health import Level
from fyke.model.node_registry import Node
from fyke.model.runner import RunnerInfo
from fyke.model.settings_version import SERVER_SILENCE_MS, ServerBeat, SettingsVersion

CHROMIUM = (BrowserProgram.CHROMIUM,)
PASSED = (("network", True, "lo"), ("browser: network", True, "lo"))
OWN_SANDBOX = ("browser: own sandbox of the browser", False, "refused")


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
        (
            {"browsers": 2, "browser_programs": CHROMIUM, "checks": (*PASSED, OWN_SANDBOX)},
            0,
            [(Level.WARNING, "own sandbox of the browser: refused")],
        ),
        (
            {"browsers": 2, "browser_programs": CHROMIUM, "checks": PASSED},
            0,
            [(Level.GOOD, "chromium; 2 of 2 places are free")],
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


NODE = RunnerInfo(
    "r", "n1", "full", "", 4, 8192, 1_000_000, place="node/n1", disk_free=50 * 2**30,
    disk_total=100 * 2**30, disk_floor=2**30, clock_ms=1_000_400,
)  # fmt: skip


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, [("disk of n1", Level.GOOD, "50 GiB of 100 GiB are free")]),
        ({"disk_total": 0, "clock_ms": 0}, []),  # of an older release
        (
            {"disk_free": 3 * 2**30},
            [
                (
                    "disk of n1",
                    Level.WARNING,
                    "3.0 GiB of 100 GiB are free; below 1.0 GiB it takes no attempts",
                )
            ],
        ),
        ({"disk_free": 5}, []),  # its trouble says it
        (
            {"disk_total": 0, "clock_ms": 1_000_000 - 75_000},
            [("clock of n1", Level.WARNING, "it is 75 s behind that of the database")],
        ),
        (
            {"disk_total": 0, "clock_ms": 1_000_000 + 11_000},
            [("clock of n1", Level.WARNING, "it is 11 s ahead of that of the database")],
        ),
        ({"place": "boot/1/2", "clock_ms": 1}, []),
    ],
)
def test_disk_and_clock_of_a_node(
    members: dict[str, Any], expected: list[tuple[str, Level, str]]
) -> None:
    checks = _machine_checks(replace(NODE, **members))
    assert [(check.name, check.level, check.detail) for check in checks] == expected


def test_nodes_that_are_silent_are_named_and_stopped_ones_are_not() -> None:
    def node(number: int, **members: Any) -> Node:
        known = {"gateway_id": "G", "seen_at": 100_000, **members}
        return Node(f"n{number}", "eu", {}, "", "J", False, 5, **known)

    nodes = [node(0, seen_at=390_000), node(1, gateway_id=""), node(2, seen_at=5), node(3)]
    tx = SimpleNamespace(now=400_000, nodes=SimpleNamespace(all=lambda: nodes))
    [found] = _silent_nodes(cast(Any, tx))
    assert (found.name, found.level) == ("node n3", Level.WARNING)
    assert found.detail == "it has not reported for 5 min"
    nodes[:] = [node(number) for number in range(MAX_SILENT + 7)]
    *named, rest = _silent_nodes(cast(Any, tx))
    assert len(named) == MAX_SILENT and rest.detail == "7 more do not report"


def test_runners_and_servers_with_other_settings_are_named() -> None:
    runners = [
        RunnerInfo(name, name, "full", "", 4, 8192, 0, settings_version=version)
        for name, version in (("old", 3), ("new", 4), ("release-before", 0))
    ]
    beats = [ServerBeat("a", 1, settings_version=4), ServerBeat("b", 1, settings_version=3)]

    def checks(newest: int, age: int = SERVER_SILENCE_MS) -> list[tuple[str, str]]:
        version = SettingsVersion(newest, {}, "", (), "", "", 1)
        tx = SimpleNamespace(
            now=1 + age,
            settings=SimpleNamespace(newest=lambda: version),
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
    assert not checks(4, SERVER_SILENCE_MS - 1) and not checks(4, 0)  # they follow and report
    assert len(checks(4, -1)) == 3  # the clock was set back
    del runners[0], runners[1], beats[1]
    assert not checks(4)
