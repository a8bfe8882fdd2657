"""Fetches pages with the browser of the attempt, which runs their scripts.

The answer is that of a plain request, with what the scripts have made of the page as its body. As
there, redirects are not followed: not those of the site, nor those of a script.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urldefrag

from devtools import (
    BrowserEnded,
    BrowserError,
    Download,
    NoBrowser,
    PageCrashed,
    Refused,
    Tab,
    TooSlow,
)

from crawler.fetch import MAX_BYTES, MIN_TEXT, Answer, read_head

MAX_TABS = 2  # at once; the others wait
MAX_LOADS = 5  # of a page that reloads itself
IDLE_SECONDS = 5.0  # after loading, for requests of scripts to end
READ_SECONDS = 5.0

_UNUSED = ("Image", "Media", "Font")  # not needed for text
_SCRIPT = re.compile(rb"<script\b", re.IGNORECASE)
_TYPE = re.compile(rb"\btype\s*=\s*[\"']?\s*([^\"'\s>]*)", re.IGNORECASE)
_HTML = "Reflect.get(Document.prototype, 'documentElement', document)?.outerHTML ?? ''"
_READ = f"(html => html.length > {MAX_BYTES} ? null : html)({_HTML})"


def needs_browser(body: bytes, text: str) -> bool:
    """Whether a page has hardly any text, and a script that may create it."""
    return len(text) < MIN_TEXT and any(map(_is_program, _scripts(body)))


def _scripts(body: bytes) -> Iterator[bytes]:
    """The attributes of the script elements; each byte is searched once, whatever the page has."""
    end = 0
    while found := _SCRIPT.search(body, end):
        end = body.find(b">", found.end())
        if end < 0:
            return
        yield body[found.end() : end]


def _is_program(attributes: bytes) -> bool:
    """Whether a script element is a program, and not data such as JSON."""
    found = _TYPE.search(attributes)
    kind = found[1].lower() if found else b""
    return not kind or kind == b"module" or kind.endswith((b"javascript", b"ecmascript"))


class Browser:
    """Opens each page in a tab of its own; safe to use from many threads."""

    def __init__(
        self,
        address: str,
        fetch: Callable[[str, bool], Answer],
        user_agent: str,
        timeout: float,
    ) -> None:
        """``fetch`` sends a plain request, for files that are not HTML."""
        self._address = address
        self._fetch = fetch
        self._user_agent = user_agent
        self._timeout = timeout
        self._tabs = threading.BoundedSemaphore(MAX_TABS)

    def get(self, url: str, any_type: bool = False, stay: bool = False) -> Answer:
        """Fetch a page. Errors of the site or the browser are returned, not raised.

        XML and text are fetched without the browser, with ``any_type`` everything that is not HTML.
        ``stay``: a redirect by the page itself is prevented, and the page is the answer.
        """
        answer = Answer(url)
        try:
            with self._tabs, Tab(self._address, self._timeout) as tab:
                self._load(tab, answer, stay)
        except TooSlow:
            answer.error = f"its scripts did not come to an end within {self._timeout:g} s"
        except NoBrowser as error:
            answer.error, answer.no_browser = str(error), True
        except BrowserError as error:
            answer.error = str(error)
            answer.retry = isinstance(error, BrowserEnded) and not isinstance(error, PageCrashed)
        except Exception as error:  # one page must not end the crawl
            answer.error = f"the browser could not read it: {type(error).__name__}: {error}"
        if answer.error or answer.location or answer.is_html or not (any_type or answer.is_text):
            return answer
        return self._fetch(url, any_type)

    def _load(self, tab: Tab, answer: Answer, stay: bool) -> None:
        visit = _Visit(answer, stay)
        tab.ask("Emulation.setUserAgentOverride", userAgent=self._user_agent)
        tab.intercept(visit.on_request, visit.on_response, _UNUSED)
        try:
            tab.open(answer.url)
        except TooSlow:
            answer.retry, answer.error = True, f"no answer within {self._timeout:g} s"
        except (BrowserEnded, Download):
            raise
        except Refused as error:
            answer.refused, answer.retry, answer.error = (
                error.by_rule,
                not error.by_rule,
                str(error),
            )
        except BrowserError as error:
            if not visit.is_over:
                answer.retry, answer.error = True, f"no connection: {error}"
        if visit.is_over or answer.error:
            return
        tab.wait(lambda: "load" in tab.reached or visit.is_over)
        tab.wait(lambda: "networkIdle" in tab.reached or visit.is_over, IDLE_SECONDS)
        if not visit.is_over:
            with tab.extended(READ_SECONDS):
                self._read(tab, answer)

    def _read(self, tab: Tab, answer: Answer) -> None:
        html = tab.read(_READ)
        if html is None:
            answer.error = f"larger than {MAX_BYTES:,} characters"
            return
        if not html:
            answer.error = "its scripts have removed the document"
            return
        answer.body, answer.charset = html.encode("utf-8", "replace"), "utf-8"
        answer.rendered = True


class _Visit:
    """What happens to the address of an answer: ends at an error, a redirect, or another type.
    ``stay``: a redirect by the page itself is no end.
    """

    def __init__(self, answer: Answer, stay: bool) -> None:
        self._answer = answer
        self._stay = stay
        self._address = ""
        self._loads = 0
        self.is_over = False

    def on_request(self, url: str) -> bool:
        """Whether a page may be loaded: again, but not from elsewhere."""
        address = urldefrag(url)[0]
        self._address = self._address or address  # as the browser writes that of the answer
        if address != self._address:
            if self._stay:
                return False
            self._answer.location = url
            self.is_over = True
        self._loads += 1
        return not self.is_over and self._loads <= MAX_LOADS

    def on_response(self, event: dict[str, Any]) -> bool:
        fields = event.get("responseHeaders", [])
        headers = {item["name"].lower(): item["value"] for item in fields}
        reason = event.get("responseStatusText") or ""
        read_head(self._answer, event["responseStatusCode"], reason, headers)
        answer = self._answer
        self.is_over = bool(answer.error or answer.location or not answer.is_html)
        return not self.is_over
