"""A Worker that waits for a click in its browser, and the event stream of the live view."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2

PASSWORD = "a long enough secret"
PAGE = "data:text/html," + quote(
    "<!doctype html><title>Shop</title><body style='margin:0'><button style='position:fixed;"
    "inset:0;width:100%;height:100%' onclick='document.title = `Bought`'>Buy</button>"
)
CONNECTS = f"""
import time
from devtools import Devtools
from sdk import CoreSDK

browser = Devtools()
page = browser.page()
browser.ask("Page.enable", page)
browser.open(page, {PAGE!r})
while (title := browser.value(page, "document.title")) != "Bought":
    time.sleep(0.1)
CoreSDK.Result.push_data({{"title": title}})
"""


def events(answer: httpx2.Response) -> Iterator[tuple[str, Any]]:
    """Kind and data of each event."""
    kind = ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, value if kind == "end" else json.loads(value)


def first_picture(stream: Iterator[tuple[str, Any]], title: str) -> tuple[dict[str, Any], Any]:
    """The latest state, and a picture of the page of this title; a picture may come before it."""
    state: dict[str, Any] = {}
    pictures: dict[str, Any] = {}
    while True:
        kind, data = next(stream)
        if kind == "state":
            state = data
        elif kind == "picture":
            pictures[data["page"]] = data
        for page in state.get("pages", ()):
            if page["title"] == title and page["id"] in pictures:
                return state, pictures[page["id"]]


def click() -> list[dict[str, Any]]:
    """Input in the middle of the picture."""
    press = {"kind": "pointer", "x": 0.5, "y": 0.5, "button": "left", "clicks": 1}
    return [press | {"action": action} for action in ("press", "release")]
