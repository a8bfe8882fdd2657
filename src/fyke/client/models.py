"""What goes over the wire, as dataclasses. Names are those of the wire.

Times ending in ``_at`` are Unix seconds, ``timestamp`` is in ms, traffic in bytes, money text in
US dollars. Unknown fields of a newer server are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fyke.wire import v1

Row = dict[str, Any]


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
