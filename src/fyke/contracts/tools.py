"""Running a tool of Fyke, such as a package client, git or a compiler, in a sandbox.

Tools read untrusted data, and some execute it. So a tool is isolated like a Worker: it has no
network except its own egress, and no access to data of other accounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class ToolKind(StrEnum):
    """Decides what a sandbox mounts in addition to the system folders, see
    ``fyke.sandbox.process.order``.
    """

    UV = "uv"  # uv at ``UV_AT``, and the find-links folders of pip and uv
    NPM = "npm"
    GIT = "git"
    GO_BUILD = "go-build"


UV_AT = "/run/fyke/uv"
INPUTS_AT = "/bundle"
WORK_AT = "/work"
CACHE_AT = "/cache"


@dataclass(frozen=True, slots=True)
class ToolAccess:
    """The targets that a tool may reach, as ``host`` or ``host:port``.

    ``allow``: the targets, as ``host:port``, that may have a private address.
    """

    domains: tuple[str, ...]
    allow: tuple[str, ...] = ()
    region: str = ""


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """Limits of a tool. Sizes in bytes; ``work_size`` bounds work folder and cache together."""

    seconds: float
    cpus: float = 1.0
    memory: int = 2 * 2**30
    processes: int = 256
    open_files: int = 4096
    work_size: int = 4 * 2**30
    tmp_size: int = 64 * 2**20
    traffic: int = 4 * 2**30


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One command of a tool.

    ``env`` is its environment in addition to ``PATH``, ``HOME`` and ``TMPDIR`` (both in the work
    folder) and, with ``access``, the proxy variables. ``files`` maps paths in the work folder to
    contents that are written first. ``inputs`` is a folder in the cache of the data folder, mounted
    read-only at ``INPUTS_AT``. ``cache`` names a writable folder at ``CACHE_AT`` that persists for
    later tools with the same name; "" is an empty one. A tool that runs untrusted code must not use
    the cache of one that does not, nor that of another account.
    """

    kind: ToolKind
    command: Sequence[str]
    limits: ToolLimits
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    inputs: Path | None = None
    cache: str = ""
    access: ToolAccess | None = None


class ToolStop(StrEnum):
    """Why a tool was stopped."""

    TIME = "time"
    MEMORY = "memory"
    SIZE = "size"  # work folder and cache together
    TRAFFIC = "traffic"


@dataclass(frozen=True, slots=True)
class ToolRun:
    """The result of a tool; none of its processes is left.

    ``work`` is its work folder. The content is untrusted: links, modes that deny access, names that
    are not text. When ``code`` is 0 and the tool was not stopped, files may be read and moved from
    it while the context is open, without following links.

    ``output`` is the text of both streams, in order, only beginning and end when it is long, with
    credentials in URLs masked; ``stdout`` is the first MiB of that stream.
    """

    code: int
    work: Path
    output: str
    stdout: bytes
    stopped: ToolStop | None = None


class ToolRunner(Protocol):
    """Runs tools in sandboxes."""

    def run(self, spec: ToolSpec) -> AbstractAsyncContextManager[ToolRun]:
        """Run the tool to its end. Its work folder exists while the context is open.

        Cancelling kills all processes inside. Raise ``SandboxFault`` when the sandbox or the egress
        fails.
        """
        ...
