"""The order to start a sandbox, as it is sent to the launcher.

The launcher runs as root and its client does not, so every field is checked here, in the
launcher. Only the standard library, so that the launcher stays small.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fyke.sandbox.installed_browser import PROGRAMS
from fyke.sandbox.isolation.bubblewrap import BROWSER, BROWSER_KINDS

TOOL_KINDS = ("uv", "npm", "git", "go-build")  # see ``contracts/tools.py``
KINDS = ("python", "node", "go", "probe", *BROWSER_KINDS, *TOOL_KINDS)
NAME = re.compile(r"[A-Z0-9-]{1,64}")
MOUNTABLE = "cache"  # the part of the data folder that contains bundles and environments

LISTENERS = 4  # of the first process of a sandbox other than a browser's

MEMORY = (4 * 2**20, 2**46)
PROCESSES = (1, 2**20)
OPEN_FILES = (64, 2**20)
SIZE = (2**20, 2**46)
CPUS = (0.01, 4096.0)


class BadLaunchOrder(ValueError):
    """A field breaks a rule; the message names the field, the rule and the remedy."""


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """One sandbox to start. Sizes are in bytes. ``cache`` names a persistent folder that a tool may
    write to besides its work folder, or the copy of an HTTP cache that a browser starts with, see
    ``saved_caches``; "" for none. ``idle``: the sandbox waits for an attempt, whose
    ``Assignment`` follows. ``interpreter``: the first process is the Worker's Python interpreter
    instead of the shim. ``open_files`` is only for a browser, where no job has that limit, and so
    are ``own_sandbox``: whether Chromium may create the user namespaces of its own sandbox,
    ``program``: the browser that is started at once, "" for none; and ``display``: whether it has a
    virtual display, and browsers with windows.
    """

    name: str
    kind: str
    bundle: Path | None
    environment: Path | None
    cpus: float
    memory: int
    processes: int
    tmp_size: int
    work_size: int
    cache: str = ""
    idle: bool = False
    interpreter: bool = False
    open_files: int = 0
    own_sandbox: bool = False
    program: str = ""
    display: bool = False

    @property
    def is_tool(self) -> bool:
        return self.kind in TOOL_KINDS

    @property
    def is_browser(self) -> bool:
        return self.kind in BROWSER_KINDS

    def to_message(self) -> dict[str, Any]:
        """The form that ``parse`` reads."""
        return {
            "name": self.name,
            "kind": self.kind,
            "bundle": None if self.bundle is None else str(self.bundle),
            "environment": None if self.environment is None else str(self.environment),
            "cpus": self.cpus,
            "memory": self.memory,
            "processes": self.processes,
            "tmp_size": self.tmp_size,
            "work_size": self.work_size,
            "cache": self.cache,
            "idle": self.idle,
            "interpreter": self.interpreter,
            "open_files": self.open_files,
            "own_sandbox": self.own_sandbox,
            "program": self.program,
            "display": self.display,
        }


@dataclass(frozen=True, slots=True)
class Assignment:
    """The limits of the attempt that gets an idle sandbox. Sizes are in bytes."""

    cpus: float
    memory: int
    work_size: int

    def to_message(self) -> dict[str, Any]:
        """The form that ``parse_assignment`` reads."""
        return {"cpus": self.cpus, "memory": self.memory, "work_size": self.work_size}


def listeners_of(kind: str) -> int:
    """How many listening sockets the first process of such a sandbox passes out."""
    return 1 if kind in BROWSER_KINDS else LISTENERS


def check_name(name: object) -> str:
    """A name becomes a folder and a cgroup, so only letters, digits and hyphens are allowed."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BadLaunchOrder(
            f"name {name!r:.80}: must be 1 to 64 characters out of A-Z, 0-9 and the hyphen"
        )
    return name


def parse(message: dict[str, Any], data_folder: Path) -> LaunchOrder:
    """Read an order that came from another process. Raise ``BadLaunchOrder``."""
    kind = message.get("kind")
    if kind not in KINDS:
        raise BadLaunchOrder(f"kind {kind!r:.80}: must be one of {', '.join(KINDS)}")
    bundle = _folder(message, "bundle", data_folder)
    takes_none = kind == "probe" or kind in BROWSER_KINDS
    if kind not in TOOL_KINDS and (bundle is None) != takes_none:
        raise BadLaunchOrder("bundle: Workers need one; the probe and browsers take none")
    environment = _folder(message, "environment", data_folder)
    if kind in (*TOOL_KINDS, *BROWSER_KINDS) and environment is not None:
        raise BadLaunchOrder("environment: tools and browsers take none")
    return LaunchOrder(
        name=check_name(message.get("name")),
        kind=kind,
        bundle=bundle,
        environment=environment,
        cpus=_cpus(message.get("cpus")),
        memory=_whole(message, "memory", MEMORY),
        processes=_whole(message, "processes", PROCESSES),
        tmp_size=_whole(message, "tmp_size", SIZE),
        work_size=_whole(message, "work_size", SIZE),
        cache=parse_cache(message.get("cache", ""), kind),
        idle=_idle(message.get("idle", False), kind),
        interpreter=_interpreter(message.get("interpreter", False), kind),
        open_files=_open_files(message, kind),
        own_sandbox=_of_browser("own_sandbox", message, kind),
        program=_program(message.get("program", ""), kind),
        display=_of_browser("display", message, kind),
    )


def parse_assignment(message: dict[str, Any]) -> Assignment:
    """Read an assignment that came from another process. Raise ``BadLaunchOrder``."""
    return Assignment(
        cpus=_cpus(message.get("cpus")),
        memory=_whole(message, "memory", MEMORY),
        work_size=_whole(message, "work_size", SIZE),
    )


def parse_cache(name: object, kind: str) -> str:
    """Check the name of a cache; "" is none. Raise ``BadLaunchOrder``."""
    if name == "":
        return ""
    if kind not in (*TOOL_KINDS, BROWSER):
        raise BadLaunchOrder("cache: only a tool and a browser take one")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BadLaunchOrder(
            f"cache {name!r:.80}: must be 1 to 64 characters out of A-Z, 0-9 and the hyphen"
        )
    return name


def _idle(value: object, kind: str) -> bool:
    if not isinstance(value, bool):
        raise BadLaunchOrder(f"idle {value!r:.80}: must be true or false")
    if value and (kind in (*TOOL_KINDS, *BROWSER_KINDS) or kind == "probe"):
        raise BadLaunchOrder("idle: only the sandbox of a Worker waits for an attempt")
    return value


def _interpreter(value: object, kind: str) -> bool:
    if not isinstance(value, bool):
        raise BadLaunchOrder(f"interpreter {value!r:.80}: must be true or false")
    if value and kind != "python":
        raise BadLaunchOrder("interpreter: only a Python Worker has one")
    return value


def _open_files(message: dict[str, Any], kind: str) -> int:
    if kind in BROWSER_KINDS:
        return _whole(message, "open_files", OPEN_FILES)
    if message.get("open_files", 0) != 0:
        raise BadLaunchOrder("open_files: only a browser has this limit in its order")
    return 0


def _of_browser(field: str, message: dict[str, Any], kind: str) -> bool:
    value = message.get(field, False)
    if not isinstance(value, bool):
        raise BadLaunchOrder(f"{field} {value!r:.80}: must be true or false")
    if value and kind not in BROWSER_KINDS:
        raise BadLaunchOrder(f"{field}: only a browser has one")
    return value


def _program(value: object, kind: str) -> str:
    if value == "":
        return ""
    if kind not in BROWSER_KINDS:
        raise BadLaunchOrder("program: only a browser has one")
    if not isinstance(value, str) or value not in PROGRAMS:
        raise BadLaunchOrder(f"program {value!r:.80}: must be one of {', '.join(PROGRAMS)}")
    return value


def _whole(message: dict[str, Any], field: str, bounds: tuple[int, int]) -> int:
    value = message.get(field)
    low, high = bounds
    if type(value) is not int or not low <= value <= high:
        raise BadLaunchOrder(f"{field} {value!r:.80}: must be a whole number from {low} to {high}")
    return value


def _cpus(value: object) -> float:
    low, high = CPUS
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type,operator]
        raise BadLaunchOrder(f"cpus {value!r:.80}: must be a number from {low} to {high}")
    return float(value)  # type: ignore[arg-type]


def _folder(message: dict[str, Any], field: str, data_folder: Path) -> Path | None:
    """A folder below ``MOUNTABLE``, named without a link or "..".

    Links are refused so that a mistake gets a clear error. A client that replaces a folder with a
    link after this check gains nothing: the mount is read-only and has the rights of the sandbox's
    user, who can open only what all users can.
    """
    value = message.get(field)
    if value is None:
        return None
    root = data_folder / MOUNTABLE
    if not isinstance(value, str) or "\0" in value or not Path(value).is_absolute():
        raise BadLaunchOrder(f"{field} {value!r:.80}: must be an absolute path below {root}")
    path = Path(value)
    if ".." in path.parts or root not in path.parents:
        raise BadLaunchOrder(f"{field} {value!r:.80}: must lie below {root}")
    for part in (path, *path.parents):
        if part == data_folder:
            break
        if part.is_symlink():
            raise BadLaunchOrder(f"{field} {value!r:.80}: {part} is a link; name the folder itself")
    if not path.is_dir():
        raise BadLaunchOrder(f"{field} {value!r:.80}: there is no such folder")
    return path
