"""Running a tool of Fyke in a sandbox like that of an attempt: package clients, git, a compiler.

What a tool reads is untrusted, and some tools run what they read. So a tool is isolated like a
Worker: no network but its own egress, and no data of other accounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class ToolKind(StrEnum):
    """What a sandbox mounts beside the system's read-only folders, see
    ``fyke.sandbox.process.order``.
    """

    UV = "uv"  # uv itself at ``UV_AT``, and the find-links folders of pip and uv
    NPM = "npm"
    GIT = "git"
    GO_BUILD = "go-build"


UV_AT = "/run/fyke/uv"
INPUTS_AT = "/bundle"
WORK_AT = "/work"
CACHE_AT = "/cache"


@dataclass(frozen=True, slots=True)
class ToolAccess:
    """The only targets of a tool, as ``host`` or ``host:port``; names are resolved by the proxy.

    ``allow`` lists the targets, as ``host:port``, that may have a private address.
    """

    domains: tuple[str, ...]
    allow: tuple[str, ...] = ()
    region: str = ""


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """Sizes in bytes. ``work_size`` is for the work folder and the cache together."""

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

    ``env`` is its environment beside ``PATH``, ``HOME``, ``TMPDIR`` (both in the work folder) and,
    with ``access``, the variables of the proxy. ``files`` are written to the work folder first, by
    their path in it. ``inputs`` is a folder of the data folder's cache, mounted read-only at
    ``INPUTS_AT``. ``cache`` names a folder, writable at ``CACHE_AT``, that later tools with the
    same name share; "" is an empty one. A tool that runs untrusted code must not share the name
    with one that does not, nor with another account.
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
    """A tool that has ended; none of its processes is left.

    ``work`` is its work folder, whose content is untrusted: links, modes that deny access, names
    that are not text. When ``code`` is 0 and nothing stopped the tool, files may be read and taken
    from it until the context is left, without following links.

    ``output`` is the text of both streams in order, beginning and end when it is long, without
    credentials in URLs; ``stdout`` is the first MiB of that stream.
    """

    code: int
    work: Path
    output: str
    stdout: bytes
    stopped: ToolStop | None = None


class ToolRunner(Protocol):
    """Runs tools in sandboxes."""

    def run(self, spec: ToolSpec) -> AbstractAsyncContextManager[ToolRun]:
        """Run it to its end; its work folder exists while the context is open.

        When cancelled, kill everything inside. Raise ``SandboxFault`` when the sandbox or the
        egress fails, which is never the tool's fault.
        """
        ...
