"""Whether the role ``browser`` has something to serve."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from fyke.app.browser_availability import serves_browsers
from fyke.sandbox import installed_browser
from fyke.settings import Settings


@pytest.mark.parametrize(
    ("browser", "installed", "serves"),
    [("auto", True, True), ("auto", False, False), ("off", True, False)],
)
def test_browsers_are_served_where_one_is_installed_and_allowed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    browser: Literal["auto", "off"],
    installed: bool,
    serves: bool,
) -> None:
    program = tmp_path / "headless-shell"
    monkeypatch.setattr(installed_browser, "PROGRAMS", {"headless-shell": (str(program),)})
    if installed:
        program.touch(0o755)
    assert serves_browsers(Settings(home=tmp_path, browser=browser)) is serves
