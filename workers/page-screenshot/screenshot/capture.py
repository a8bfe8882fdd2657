"""Opens a page and takes its picture; returns the row."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from devtools import BrowserEnded, BrowserError, NoBrowser, Refused, Tab, TooSlow

from screenshot.settings import FULL_PAGE, IDLE, JPEG, MAX_AREA, PDF, Settings

MAX_IMAGE = 4 * 1024 * 1024  # characters of base64: a row may have 8 MiB
MAX_PIXELS = 16_384  # of a side, which Chromium can draw
CAPTURE_SECONDS = 20.0  # beyond the time of the page
MAX_DOCUMENTS = 5  # one after the other, of a page that goes on by itself
BUSY_SECONDS = 1.0  # of a script, after which it is stopped
SETTLE_SECONDS = 0.5  # until a page has its text that is taken before it has loaded
POLL_SECONDS = 0.1
JPEG_QUALITY = 80
A4 = {"paperWidth": 8.27, "paperHeight": 11.69}  # inches

# pictures that are loaded when they are scrolled to
_SCROLL = """(async () => {
  const top = scrollY;
  const get = (name) => Reflect.get(Document.prototype, name, document);
  const page = get("scrollingElement") ?? get("documentElement");  // SVG has no body
  for (let step = 0; step < 60 && scrollY + innerHeight < page.scrollHeight; step++) {
    scrollBy(0, innerHeight);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  scrollTo(0, top);
})()"""

_TITLE = "Reflect.get(Document.prototype, 'title', document)"


class TooBusy(BrowserError):
    """A script of the page does not end, even when it is stopped."""


def capture(address: str, url: str, settings: Settings) -> dict[str, Any]:
    """Take the picture of a page. Raise ``NoBrowser``; all other errors are in the row."""
    row: dict[str, Any] = {
        "url": url,
        "final_url": "",
        "title": "",
        "status": None,
        "format": settings.format,
        "width": None,
        "height": None,
        "bytes": None,
        "cut": False,
        "ms": None,
        "image": "",
        "error": "",
    }
    started = time.monotonic()
    try:
        with Tab(address, settings.timeout) as tab:
            started = time.monotonic()
            _open(tab, row, settings)
            _take_loaded(tab, row, settings)
    except NoBrowser:
        raise
    except TooSlow:
        row["error"] = row["error"] or f"no answer within {settings.timeout:g} s"
    except BrowserError as error:
        row["error"] = str(error)
        if isinstance(error, Refused):
            row["status"] = None  # that of a redirect
    except Exception as error:  # one page must not end the others
        row["error"] = f"the picture could not be taken: {type(error).__name__}: {error}"
    row["ms"] = round((time.monotonic() - started) * 1000)
    return row


def _open(tab: Tab, row: dict[str, Any], settings: Settings) -> None:
    """Open the page."""
    if settings.format != PDF:
        tab.ask(
            "Emulation.setDeviceMetricsOverride",
            width=settings.width,
            height=settings.height,
            deviceScaleFactor=settings.scale,
            mobile=False,
        )

    def may_go_on() -> bool:
        """Whether the page may go to another document: no longer when the time is over."""
        return not row["error"]

    def on_response(event: dict[str, Any]) -> bool:
        if may_go_on():
            row["status"] = event["responseStatusCode"]
        return may_go_on()

    tab.intercept(lambda _: may_go_on(), on_response)
    tab.open(row["url"])


def _take_loaded(tab: Tab, row: dict[str, Any], settings: Settings) -> None:
    """Take the picture after waiting as wanted; what does not happen in time is named in ``error``.

    A page may go to another document meanwhile: then that is waited for, and its picture taken.
    When the time is over, it is kept from that; what it had started may still happen.
    """
    for _ in range(MAX_DOCUMENTS):
        document, missing = _wait(tab, settings)
        if not missing:
            tab.wait(lambda: False, settings.delay)
        row["error"] = f"{missing} within {settings.timeout:g} s" if missing else ""
        if missing:  # the document may have started just now
            with tab.extended(CAPTURE_SECONDS):
                tab.wait(lambda: "DOMContentLoaded" in tab.reached, SETTLE_SECONDS)
        problem: BrowserError | None = None
        row["image"] = ""
        try:
            _take(tab, row, settings)
        except (BrowserEnded, TooBusy):
            raise
        except BrowserError as error:  # perhaps since the document is no longer there
            problem = error
        if problem is None and row["error"]:
            return
        with tab.extended(CAPTURE_SECONDS):
            if tab.newest_document() == document:
                if problem is not None:
                    raise problem
                return
    row["error"] = "the page went to another document whenever its picture was taken"


def _wait(tab: Tab, settings: Settings) -> tuple[str, str]:
    """Wait by the rules of the settings; return the document that fulfilled the first ones, and
    which rule was not fulfilled, or "".
    """
    missing = ""
    if not _reaches(tab, "load"):
        missing = "not loaded"
    elif settings.wait == IDLE and not _reaches(tab, "networkIdle"):
        missing = "requests did not end"
    document = tab.document
    if not missing and settings.selector and not _appears(tab, settings.selector):
        missing = f"no element matches {settings.selector}"
    return document, missing


def _reaches(tab: Tab, name: str) -> bool:
    """Wait until something has happened to the page; return whether it does in time. Raise
    ``Refused`` when a script of the page goes to an address that is.
    """
    reached = tab.wait(lambda: name in tab.reached or tab.refused is not None)
    if tab.refused is not None:
        raise tab.refused
    return reached


def _appears(tab: Tab, selector: str) -> bool:
    """Wait until an element matches a CSS selector; return whether one does in time."""
    find = "Document.prototype.querySelector.call"
    expression = f"{find}(document, {json.dumps(selector)}) !== null"
    try:
        while not tab.read(expression):
            tab.wait(lambda: False, POLL_SECONDS)
    except TooSlow:
        return False
    return True


def _take(tab: Tab, row: dict[str, Any], settings: Settings) -> None:
    try:
        with tab.extended(CAPTURE_SECONDS):
            stopped = tab.stop_busy_scripts(BUSY_SECONDS)
            row["final_url"] = tab.read("location.href")
            row["title"] = _title(tab)
            if settings.mode == FULL_PAGE and settings.format != PDF and not stopped:
                tab.read(_SCROLL)
            take: Callable[..., str] = _pdf if settings.format == PDF else _picture
            image = take(tab, row, settings)
            row["title"] = row["title"] or _title(tab)  # the document may have started just now
    except TooSlow:
        raise TooBusy("the page is too busy for a picture") from None
    row["bytes"] = len(base64.b64decode(image))
    if len(image) <= MAX_IMAGE:
        row["image"] = image
    else:
        row["error"] = (
            f"the picture has {row['bytes']:,} bytes, and {MAX_IMAGE * 3 // 4:,} fit into a row; "
            "take jpeg, a smaller scale, or only the viewport"
        )


def _title(tab: Tab) -> str:
    return tab.read(_TITLE)[:1000]


def _pdf(tab: Tab, row: dict[str, Any], settings: Settings) -> str:
    answer = tab.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True, **A4)
    return str(answer["data"])


def _picture(tab: Tab, row: dict[str, Any], settings: Settings) -> str:
    width, height = settings.width, settings.height
    if settings.mode == FULL_PAGE:
        height = max(height, int(tab.ask("Page.getLayoutMetrics")["cssContentSize"]["height"]))
        highest = int(min(MAX_PIXELS, MAX_AREA / (width * settings.scale)) / settings.scale)
        row["cut"] = height > highest
        height = min(height, highest)
    row["width"], row["height"] = round(width * settings.scale), round(height * settings.scale)
    more = {"quality": JPEG_QUALITY} if settings.format == JPEG else {}
    answer = tab.ask(
        "Page.captureScreenshot",
        format=settings.format,
        captureBeyondViewport=settings.mode == FULL_PAGE,
        clip={"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        **more,
    )
    return str(answer["data"])
