"""Chromium, for tests that need a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Page,
    Request,
    sync_playwright,
)

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 812}
ANSWER_MS = 15_000
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium; the headless build, if installed, takes half of the CPU time. Its
    sandbox needs rights that tests do not have.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "Chromium is missing: script/test installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """The errors, foreign requests and dialogs of a page."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)  # requests to other hosts
    dialogs: list[str] = field(default_factory=list)


@contextmanager
def tab(
    browser: Browser,
    base_url: str,
    token: str = "",
    *,
    size: dict[str, int] | None = None,
    dark: bool = False,
    language: str = "en",
    **options: object,
) -> Iterator[tuple[Page, Watch]]:
    """A page in a new context, signed in with ``token``, and its errors."""
    context: BrowserContext = browser.new_context(
        base_url=base_url,
        viewport=size or WIDE,  # type: ignore[arg-type]  # a dict with these two keys
        color_scheme="dark" if dark else "light",
        locale=language,
        timezone_id="UTC",
        **options,  # type: ignore[arg-type]  # whatever the caller names
    )
    context.set_default_timeout(ANSWER_MS)
    if token:
        context.add_cookies([{"name": "fyke_session", "value": token, "url": base_url}])
    page, watch = context.new_page(), Watch()
    page.on("pageerror", lambda error: watch.errors.append(str(error)))
    page.on("console", lambda line: _note(watch, line.type, line.text))
    page.on("request", lambda request: _look(watch, base_url, request))
    page.on("dialog", lambda dialog: (watch.dialogs.append(dialog.message), dialog.dismiss()))
    try:
        yield page, watch
    finally:
        context.close()


def _note(watch: Watch, kind: str, text: str) -> None:
    if kind == "error" and "status of 4" not in text:
        watch.errors.append(text)


def _look(watch: Watch, base_url: str, request: Request) -> None:
    if not request.url.startswith((base_url, "data:", "blob:", "about:")):
        watch.foreign.append(request.url)


def heap_mb(session: CDPSession) -> float:
    """The memory of the page's scripts and documents after a garbage collection, in MB."""
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")
    return float((used["usedSize"] + used.get("embedderHeapUsedSize", 0)) / 1e6)
