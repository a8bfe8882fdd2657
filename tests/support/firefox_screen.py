"""Firefox as a screen of ``clicks``, driven by puppeteer-core over WebDriver BiDi."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.chromium_screen import called
from support.clicks import FIND, ScreenError, Target

DRIVER = Path(__file__).resolve().parents[1] / "console" / "firefox"
PROGRAMS = ("firefox-esr", "firefox")
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")


class FirefoxDriver:
    """The process of the driver; one command at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, *command: object) -> Any:
        """What a command returns. Raises ``ScreenError``."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps(command), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline() or '{"error": "the driver has ended"}')
        if "error" in answer:
            raise ScreenError(answer["error"])
        return answer["value"]


class FirefoxScreen:
    def __init__(self, driver: FirefoxDriver, base_url: str) -> None:
        self._driver = driver
        self._base_url = base_url

    def open(self, address: str) -> None:
        self._driver.do("open", self._base_url + address)

    def call(self, function: str, *arguments: str) -> Any:
        return self._driver.do("value", called(function, *arguments))

    def click(self, target: Target) -> None:
        self._driver.do("click", called(FIND, *target))

    def key(self, key: str) -> None:
        self._driver.do("key", key)

    def write(self, text: str) -> None:
        self._driver.do("write", text)

    def attach(self, target: Target, file: Path) -> None:
        self._driver.do("attach", called(FIND, *target), str(file))


@contextmanager
def firefox(folder: Path) -> Iterator[FirefoxDriver]:
    """The system's Firefox and its driver, with exactly the locked packages, in ``folder``."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "Firefox is missing: script/test --all installs it"
    shutil.copytree(DRIVER, folder, dirs_exist_ok=True)
    done = subprocess.run(INSTALL, cwd=folder, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    home = folder / "home"  # root must own it
    home.mkdir()
    process = subprocess.Popen(
        ["node", "driver.mjs", program],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(home)},
    )
    try:
        yield FirefoxDriver(process)
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(30)


@contextmanager
def firefox_screen(driver: FirefoxDriver, base_url: str, token: str) -> Iterator[FirefoxScreen]:
    """A page in a new context, signed in. There must be no errors in it at the end."""
    cookie = {"name": "fyke_session", "value": token, "domain": urlsplit(base_url).hostname}
    driver.do("visit", [cookie])
    yield FirefoxScreen(driver, base_url)
    assert driver.do("problems") == []
