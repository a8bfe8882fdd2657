"""The walls of an attempt around one of our own tools: package clients, git, a compiler.

What a tool reads was written by strangers, and some tools run what they read. So it stands where
a Worker stands: no network but the way out that it is given, nobody's data but its own.
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

    UV = "uv"  # uv itself at ``UV_AT``, and the folders of wheels that pip or uv are told to use
    NPM = "npm"
    GIT = "git"
    GO_BUILD = "go-build"


UV_AT = "/run/fyke/uv"
INPUTS_AT = "/bundle"
WORK_AT = "/work"
CACHE_AT = "/cache"


@dataclass(frozen=True, slots=True)
class ToolAccess:
    """The only targets of a tool, as ``host`` or ``host:port``; every name is looked up outside.

    ``allow`` are those among them, as ``host:port``, that may have a private address.
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
    """One command of ours.

    ``env`` is all that it sees beside ``PATH``, ``HOME``, ``TMPDIR`` (both in the work folder)
    and, with a reach, the variables of the proxy. ``files`` are put into the work folder first,
    by their path in it. ``inputs`` is a folder of the data folder's cache, read-only at
    ``INPUTS_AT``. ``cache`` names a folder, writable at ``CACHE_AT``, that the next tool of the
    same name finds again: one that runs code of strangers must never share the name with one
    that does not, nor with another account. "" is an empty one.
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
    """What ended a tool that did not end by itself."""

    TIME = "time"
    MEMORY = "memory"
    SIZE = "size"  # work folder and cache together
    TRAFFIC = "traffic"


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A tool that has ended; nothing of it runs any more.

    ``work`` is its work folder, which may hold anything a stranger can make of a folder: links,
    modes that close it, names of bytes. Where ``code`` is 0 and nothing stopped the tool, it is
    ours to read and to take from, without following a link, until the context is left.

    ``output`` is what it said on both streams, in the order it came, both ends of it when it is
    long, without credentials in URLs; ``stdout`` the first MiB of that stream.
    """

    code: int
    work: Path
    output: str
    stdout: bytes
    stopped: ToolStop | None = None


class ToolRunner(Protocol):
    """Runs tools behind walls."""

    def run(self, spec: ToolSpec) -> AbstractAsyncContextManager[ToolRun]:
        """Run it to its end and hold its work folder while the context is open.

        Cancelled, everything inside is killed. Raise ``SandboxFault`` when the box or the way
        out fails, which is never the tool's fault.
        """
        ...
