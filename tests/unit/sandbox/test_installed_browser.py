"""Finding the browser of a machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fyke.contracts.browser import BrowserProgram
from fyke.sandbox import installed_browser
from fyke.sandbox.installed_browser import find_driver, find_fonts, find_programs, version_of


def program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_first_program_that_can_be_executed_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").touch()
    shell = program(tmp_path / "shell", "")
    monkeypatch.setattr(
        installed_browser,
        "PROGRAMS",
        {
            "headless-shell": (str(tmp_path / "none"), str(tmp_path / "plain"), shell),
            "chromium": (str(tmp_path / "none"),),
        },
    )
    monkeypatch.setattr(installed_browser, "DRIVERS", (str(tmp_path / "none"),))
    assert find_programs() == {"headless-shell": shell}
    assert find_driver() == ""
    monkeypatch.setattr(installed_browser, "DRIVERS", (shell,))
    assert find_driver() == shell


def test_every_program_of_the_contract_has_places() -> None:
    assert set(installed_browser.PROGRAMS) == {one.value for one in BrowserProgram}
    places = [path for paths in installed_browser.PROGRAMS.values() for path in paths]
    assert all(path.startswith("/usr/") for path in (*places, *installed_browser.DRIVERS))


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo Chromium 156.0.8078.108", "156.0.8078.108"),
        ("echo 'ChromeDriver 156.0.8078.108 (abc-refs/x)'", "156.0.8078.108"),
        ("echo unknown", ""),
        ("printf '\\377'", ""),
        ("exit 3", ""),
    ],
)
def test_the_version_is_what_the_program_says(tmp_path: Path, script: str, version: str) -> None:
    assert version_of(program(tmp_path / "program", script)) == version


def test_a_program_that_cannot_be_run_has_no_version(tmp_path: Path) -> None:
    assert version_of(str(tmp_path / "none")) == ""


def test_fonts_are_counted(tmp_path: Path) -> None:
    packages = list(installed_browser.FONT_PACKAGES)
    assert find_fonts(tmp_path / "none") == (0, packages)
    folder = tmp_path / "truetype"
    folder.mkdir()
    for name in ("a.ttf", "b.OTF", "readme.txt", "fonts.dir"):
        (folder / name).touch()
    assert find_fonts(tmp_path) == (2, packages)
    (folder / "NotoColorEmoji.ttf").touch()
    assert find_fonts(tmp_path) == (3, ["fonts-liberation", "fonts-wqy-microhei"])
    (folder / "LiberationSans-Bold.ttf").touch()
    assert find_fonts(tmp_path) == (4, ["fonts-wqy-microhei"])
    (folder / "wqy-microhei.ttc").touch()
    assert find_fonts(tmp_path) == (5, [])


def cjk_fonts_missing(folder: Path) -> tuple[bool, bool]:
    """Whether ``fyke doctor`` and ``script/up`` miss a font with Chinese, Japanese and Korean."""
    setup = Path(__file__).parents[3] / "script" / "lib" / "setup.sh"
    command = 'source "$0"; have_cjk "$1"'
    found = subprocess.run(["bash", "-c", command, setup, folder], check=False).returncode
    return "fonts-wqy-microhei" in find_fonts(folder)[1], found != 0


@pytest.mark.parametrize(
    "name", ["wqy-zenhei.ttc", "NotoSansCJK-Regular.ttc", "SourceHanSans.ttc", "unifont.otf"]
)
def test_other_fonts_with_all_three_scripts_are_enough(tmp_path: Path, name: str) -> None:
    (tmp_path / "DroidSansFallbackFull.ttf").touch()  # has no Korean
    assert cjk_fonts_missing(tmp_path) == (True, True)
    (tmp_path / name).touch()
    assert cjk_fonts_missing(tmp_path) == (False, False)
