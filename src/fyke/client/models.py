"""Arguments of the client that have no shape on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fyke import wire


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A start. ``custom``: the Worker's own input; ``system``: device and limits."""

    worker: str
    custom: dict[str, Any] = field(default_factory=dict)
    system: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    callback_url: str = ""

    def body(self, **more: Any) -> wire.v1.StartRun:
        """The body of the request; ``more``: members about the answer."""
        return wire.v1.StartRun(
            scraper_slug=self.worker,
            input=self.input(),
            version=self.version or None,
            callback_url=self.callback_url,
            **more,
        )

    def input(self) -> dict[str, Any]:
        return {"parameters": {"system": self.system, "custom": self.custom}}
