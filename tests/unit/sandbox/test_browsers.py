"""What is known about the browser of a machine before and after its check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.browser import BrowserLimits, BrowserOffer, BrowserProgram, BrowserSpec
from fyke.contracts.execution import SandboxFault
from fyke.sandbox import installed_browser
from fyke.sandbox.browsers import NONE_FOUND, NOT_CHECKED, BrowserSandboxes
from fyke.sandbox.isolation import browser_inspection
from fyke.sandbox.isolation.checks import Check

pytestmark = pytest.mark.anyio

PROGRAMS = {"headless-shell": "/usr/lib/shell", "chromium": "/usr/lib/chromium"}
PASSED = [("browser: network", True, "lo"), ("browser: own sandbox of the browser", True, "2")]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is found on the machine, and the result of inspecting it, or its error."""
    found: dict[str, Any] = {"programs": PROGRAMS, "version": "156.0.1.2", "result": (True, PASSED)}

    async def inspect(spawner: object, program: str) -> tuple[bool, list[Check]]:
        found["program"] = program
        if isinstance(found["result"], Exception):
            raise found["result"]
        result: tuple[bool, list[Check]] = found["result"]
        return result

    monkeypatch.setattr(installed_browser, "find_programs", lambda: found["programs"])
    monkeypatch.setattr(installed_browser, "find_driver", lambda: "")
    monkeypatch.setattr(installed_browser, "find_display", lambda: found.get("display", ""))
    monkeypatch.setattr(installed_browser, "version_of", lambda path: found["version"])
    monkeypatch.setattr(browser_inspection, "inspect", inspect)
    return found


def browsers(wanted: BrowserProgram = BrowserProgram.HEADLESS_SHELL) -> BrowserSandboxes:
    return BrowserSandboxes(Path("/nowhere"), None, wanted)  # type: ignore[arg-type]


async def test_an_isolated_browser_can_be_used(machine: dict[str, Any]) -> None:
    checked = browsers()
    assert checked.info().reason == NOT_CHECKED
    assert await checked.prepare()
    info = checked.info()
    assert (info.reason, info.version, info.own_sandbox) == ("", "156.0.1.2", True)
    assert checked.checks() == tuple(PASSED)


async def test_a_browser_that_was_found_is_not_asked_again(machine: dict[str, Any]) -> None:
    checked = browsers()
    await checked.find()
    info = checked.info()
    assert (info.version, info.reason) == ("156.0.1.2", NOT_CHECKED)
    machine["version"] = "157.0.0.0"
    assert await checked.prepare()
    assert (checked.info().version, checked.info().reason) == ("156.0.1.2", "")


async def test_another_program_is_used_where_the_wanted_one_is_missing(
    machine: dict[str, Any],
) -> None:
    machine["programs"] = {"chromium": "/usr/lib/chromium"}
    checked = browsers()
    assert await checked.prepare()
    assert (checked.info().program, machine["program"]) == (BrowserProgram.CHROMIUM, "chromium")


async def test_windows_need_a_display_and_the_full_chromium(machine: dict[str, Any]) -> None:
    checked = browsers()
    await checked.prepare()
    assert checked.info().offer == BrowserOffer(tuple(BrowserProgram))
    spec = BrowserSpec("A-B1", BrowserLimits(1.0, 2**30), display=True)
    with pytest.raises(SandboxFault, match="no virtual display was found"):
        await checked.open(spec)
    machine |= {"display": "/usr/bin/Xvfb", "programs": {"headless-shell": "/usr/lib/shell"}}
    checked = browsers()
    await checked.prepare()
    assert checked.info().display
    with pytest.raises(SandboxFault, match="the full Chromium was not found"):
        await checked.open(spec)


async def test_a_missing_layer_is_a_final_reason(machine: dict[str, Any]) -> None:
    machine["result"] = (True, [("browser: network", False, "eth0"), *PASSED[1:]])
    checked = browsers()
    assert await checked.prepare()
    assert checked.info().reason == "browser: network: eth0"


async def test_without_a_browser_the_reason_has_the_package(machine: dict[str, Any]) -> None:
    machine["programs"] = {}
    checked = browsers()
    assert await checked.prepare()
    assert checked.info().reason == NONE_FOUND


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SandboxFault("no user is free"), "no user is free"),
        (RuntimeError(), "RuntimeError"),
    ],
)
async def test_a_check_that_failed_is_worth_another_try(
    machine: dict[str, Any], error: Exception, reason: str
) -> None:
    machine["result"] = error
    checked = browsers(BrowserProgram.CHROMIUM)
    assert not await checked.prepare()
    assert checked.info().reason == f"the browser could not be checked: {reason}"
    machine["result"] = (False, PASSED)
    assert await checked.prepare()
    assert (checked.info().reason, checked.info().own_sandbox) == ("", False)
    assert checked.info().program is BrowserProgram.CHROMIUM


async def test_a_browser_without_a_version_is_worth_another_try(machine: dict[str, Any]) -> None:
    machine["version"] = ""
    checked = browsers()
    assert not await checked.prepare()
    assert "does not say its version" in checked.info().reason
