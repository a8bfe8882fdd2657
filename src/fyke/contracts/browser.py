"""Browsers for attempts: the sandbox that a browser runs in, and the gateway that connects Workers
to it.

The runner joins the two. The gateway reports that a connection of an attempt needs a browser; the
runner opens a sandbox, has its proxy listener served by the egress, and gives its control socket to
the gateway, which starts Chromium and relays connections to it. An attempt has at most one such
sandbox at a time; their numbers, from 1, are its generations.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from fyke.kit.start_budget import StartBudget
from fyke.model.browser import BrowserOffer
from fyke.model.browser import BrowserProgram as BrowserProgram

if TYPE_CHECKING:  # the launcher imports this module and is small
    from fyke.contracts.execution import IdleSandboxes, SandboxExit
    from fyke.model.browser import BrowserActivity, BrowserBlock
    from fyke.model.last_page import TakenPage

WAIT_SECONDS = 60.0  # how long a connection waits for a browser


def browser_budget() -> StartBudget:
    """How often an attempt may start a browser: a Worker whose browser always crashes must not
    keep the machine busy. Those that it closes are given back. The runner counts the browsers of
    connections, and the gateway those that programs of the Worker launch.
    """
    return StartBudget("browsers", total=200, a_minute=20)


class BrowserForm(StrEnum):
    """How the connection that needs a browser asks for it."""

    CDP = "cdp"
    LIGHTPANDA = "lightpanda"
    WEBDRIVER = "webdriver"
    LAUNCH = "launch"


class BrowserEndCause(StrEnum):
    """Why a browser ended, or was never there."""

    CLOSED = "closed"  # by the Worker, with Browser.close
    CRASHED = "crashed"  # Chromium ended by itself, or was killed
    NOT_STARTED = "not_started"  # Chromium did not open its port in time
    SANDBOX_ENDED = "sandbox_ended"  # the control socket was closed
    GATEWAY_ENDED = "gateway_ended"  # the process of the gateway ended


@dataclass(frozen=True, slots=True)
class BrowserInfo:
    """The browser of this machine. ``reason`` says why it cannot be used; empty when it can.

    ``version`` and ``driver`` are numbers such as ``156.0.8078.108``; empty when there is none.
    ``versions`` are those of all programs, also of ``program``, which runs get that ask for none.
    """

    program: BrowserProgram
    version: str = ""
    driver: str = ""
    versions: Mapping[BrowserProgram, str] = field(default_factory=dict)
    display: bool = False  # whether there is a virtual display
    own_sandbox: bool = False  # whether Chromium's own sandbox works inside ours
    reason: str = ""

    @property
    def offer(self) -> BrowserOffer:
        """What runs can ask for; nothing until the browser was found."""
        able = (program for program, version in self.versions.items() if version)
        return BrowserOffer(tuple(able), self.display)

    def of(self, program: BrowserProgram | None) -> BrowserInfo:
        """The same with another program of this machine, None for the one that it has."""
        if program is None or program is self.program:
            return self
        return replace(self, program=program, version=self.versions[program])


@dataclass(frozen=True, slots=True)
class BrowserLimits:
    """Hard limits of one browser sandbox. Sizes in bytes; ``processes`` counts threads too."""

    cpus: float
    memory: int
    processes: int = 1024
    open_files: int = 8192
    tmp_size: int = 256 * 2**20  # of the profile, and of /tmp; both are in memory


@dataclass(frozen=True, slots=True)
class BrowserSpec:
    """``name`` also names the cgroup and the user: attempt id, ``-B`` and the generation. A
    ``program`` is started at once, for the gateway that will ask for it. ``display``: all browsers
    in it have windows, on a virtual display of their own. ``cache`` names the saved HTTP cache that
    the shared Chromium starts with; "": it starts empty and is not saved.
    """

    name: str
    limits: BrowserLimits
    display: bool = False
    program: BrowserProgram | None = None
    cache: str = ""


@dataclass(frozen=True, slots=True)
class BrowserUsage:
    """Sizes in bytes. ``ooms`` counts the processes that the kernel killed when memory ran out."""

    cpu_ms: int = 0
    memory: int = 0
    memory_peak: int = 0
    ooms: int = 0
    tmp_bytes: int = 0


class Browser(Protocol):
    """One browser sandbox. A trusted process of Fyke waits inside for frames on ``control``; no
    Chromium runs before the gateway has asked for one, unless its order has said so.
    """

    @property
    def control(self) -> socket.socket:
        """The control socket. Close it once the gateway has its copy: the sandbox ends when no copy
        is open.
        """
        ...

    @property
    def proxy(self) -> socket.socket:
        """The listening socket 127.0.0.1:1080 of the sandbox's network namespace, for the egress.
        Closed by ``close``.
        """
        ...

    @property
    def cached(self) -> int:
        """How many bytes of the saved HTTP cache in its order it starts with: 0 without one, and
        when it was removed to make room for others.
        """
        ...

    @property
    def last_words(self) -> str:
        """The end of what Chromium and its sandbox wrote to standard error, at most 16 KiB."""
        ...

    async def apply_cpu_limit(self) -> None:
        """Apply the CPU quota. Chromium starts without it."""
        ...

    async def wait(self) -> SandboxExit: ...
    async def usage(self) -> BrowserUsage: ...
    async def kill(self) -> None:
        """Kill all processes inside."""
        ...

    async def save_cache(self, limit: int) -> int:
        """Kill all processes inside and save the HTTP cache of the shared Chromium, at most
        ``limit`` bytes, under the name in the spec. A larger saved one is kept. Return how large
        the saved one is now. Raise ``SandboxFault``.
        """
        ...

    async def close(self) -> None:
        """Kill all processes, remove cgroup and folders, close the sockets. Idempotent."""
        ...


class Browsers(Protocol):
    """The browser sandboxes of this machine."""

    def info(self) -> BrowserInfo: ...
    async def open(self, spec: BrowserSpec) -> Browser:
        """Create a sandbox. Raise ``SandboxFault``."""
        ...

    async def drop_cache(self, name: str) -> None:
        """Remove a saved HTTP cache, if there is one. All are removed with this process. Raise
        ``SandboxFault``.
        """
        ...

    async def idle_sandboxes(self) -> IdleSandboxes:
        """What waits for later calls of ``open``."""
        ...


@dataclass(frozen=True, slots=True)
class GatewayGrant:
    """What the gateway needs to know of an attempt. A connection may omit name and password, since
    only the attempt's own sandbox can connect; wrong ones are refused.
    """

    attempt_id: str
    secret: str  # the password; the user name is the attempt's id
    block: tuple[BrowserBlock, ...] = ()  # what its browsers do not load
    keep: bool = False  # whether the last page is kept, see ``BrowserGateway.finish``
    expected: bool = False  # whether the Worker is known to use a browser


@dataclass(frozen=True, slots=True)
class BrowserWanted:
    """A connection needs a browser and none is attached. It waits at most ``WAIT_SECONDS``."""

    attempt_id: str
    form: BrowserForm


@dataclass(frozen=True, slots=True)
class BrowserEnded:
    """``detail`` says more than ``cause`` in English; it may be empty. With the ``generation`` 0 no
    browser has ended, but the connections that waited for one.
    """

    attempt_id: str
    generation: int
    cause: BrowserEndCause
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BrowserNote:
    """A line for the log of the run; each ``code`` at most once for an attempt."""

    attempt_id: str
    code: str
    text: str

    @property
    def is_warning(self) -> bool:
        """Whether the Worker probably fails because of it."""
        return self.code in WARNINGS


WARNINGS = frozenset(
    {
        "browser_connections",
        "browser_instances",
        "browser_starts",
        "camoufox",
        "context_proxy",
        "download",
        "download_canceled",
        "file_path",
        "file_url",
    }
)


class BrowserGateway(Protocol):
    """Serves the browser ports of attempts. It may run in another process.

    The runner sets the callbacks, which must not block. Each wanted browser is answered by one
    ``attach`` or ``refuse``.
    """

    on_wanted: Callable[[BrowserWanted], None]
    on_started: Callable[[str, int], None]
    """Gets the attempt's id and the generation when Chromium accepts connections."""
    on_ended: Callable[[BrowserEnded], None]
    """Once for each attached generation, unless the attempt was closed before. The gateway has
    closed its copy of the control socket; the next connection wants a new browser. Also when the
    gateway ended while connections waited.
    """
    on_note: Callable[[BrowserNote], None]
    on_activity: Callable[[str, int, BrowserActivity], None]
    """Gets the attempt's id, the generation and what it did: numbers since its start, and the lines
    since the last call. At most every two seconds, and at its end, also during ``close``.
    """

    async def check(self) -> None:
        """Raise ``Unavailable`` when the gateway does not answer within three seconds."""
        ...

    async def open(self, listeners: Sequence[socket.socket], grant: GatewayGrant) -> None:
        """Serve the listeners until ``close``. The caller may close its copies afterwards.

        While the gateway does not answer, connections wait in the listeners, and this returns after
        two seconds. Raise ``Unavailable`` when it refuses.
        """
        ...

    async def attach(
        self,
        attempt_id: str,
        generation: int,
        control: socket.socket,
        program: BrowserProgram,
        *,
        own_sandbox: bool,
        display: bool = False,
    ) -> None:
        """Give the gateway a browser sandbox, in which it starts ``program``, with windows if
        ``display``. The caller closes its copy of ``control`` afterwards. Raise ``Unavailable``
        when the gateway has ended; then ``on_ended`` is not called for this generation.
        """
        ...

    async def refuse(
        self, attempt_id: str, status: int, text: str, *, retry_after: int = 0
    ) -> None:
        """Answer the waiting connections with an HTTP status and one line of text.

        The answer stands for ``retry_after`` seconds, which it also names; later connections want a
        browser again. With 0 it stands until the attempt is closed.
        """
        ...

    async def finish(self, attempt_id: str) -> TakenPage | None:
        """The last page of an attempt whose Worker has ended, before ``close``. It may take five
        seconds. None if there is none. Raise ``Unavailable`` when the gateway does not answer, or
        ends, and ``FykeError`` when it fails to take the page.
        """
        ...

    async def close(self, attempt_id: str) -> None:
        """Close the listeners, all connections and the control socket. An unknown id is ignored."""
        ...
