"""Chromiums that programs of a Worker launch: the requests of the relay.

``chromium`` and ``chromedriver`` in the sandbox of a Worker are one small program that asks here:

* ``POST /fyke/launch`` starts a Chromium and answers with its number and the path of its browser
  target. It ends when the connection of this request is closed.
* ``/fyke/instance/NUMBER/...`` are the paths of that Chromium's DevTools.
* ``POST /fyke/driver/`` answers with a prefix for paths of WebDriver. The sessions that are created
  under it end when the connection of this request is closed.
"""

from __future__ import annotations

import re

import msgspec

LAUNCH = "/fyke/launch"
INSTANCE = "/fyke/instance/"
DRIVER = "/fyke/driver/"
MAX_ARGUMENTS = 64
MAX_ARGUMENT = 4096  # bytes

_INSTANCE = re.compile(r"/fyke/instance/([1-9][0-9]{0,5})(/.*)")
_DRIVER = re.compile(r"/fyke/driver/([1-9][0-9]{0,17})(/.*)")


class BadLaunch(Exception):
    """A request that is none to launch a browser; the text names the field and the rule."""


class Launch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to start. ``display``: with a window, so ``--headless`` was not among the arguments."""

    arguments: list[str]
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


def instance_path(path: str) -> tuple[int, str] | None:
    """The number in the path of a launched Chromium, and the path on its own port."""
    return _numbered(_INSTANCE, path)


def driver_path(path: str) -> tuple[int, str] | None:
    """The number of a relayed driver in a path, and the path of WebDriver."""
    return _numbered(_DRIVER, path)


def _numbered(pattern: re.Pattern[str], path: str) -> tuple[int, str] | None:
    match = pattern.fullmatch(path)
    return (int(match[1]), match[2]) if match else None
