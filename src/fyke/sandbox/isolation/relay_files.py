"""The files of the relay in the sandbox of a Worker: programs that libraries take for a browser.

They are there for environments with a package that can start a browser, which is found out when an
environment is sealed, and for every Go Worker, since a compiled program does not say what it
starts. Playwright starts nothing from ``PATH``: it looks for a folder with the
number of a build, which is in a file of its package. Links with those names lead to the relay.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fyke.sandbox.isolation.bytecode import bytecode
from fyke.sandbox.isolation.python_command import INTERPRETER

PROGRAMS_AT = "/run/fyke/bin"
BROWSERS_AT = "/run/fyke/browsers"
PROGRAM_AT = f"{PROGRAMS_AT}/chromium"
DRIVER_AT = f"{PROGRAMS_AT}/chromedriver"
NEEDS = "browsers.json"  # beside an environment
PACKAGES = frozenset(  # folders of packages that can start a browser
    {
        *(
            "DrissionPage",
            "nodriver",
            "patchright",
            "playwright",
            "pyppeteer",
            "rebrowser_playwright",
        ),
        *("selenium", "undetected_chromedriver", "zendriver"),
        *("chrome-launcher", "patchright-core", "playwright-core", "puppeteer", "puppeteer-core"),
        "selenium-webdriver",
    }
)
MAX_BYTES = 64 * 1024
MAX_BUILDS = 32

_RELAY_AT = "/run/fyke/relay.pyc"
IN_USR = (  # paths that Workers have in their code, and where some libraries look first
    "bin/chrome",
    "bin/chromedriver",
    "bin/chromium",
    "bin/chromium-browser",
    "bin/chromium-headless-shell",
    "bin/google-chrome",
    "bin/google-chrome-beta",
    "bin/google-chrome-stable",
    "bin/google-chrome-unstable",
    "bin/microsoft-edge",
    "bin/microsoft-edge-stable",
    "lib/chromium/chromedriver",
    "lib/chromium/chromium",
    "lib/chromium-browser/chromedriver",
    "lib/chromium-browser/chromium-browser",
    "local/bin/chrome",
    "local/bin/chromedriver",
    "local/bin/chromium",
    "local/bin/google-chrome",
)
ELSEWHERE = (  # also those where Playwright and Puppeteer look for a channel, such as "chrome"
    "/opt/google/chrome/chrome",
    "/opt/google/chrome/google-chrome",
    "/opt/google/chrome-beta/chrome",
    "/opt/google/chrome-unstable/chrome",
    "/opt/microsoft/msedge/msedge",
    "/snap/bin/chromium",
)
_SCRIPT = f'#!/bin/sh\nexec {INTERPRETER} -I -B -S {_RELAY_AT} "$0" "$@"\n'
_BUILD = re.compile(r"(chromium|chromium_headless_shell|firefox|webkit)-[0-9]{1,8}")
_PLACES = {  # of the program below its folder, in new and in old versions of Playwright
    "chromium": ("chrome-linux64/chrome", "chrome-linux/chrome"),
    "chromium_headless_shell": (
        "chrome-headless-shell-linux64/chrome-headless-shell",
        "chrome-linux/headless_shell",
    ),
    "firefox": ("firefox/firefox",),  # where the relay says that there is none
    "webkit": ("pw_run.sh",),
}
_BUILDS_OF_PACKAGE = "browsers.json"  # in packages of Playwright
# rod, a library for Go, does not look for a browser of the machine by itself: it looks in the home
# folder for the build of its release, else downloads it. These are those of v0.112.9 to v0.116.2.
ROD_AT = ".cache/rod/browser"
_ROD_BUILDS = (1131003, 1131657, 1278087, 1294824, 1321438)
_CHECKED = "DEPENDENCIES_VALIDATED"  # a recent file of this name: the libraries are there


def relay_options(
    data: Callable[[bytes], int], builds: Iterable[str], *, has_layer: bool
) -> list[str]:
    """The options of bubblewrap that put the programs and the links of ``builds`` into a sandbox.
    ``has_layer``: that of ``fill_layer`` is there; without it only those of ``IN_USR`` that the
    machine has are replaced. ``data`` returns an inheritable descriptor of the bytes that it gets.
    Raise ``OSError``.
    """
    relay = bytecode("relay.py", "/run/fyke/relay.py")
    options = ["--ro-bind-data", str(data(relay)), _RELAY_AT]
    in_usr = [] if has_layer else [f"/usr/{name}" for name in IN_USR]
    for path in (PROGRAM_AT, *filter(_is_program, in_usr)):
        script = str(data(_SCRIPT.encode()))
        options += ["--perms", "0755", "--ro-bind-data", script, path]
    for name in sorted({Path(path).name for path in IN_USR} - {Path(PROGRAM_AT).name}):
        options += ["--symlink", PROGRAM_AT, f"{PROGRAMS_AT}/{name}"]
    for path in ELSEWHERE:
        options += ["--symlink", PROGRAM_AT, path]
    for path in _links(builds):
        options += ["--symlink", PROGRAM_AT, f"{BROWSERS_AT}/{path}"]
    return options


def fill_layer(folder: Path) -> None:
    """Put links to the relay into an empty folder, a layer above /usr. Folders that the machine has
    as links are left out, because a folder would replace the link. Raise ``OSError``.
    """
    for name in IN_USR:
        parent = Path(name).parent
        if any(Path("/usr", above).is_symlink() for above in (parent, *parent.parents)):
            continue
        for above in (*reversed(parent.parents), parent):
            made = folder / above
            made.mkdir(exist_ok=True)
            made.chmod(0o755)  # whatever the mask of this process is
        (folder / name).symlink_to(f"{PROGRAMS_AT}/{Path(name).name}")


def _is_program(path: str) -> bool:
    """Whether the machine has this file, so that another can be mounted over it."""
    try:
        return stat.S_ISREG(Path(path).lstat().st_mode)
    except OSError:
        return False


def _links(builds: Iterable[str]) -> Iterator[str]:
    for build in builds:
        for place in _PLACES[build.rpartition("-")[0]]:
            yield f"{build}/{place}"
        yield f"{build}/{_CHECKED}"


def relay_environment(version: str) -> dict[str, str]:
    """The variables by which libraries find the relay. ``version`` is that of the browser."""
    program = (
        "CHROME_BIN",
        "CHROME_PATH",
        "CRAWLEE_CHROME_EXECUTABLE_PATH",
        "CRAWLEE_DEFAULT_BROWSER_PATH",
        "PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH",
        "PUPPETEER_EXECUTABLE_PATH",
    )
    return dict.fromkeys(program, PROGRAM_AT) | {
        "FYKE_BROWSER_VERSION": version or "0.0.0.0",  # noqa: S104 - not an address
        "PLAYWRIGHT_BROWSERS_PATH": BROWSERS_AT,
        "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1",
        "PUPPETEER_SKIP_DOWNLOAD": "1",
        "SE_CHROMEDRIVER": DRIVER_AT,
        "SE_OFFLINE": "true",
    }


@dataclass(frozen=True, slots=True)
class RelayNeeds:
    """What an environment needs of the relay: the folders that its packages look for."""

    builds: tuple[str, ...] = ()


def rod_programs() -> dict[str, str]:
    """The programs that rod finds in the home folder: their paths in it, and contents."""
    script = f'#!/bin/sh\nexec {PROGRAM_AT} "$@"\n'
    return {f"{ROD_AT}/chromium-{build}/chrome": script for build in _ROD_BUILDS}


def needs_of(kind: str, environment: Path | None) -> RelayNeeds | None:
    """What a sandbox of this kind needs; None when nothing in it starts a browser."""
    return RelayNeeds() if kind == "go" else read_needs(environment)


def read_needs(environment: Path | None) -> RelayNeeds | None:
    """What an environment needs; None when no package of it starts a browser."""
    found = _read_json(environment.parent / NEEDS) if environment is not None else None
    if not isinstance(found, list):
        return None
    names = (name for name in found if isinstance(name, str) and _BUILD.fullmatch(name))
    return RelayNeeds(tuple(names)[:MAX_BUILDS])


def write_needs(environment: Path) -> None:
    """Store what an environment needs beside it, unless that is done."""
    file = environment.parent / NEEDS
    if file.exists():
        return
    needs = find_needs(environment)
    new = file.with_name(f".{NEEDS}-{os.getpid()}")
    new.write_text(json.dumps(None if needs is None else needs.builds), "utf-8")
    new.chmod(0o444)
    new.replace(file)


def find_needs(environment: Path) -> RelayNeeds | None:
    """Look at the packages of an environment, whose authors chose what is there."""
    builds: set[str] = set()
    starts = False
    for folder, folders, files in os.walk(environment):
        starts = starts or not PACKAGES.isdisjoint(folders)
        if _BUILDS_OF_PACKAGE in files:
            builds.update(_builds_of(_read_json(Path(folder, _BUILDS_OF_PACKAGE))))
    return RelayNeeds(tuple(sorted(builds)[:MAX_BUILDS])) if starts else None


def _builds_of(document: Any) -> Iterator[str]:
    browsers = document.get("browsers") if isinstance(document, dict) else None
    for browser in browsers if isinstance(browsers, list) else ():
        if not isinstance(browser, dict):
            continue
        overrides = browser.get("revisionOverrides")
        revisions = [browser.get("revision")]
        revisions += overrides.values() if isinstance(overrides, dict) else ()
        name = str(browser.get("name")).replace("-", "_")
        for build in (f"{name}-{revision}" for revision in revisions):
            if _BUILD.fullmatch(build):
                yield build


def _read_json(path: Path) -> Any:
    """The content of a small regular file; None when it is not one, or no JSON."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                return None
            content = file.read(MAX_BYTES + 1)
        return json.loads(content) if len(content) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
