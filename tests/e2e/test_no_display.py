"""A machine without Xvfb: runs that ask for a browser with windows are refused with the way out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.reasons import ReasonCode
from fyke.sandbox.installed_browser import find_display
from support.booted import Booted, booted
from support.commands import Cli
from support.projects import python_project
from support.reasons import reaches

pytestmark = [
    pytest.mark.needs("bwrap", "chromium"),
    pytest.mark.skipif(
        bool(find_display()) and os.geteuid() != 0, reason="only root can hide a program"
    ),
    pytest.mark.timeout(300),
]
SUCCEEDED = 3
# a mount that only this process and those that it starts see
HIDES = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
MISSING = "no virtual display was found (apt install xvfb)"


class WithoutDisplay(Booted):
    """An installation on a machine without a virtual display."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        if display := find_display():
            empty = folder / "empty"
            empty.touch()
            self.wrapper = ("unshare", "--mount", "sh", "-c", HIDES, "sh", str(empty), display)


@pytest.fixture(scope="module")
def cli() -> Iterator[Cli]:
    with booted(WithoutDisplay) as platform:
        # until then everything may be asked of the runner
        platform.wait_for(lambda: _runner(platform)["browser_programs"], "the browser to be found")
        yield Cli(platform)


def _runner(platform: Booted) -> dict[str, Any]:
    [runner] = platform.read("/api/fyke/runners")["list"]
    return dict(runner)


@pytest.fixture(scope="module")
def slug(cli: Cli) -> str:
    return cli.platform.push(python_project("print(1)\n"), "no-display")


@reaches(ReasonCode.BROWSER_CHOICE_MISSING)
def test_a_start_with_windows_is_refused(cli: Cli, slug: str) -> None:
    runner = _runner(cli.platform)
    assert (runner["browser_display"], runner["browser_problem"]) == (False, "")
    err = cli.process("run", "start", slug, "--headful", code=1)[1]
    assert MISSING in err
    asked = {"parameters": {"system": {"browser": "headful"}, "custom": {}}}
    body = {"scraper_slug": slug, "input": asked}
    answer = cli.platform.raw("/api/v1/scraper/run", body).json()
    assert (answer["code"], MISSING in answer["message"]) == (50002, True)
    run = cli.platform.start_run(slug, browser="headless")
    assert cli.platform.ended(run)["status"] == SUCCEEDED


@pytest.mark.long
def test_a_local_run_with_windows_is_refused(cli: Cli, tmp_path: Path) -> None:
    project = tmp_path / "project.zip"
    project.write_bytes(python_project("print(1)\n"))
    err = cli.process("worker", "run", project, "--headful", code=2)[1]
    assert f'browser is "headful", but {MISSING}; see fyke doctor' in err
    assert "Running..." not in err


@pytest.mark.long
def test_doctor_says_what_is_missing(cli: Cli) -> None:
    checks = {check["name"]: check for check in cli.process_json("doctor")["checks"]}
    assert MISSING in checks["browser display"]["detail"]
