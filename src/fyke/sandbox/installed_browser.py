"""Finds the browser of this machine: programs, versions, chromedriver, virtual display and fonts.

Only programs below ``/usr`` count, because a sandbox has no other folder of the machine. The
launcher imports this module, so it needs only the standard library.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

# by the names of ``contracts.browser.BrowserProgram``: the programs themselves, not the scripts in
# /usr/bin that add arguments of the distribution
PROGRAMS = {
    "headless-shell": (
        "/usr/lib/chromium/chromium-headless-shell",
        "/usr/lib64/chromium-browser/headless_shell",
        "/usr/lib/chromium-browser/headless_shell",
    ),
    "chromium": (
        "/usr/lib/chromium/chromium",
        "/usr/lib64/chromium-browser/chromium-browser",
        "/usr/lib/chromium-browser/chromium-browser",
    ),
}
INSTALL = "apt install chromium-headless-shell"  # on Debian
DRIVERS = (
    "/usr/bin/chromedriver",
    "/usr/lib/chromium/chromedriver",
    "/usr/lib64/chromium-browser/chromedriver",
)
DISPLAYS = ("/usr/bin/Xvfb",)
FONTS = Path("/usr/share/fonts")
FONT_PACKAGES = {  # of Debian: a pattern for the names of their files
    "fonts-liberation": re.compile("liberation", re.IGNORECASE),
    "fonts-noto-color-emoji": re.compile("emoji", re.IGNORECASE),
    # Chinese, Japanese and Korean; also other fonts that have all three
    "fonts-wqy-microhei": re.compile("wqy-|noto.*cjk|sourcehan|unifont", re.IGNORECASE),
}
_FONT = re.compile(r".*\.(ttf|otf|ttc|pfb)", re.IGNORECASE)
_VERSION = re.compile(r"\d+(\.\d+){3}")
_SECONDS = 20


def find_programs() -> dict[str, str]:
    """The paths of the browsers of this machine by name."""
    found = {name: _first(paths) for name, paths in PROGRAMS.items()}
    return {name: path for name, path in found.items() if path}


def find_driver() -> str:
    """The path of chromedriver; "" without one."""
    return _first(DRIVERS)


def find_display() -> str:
    """The path of the virtual display for browsers with windows; "" without one."""
    return _first(DISPLAYS)


def version_of(path: str) -> str:
    """Ask a program for its version; "" when it does not answer."""
    try:
        completed = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    match = _VERSION.search(completed.stdout)
    return match[0] if match else ""


def find_fonts(folder: Path = FONTS) -> tuple[int, list[str]]:
    """How many font files there are, and the packages with fonts that pages expect but that are
    missing.
    """
    names = [name for _, _, files in os.walk(folder) for name in files if _FONT.fullmatch(name)]
    missing = [
        package for package, pattern in FONT_PACKAGES.items() if not any(map(pattern.search, names))
    ]
    return len(names), missing


def _first(paths: Iterable[str]) -> str:
    return next((path for path in paths if os.access(path, os.X_OK)), "")
