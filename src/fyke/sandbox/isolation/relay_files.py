"""The files of the relay in the sandbox of a Worker: programs that libraries take for a browser.

Playwright starts nothing from ``PATH``. It looks for a folder of browsers with one folder for each
build, whose number is in a file of its package. The numbers that an environment needs are found
when it is sealed, and links with those names lead to the relay.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from fyke.sandbox.isolation.bytecode import bytecode
from fyke.sandbox.isolation.python_command import INTERPRETER

PROGRAMS_AT = "/run/fyke/bin"
BROWSERS_AT = "/run/fyke/browsers"
PROGRAM_AT = f"{PROGRAMS_AT}/chromium"
DRIVER_AT = f"{PROGRAMS_AT}/chromedriver"
BUILDS = "browsers.json"  # beside an environment; also the name in Playwright's packages
MAX_BYTES = 64 * 1024
MAX_BUILDS = 32

_RELAY_AT = "/run/fyke/relay.pyc"
_NAMES = ("chrome", "google-chrome", "google-chrome-stable", "chromium-browser", "chromedriver")
_SCRIPT = f'#!/bin/sh\nexec {INTERPRETER} -I -B -S {_RELAY_AT} "$0" "$@"\n'
_BUILD = re.compile(r"(chromium|chromium_headless_shell)-[0-9]{1,8}")
_PLACES = {  # of the program below its folder, in new and in old versions of Playwright
    "chromium": ("chrome-linux64/chrome", "chrome-linux/chrome"),
    "chromium_headless_shell": (
        "chrome-headless-shell-linux64/chrome-headless-shell",
        "chrome-linux/headless_shell",
    ),
}
_CHECKED = "DEPENDENCIES_VALIDATED"  # a recent file of this name: the libraries are there


def relay_options(data: Callable[[bytes], int], builds: Iterable[str]) -> list[str]:
    """The options of bubblewrap that put the programs and the links of ``builds`` into a sandbox.
    ``data`` returns an inheritable descriptor of the bytes that it gets. Raise ``OSError``.
    """
    relay = bytecode("relay.py", "/run/fyke/relay.py")
    options = [
        *("--ro-bind-data", str(data(relay)), _RELAY_AT),
        *("--perms", "0755", "--ro-bind-data", str(data(_SCRIPT.encode())), PROGRAM_AT),
    ]
    for name in _NAMES:
        options += ["--symlink", PROGRAM_AT, f"{PROGRAMS_AT}/{name}"]
    for path in _links(builds):
        options += ["--symlink", PROGRAM_AT, f"{BROWSERS_AT}/{path}"]
    return options


def _links(builds: Iterable[str]) -> Iterator[str]:
    for build in builds:
        for place in _PLACES[build.rpartition("-")[0]]:
            yield f"{build}/{place}"
        yield f"{build}/{_CHECKED}"


def read_builds(environment: Path) -> tuple[str, ...]:
    """The builds that the packages of an environment look for; none when that is not known."""
    found = _read_json(environment.parent / BUILDS)
    if not isinstance(found, list):
        return ()
    names = (name for name in found if isinstance(name, str) and _BUILD.fullmatch(name))
    return tuple(names)[:MAX_BUILDS]


def write_builds(environment: Path) -> None:
    """Store the builds that the packages of an environment look for beside it."""
    file = environment.parent / BUILDS
    file.write_text(json.dumps(find_builds(environment)), "utf-8")
    file.chmod(0o444)


def find_builds(environment: Path) -> list[str]:
    """Read the builds from the packages of an environment, whose authors chose what is there."""
    found: set[str] = set()
    for folder, _, names in os.walk(environment):
        if BUILDS in names:
            found.update(_builds_of(_read_json(Path(folder, BUILDS))))
    return sorted(found)[:MAX_BUILDS]


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
