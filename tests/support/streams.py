"""A client of event streams that reads as a browser does and continues after the last event."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx2


@dataclass(frozen=True)
class Event:
    kind: str
    id: str
    data: Any


@dataclass
class StreamReader:
    """Reads the stream of one run over as many connections as needed."""

    base_url: str
    key: str
    run: str
    last_id: str = ""
    events: list[Event] = field(default_factory=list)

    async def read(self, *, events: int = 10**9, **query: str) -> list[Event]:
        """The next ``events`` events on one connection, fewer when the server ends it."""
        received: list[Event] = []
        async with aclosing(self.stream(**query)) as stream:
            async for event in stream:
                received.append(event)
                if len(received) >= events:
                    break
        return received

    async def stream(self, **query: str) -> AsyncIterator[Event]:
        """Events of one connection, each recorded before it is yielded."""
        headers = {"api-key": self.key} | ({"last-event-id": self.last_id} if self.last_id else {})
        async with httpx2.AsyncClient(base_url=self.base_url, timeout=30) as http:
            path = f"/api/v2/worker-runs/{self.run}/events"
            async with http.stream("GET", path, headers=headers, params=query) as answer:
                assert answer.status_code == 200, await answer.aread()
                assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
                async for event in _parsed(answer.aiter_lines()):
                    self.last_id = event.id
                    self.events.append(event)
                    yield event

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    @property
    def rows(self) -> list[tuple[int, Any]]:
        return [(r["position"], r["row"]["n"]) for e in self.of("rows") for r in e.data["list"]]

    @property
    def log(self) -> list[tuple[int, str]]:
        return [
            (line["position"], line["content"]) for e in self.of("log") for line in e.data["list"]
        ]

    @property
    def statuses(self) -> list[str]:
        return [event.data["status"] for event in self.of("status")]


async def _parsed(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}  # a comment, or the delay before a reconnect
