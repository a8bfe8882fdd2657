"""Server-sent events; no I/O."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class Event(NamedTuple):
    """An event of a run. ``kind``: ``status``, ``log``, ``rows`` or ``end``; ``data``: the JSON."""

    kind: str
    id: str
    data: Any


class EventParser:
    """Collects lines to events. ``lines``: how many it has read."""

    def __init__(self) -> None:
        self.lines = 0
        self._fields: dict[str, str] = {}

    def feed(self, line: str) -> Event | None:
        """The event that ends with ``line``, if one does."""
        self.lines += 1
        if not line:
            fields, self._fields = self._fields, {}
            if "data" not in fields:
                return None
            data = msgspec.json.decode(fields["data"])
            return Event(fields.get("event", "message"), fields.get("id", ""), data)
        name, _, value = line.partition(":")
        if name:
            self._fields[name] = value.removeprefix(" ")
        return None
