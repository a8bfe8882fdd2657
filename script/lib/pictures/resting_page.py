"""Chromium, and pictures of pages that have come to rest."""

import shutil
import time
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
# the same pixels each time: one thread, no tile that is kept, no difference between processors
ARGUMENTS = (
    *("--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"),
    *("--font-render-hinting=none", "--disable-lcd-text", "--disable-skia-runtime-opts"),
    *("--num-raster-threads=1", "--disable-partial-raster", "--disable-checker-imaging"),
    "--run-all-compositor-stages-before-draw",
)
WAIT_MS = 60_000
STREAM = "text/event-stream"


class NotRendered(Exception):
    """A page has no picture; the message says why."""


@contextmanager
def chromium():
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise SystemExit("Chromium is missing: script/test installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser, base_url, address, *, token, now_ms, size, dark, language="en", scale=1):
    """The page at ``address``, signed in with ``token``, when it has come to rest."""
    context = browser.new_context(
        base_url=base_url,
        viewport=size,
        device_scale_factor=scale,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        locale=language,
        timezone_id="UTC",
    )
    context.set_default_timeout(WAIT_MS)
    try:
        if token:
            context.add_cookies([{"name": "fyke_session", "value": token, "url": base_url}])
        page = context.new_page()
        page.clock.set_fixed_time(now_ms)
        unanswered = Unanswered(page)
        answer = page.goto(address)
        if answer is None or answer.status >= 400:
            raise NotRendered(f"the answer is {answer.status if answer else 'empty'}")
        page.evaluate("document.fonts.ready.then(() => true)")
        unanswered.wait_until_none(page)
        yield page
    finally:
        context.close()


class Unanswered:
    """The requests of a page that have no answer yet, but those of streams, which have no end."""

    def __init__(self, page):
        self._requests = set()
        page.on("request", lambda request: self._begin(request))
        page.on("requestfinished", lambda request: self._requests.discard(request))
        page.on("requestfailed", lambda request: self._requests.discard(request))

    def _begin(self, request):
        if STREAM not in request.headers.get("accept", ""):
            self._requests.add(request)

    def wait_until_none(self, page):
        until = time.monotonic() + WAIT_MS / 1000
        while self._requests or page.locator(".htmx-request").count():
            if time.monotonic() > until:
                addresses = ", ".join(sorted(request.url for request in self._requests))
                raise NotRendered(f"no answer to {addresses or 'a request of htmx'}")
            page.wait_for_timeout(20)


def shot(page, tries=8, **options):
    """A PNG of the page, once two in a row are the same."""
    before = b""
    for _ in range(tries):
        picture = page.screenshot(animations="disabled", caret="hide", scale="device", **options)
        if picture == before:
            return picture
        before = picture
    raise NotRendered(f"the page still changes after {tries} pictures")
