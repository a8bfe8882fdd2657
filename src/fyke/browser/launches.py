"""Chromiums that programs of a Worker launch: the requests of the relay.

``chromium`` and ``chromedriver`` in the sandbox of a Worker are one small program that asks here:

* ``POST /fyke/launch`` starts a Chromium and names its number and its path. It ends when the
  connection of this request is closed.
* ``/fyke/instance/NUMBER/...`` are the paths of that Chromium's DevTools.
* ``POST /fyke/driver/`` names a prefix for paths of WebDriver. The sessions that are created under
  it end when the connection of this request is closed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

LAUNCH = "/fyke/launch"
DRIVER = "/fyke/driver/"
MAX_LAUNCH = 256 * 1024  # bytes of a request
MAX_ARGUMENTS = 64
MAX_ARGUMENT = 4096  # bytes

_INSTANCE = re.compile(r"/fyke/instance/([1-9][0-9]{0,5})(/.*)")
_DRIVER = re.compile(r"/fyke/driver/([1-9][0-9]{0,5})(/.*)")


class BadLaunch(Exception):
    """A request that is none to launch a browser; the text names the field and the rule."""


class Launch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to start. ``pipe``: the relay serves a debugging pipe, no port. ``display``: with a
    window, so ``--headless`` was not among the arguments.
    """

    arguments: list[str]
    pipe: bool = False
    display: bool = False


def parse_launch(body: bytes) -> Launch:
    """Raise ``BadLaunch``."""
    try:
        launch = msgspec.json.decode(body, type=Launch)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadLaunch(f"the request cannot be read: {error}") from None
    if len(launch.arguments) > MAX_ARGUMENTS:
        raise BadLaunch(
            f"a browser gets at most {MAX_ARGUMENTS} arguments, not {len(launch.arguments)}"
        )
    for argument in launch.arguments:
        if len(argument.encode(errors="surrogatepass")) > MAX_ARGUMENT:
            raise BadLaunch(
                f"the argument {argument[:40]!r}... is longer than {MAX_ARGUMENT} bytes"
            )
        if "\0" in argument:
            raise BadLaunch(f"the argument {argument[:40]!r} contains a NUL")
    return launch


@dataclass(frozen=True, slots=True)
class Launched:
    """The number of a launched Chromium, and the path of its browser target."""

    instance: int
    path: str

    def headers(self) -> dict[str, str]:
        """Of the answer to the relay, which reads no JSON."""
        return {"Fyke-Instance": str(self.instance), "Fyke-Path": self.path}


def instance_path(path: str) -> tuple[int, str] | None:
    """The number in the path of a launched Chromium, and the path on its own port."""
    return _numbered(_INSTANCE, path)


def driver_path(path: str) -> tuple[int, str] | None:
    """The number of a relayed driver in a path, and the path of WebDriver."""
    return _numbered(_DRIVER, path)


def _numbered(pattern: re.Pattern[str], path: str) -> tuple[int, str] | None:
    match = pattern.fullmatch(path)
    return (int(match[1]), match[2]) if match else None


class Instances:
    """The numbers of the Chromiums that an attempt launched. None is used twice, so that a late
    request cannot reach another Chromium.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._last = 0
        self._living: set[int] = set()

    def take(self) -> int | None:
        """The next number; None while ``limit`` Chromiums live."""
        if len(self._living) >= self.limit:
            return None
        self._last += 1
        self._living.add(self._last)
        return self._last

    def release(self, number: int) -> None:
        """Forget a Chromium that has ended."""
        self._living.discard(number)
