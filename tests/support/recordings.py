"""A recorder of a browser, and the events that a Chromium sends."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

from fyke.browser.event_reader import EventReader
from fyke.browser.recorder import Recorder
from fyke.model.browser import BrowserActivity

Say = Callable[..., None]


class Recording:
    """A recorder, and what it has reported."""

    def __init__(self) -> None:
        self.reports: list[BrowserActivity] = []
        self.notes: list[str] = []
        self.asked: list[tuple[object, ...]] = []  # commands of ours
        self._numbers = itertools.count()
        self.recorder = Recorder(
            self.reports.append, on_note=lambda code, text: self.notes.append(code)
        )
        self.say = self.client()

    def client(self, instance: int = 0, page: str = "") -> Say:
        look = EventReader(self.recorder, instance, page)

        def say(method: str, session: str = "", /, **params: object) -> None:
            event: dict[str, object] = {"method": method, "params": params}
            if session:
                event["sessionId"] = session
            assert look(json.dumps(event, separators=(",", ":")).encode())

        self.look = look
        name = f"client {next(self._numbers)}"
        look.connected(lambda *command: self.asked.append((name, *command)))
        return say

    def now(self) -> BrowserActivity:
        self.recorder.flush()
        return self.reports[-1]


def sent(
    say: Say, number: str, url: str, kind: str = "Document", session: str = "S", **more: object
) -> None:
    request = {"url": url}
    say("Network.requestWillBeSent", session, requestId=number, request=request, type=kind, **more)


def answered(say: Say, number: str, status: int, session: str = "S") -> None:
    response = {"status": status, "headers": {}}
    say("Network.responseReceived", session, requestId=number, response=response)


def finished(say: Say, number: str, size: float, session: str = "S") -> None:
    say("Network.loadingFinished", session, requestId=number, encodedDataLength=size)
