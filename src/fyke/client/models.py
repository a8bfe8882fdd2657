"""What goes over the wire, as dataclasses. Names are those of the wire.

Times ending in ``_at`` are Unix seconds, ``timestamp`` is in ms, traffic in bytes, money text in
US dollars. Unknown fields of a newer server are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fyke.wire import v1

Row = dict[str, Any]


# --- requests ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A start. ``custom`` is the Worker's own input, ``system`` the device and the limits."""

    worker: str
    custom: dict[str, Any] = field(default_factory=dict)
    system: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    callback_url: str = ""

    def wire(self, **more: Any) -> v1.StartRun:
        """The request as it is sent; ``more`` says how to answer."""
        return v1.StartRun(
            scraper_slug=self.worker,
            input=self.input(),
            version=self.version or None,
            callback_url=self.callback_url,
            **more,
        )

    def input(self) -> dict[str, Any]:
        return {"parameters": {"system": self.system, "custom": self.custom}}


# --- answers -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    severity: str
    code: str
    file: str
    line: int
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Published:
    slug: str
    path: str
    version: str
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class OwnWorker:
    slug: str
    path: str
    title: str
    description: str
    public: bool
    version: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Version:
    """``egress``: the only domains that it may reach, None for every public one."""

    version: str
    state: str
    language: str
    digest: str
    created_at: int
    egress: list[str] | None = None
    builds: bool = False
