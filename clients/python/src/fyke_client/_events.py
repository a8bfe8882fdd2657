"""Server-sent events; no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from fyke_client.errors import Unreachable


class Event(NamedTuple):
    """An event of a run. ``kind``: ``status``, ``log``, ``rows`` or ``end``; ``data``: the JSON."""

    kind: str
    id: str
    data: Any


class LineSplitter:
    """Lines of bytes that arrive in parts. Only a line feed ends one: texts in the JSON of a row
    may contain the other characters at which ``str.splitlines`` splits, such as U+2028.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, part: bytes) -> Iterator[str]:
        """The lines that end in ``part``."""
        first, *others = part.split(b"\n")
        self._parts.append(first)
        for other in others:
            line = b"".join(self._parts).removesuffix(b"\r")
            self._parts = [other]
            yield line.decode(errors="replace")


class EventParser:
    """Collects lines to events."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def feed(self, line: str) -> Event | None:
        """The event that ends with ``line``, if one does. Raises ``Unreachable`` for one that is
        not JSON.
        """
        if not line:
            fields, self._fields = self._fields, {}
            if "data" not in fields:
                return None
            try:
                data = msgspec.json.decode(fields["data"])
            except msgspec.DecodeError as error:
                raise Unreachable(
                    f"the server sent an event that is not JSON ({error})", temporary=False
                ) from None
            return Event(fields.get("event", "message"), fields.get("id", ""), data)
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and name in self._fields:
            self._fields[name] += f"\n{value}"
        elif name:
            self._fields[name] = value
        return None
