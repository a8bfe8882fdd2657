"""The browser, as ``fyke doctor`` checks it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import msgspec
import pytest

import fyke_client
from fyke.app import local
from fyke.app.local import MachineBrowser
from fyke.cli import doctor_browser
from fyke.cli.doctor_browser import BROWSER_NOT_CHECKED, BROWSER_REMEDY, DRIVER_REMEDY
from fyke.cli.doctor_result import OK, WARNING, CheckResult
from fyke.settings import Settings
from fyke_client.types.fyke.overview import IsolationCheck
from support.doctor_client import SERVER, Client, runner


def browser_lines(
    monkeypatch: pytest.MonkeyPatch, home: Path, found: MachineBrowser, probe: dict[str, Any]
) -> list[CheckResult]:
    monkeypatch.setattr(local, "machine_browser", lambda: found)
    monkeypatch.setattr(doctor_browser, "_probe_browser", lambda settings: probe)
    return list(doctor_browser.check_browser(Settings(home=home), None))


def test_a_machine_without_a_browser_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [line] = browser_lines(monkeypatch, tmp_path, MachineBrowser({}, "", False, 0, []), {})
    assert line.state == OK
    assert "apt install chromium-headless-shell" in line.detail


def test_the_browser_is_listed_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    versions = {"headless-shell": "156.0.1.2", "chromium": "156.0.1.2"}
    good = MachineBrowser(versions, "156.0.1.3", True, 40, [])
    passed = {"reason": "", "checks": [("browser: seccomp", True, "mode 2")]}
    assert browser_lines(monkeypatch, tmp_path, good, passed) == [
        CheckResult("browser", OK, "headless-shell 156.0.1.2, chromium 156.0.1.2"),
        CheckResult("browser driver", OK, "156.0.1.3", DRIVER_REMEDY),
        CheckResult("browser display", OK, "Xvfb"),
        CheckResult("fonts", OK, "40 files", ANY),
        CheckResult("browser sandbox", OK, "effective, and the browser has its own inside"),
    ]
    bad = MachineBrowser(versions, "155.0.0.0", False, 2, ["fonts-liberation"])
    check = ("browser: own sandbox of the browser", False, "no user namespaces")
    lines = browser_lines(monkeypatch, tmp_path, bad, {"reason": "", "checks": [check]})
    assert [line.state for line in lines] == [OK, WARNING, OK, WARNING, WARNING]
    assert lines[1].detail == "155.0.0.0 is of another version than the browser"
    assert "no virtual display was found (apt install xvfb)" in lines[2].detail
    assert lines[3].detail == "2 files, none of fonts-liberation"
    assert lines[3].remedy.startswith("apt install fonts-liberation;")
    assert "empty rectangles" in lines[3].remedy
    assert lines[4].detail == "own sandbox of the browser: no user namespaces"
    without = MachineBrowser(versions, "", True, 40, [])
    lines = browser_lines(monkeypatch, tmp_path, without, {"reason": "broken", "checks": []})
    assert (lines[1].state, lines[4].state, lines[4].detail) == (OK, WARNING, "broken")


def test_a_browser_that_is_switched_off_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = MachineBrowser({"chromium": "156.0.1.2"}, "", True, 40, [])
    monkeypatch.setattr(local, "machine_browser", lambda: found)
    line = list(doctor_browser.check_browser(Settings(home=tmp_path, browser="off"), None))[-1]
    expected = CheckResult("browser sandbox", OK, "not checked: the setting browser is off")
    assert line == expected


def test_a_running_fyke_without_the_own_sandbox_of_browsers_is_reported_to_its_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A browser that is started now may have one, and the runners go on without."""
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    passed = {"reason": "", "checks": [("browser: network", True, "lo")]}
    monkeypatch.setattr(doctor_browser, "_probe_browser", lambda settings: passed)
    reporting = runner("full")
    monkeypatch.setattr(Client, "answer", [reporting])
    reporting.checks[:] = [IsolationCheck("browser: own sandbox of the browser", False, "refused")]
    found = doctor_browser._browser_sandbox(Settings(home=tmp_path), SERVER)
    assert (found.state, found.detail) == (WARNING, "own sandbox of the browser: refused")
    reporting.checks[:] = [IsolationCheck("browser: own sandbox of the browser", True, "2")]
    assert doctor_browser._browser_sandbox(Settings(home=tmp_path), SERVER).state == OK


def test_root_sees_what_the_runners_report_of_their_browsers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    reporting = runner("full")
    monkeypatch.setattr(Client, "answer", [reporting])
    settings = Settings(home=tmp_path)
    not_yet = CheckResult("browser sandbox", OK, BROWSER_NOT_CHECKED)
    assert doctor_browser._browser_sandbox(settings, SERVER) == not_yet
    reporting.checks[:] = [IsolationCheck("browser: network", True, "only lo")]
    assert doctor_browser._browser_sandbox(settings, SERVER).state == OK
    reporting.checks[:] += [IsolationCheck("browser: vsock", False, "opened")]
    assert doctor_browser._browser_sandbox(settings, SERVER) == CheckResult(
        "browser sandbox", WARNING, "vsock: opened", BROWSER_REMEDY
    )


@pytest.mark.parametrize(
    ("installed", "reported", "state", "detail"),
    [
        (True, {"browser_programs": ["chromium"]}, OK, "chromium, for up to 6 attempts at once"),
        (True, {}, OK, "a browser, for up to 6 attempts at once"),  # it was not looked for yet
        (True, {"browser_problem": "no room"}, WARNING, "no room"),
        (True, {"browsers": 0}, WARNING, f"Workers get no browser: {doctor_browser.SERVES_NONE}"),
        (False, {"browsers": 0}, OK, f"Workers get no browser: {doctor_browser.SERVES_NONE}"),
    ],
)
def test_the_running_fyke_says_what_its_workers_get(
    monkeypatch: pytest.MonkeyPatch,
    installed: bool,
    reported: dict[str, object],
    state: str,
    detail: str,
) -> None:
    """Its settings may be others than those of the shell."""
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(Client, "answer", [msgspec.structs.replace(runner("full"), **reported)])
    [line] = doctor_browser._runner_browsers(SERVER, installed=installed)
    assert (line.name, line.state) == ("runner browser", state)
    assert line.detail == f"{detail} (runner fu)"


def test_the_sandbox_of_a_browser_is_not_checked_where_browsers_are_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fyke_client, "FykeAdmin", Client)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(local, "machine_browser", lambda: MachineBrowser({}, "", False, 0, []))
    monkeypatch.setattr(Client, "answer", [msgspec.structs.replace(runner("full"), browsers=0)])
    line = doctor_browser._browser_sandbox(Settings(home=tmp_path), SERVER)
    assert line == CheckResult("browser sandbox", OK, "not checked: no runner serves browsers")
    names = [line.name for line in doctor_browser.check_browser(Settings(home=tmp_path), SERVER)]
    assert names == ["runner browser", "browser"]
