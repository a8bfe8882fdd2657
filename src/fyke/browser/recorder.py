"""Counts what a browser does, from the events that it sends to its clients.

The recorder only reads: it asks Chromium for nothing, since a client and the pages could notice
that. So it knows what the client of the Worker asked for; Playwright, Puppeteer and most others
ask for all of it. What Chromium sends to several sessions counts once.

``event_reader`` reads the events. All values are those of a process that may be hostile: numbers
only count, texts are cut, and what is remembered is limited.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from fyke.browser.dialogs import Ask, Dialogs, OpenDialog, Reporter
from fyke.browser.page_keeper import PageKeeper
from fyke.browser.site_answers import SiteAnswers, host_of
from fyke.browser.taps import CANCELED_NOTE, DOWNLOAD_NOTE
from fyke.model.browser import (
    MAX_LINES,
    MAX_READ_TEXT,
    MAX_URLS,
    BrowserActivity,
    ConsoleLevel,
    ConsoleLine,
    StatusClass,
)

EVERY_SECONDS = 2.0  # between two reports
MAX_BYTES = 24 * 1024  # of the lines in one report, which must fit in one message; of the URLs half
_MAX_KNOWN = 1000  # requests, documents and messages that are remembered
MAX_ID = 128  # characters
_MAX_SUM = 2**53  # bytes; greater numbers are not exact everywhere

_TYPES = frozenset(
    {
        "document", "stylesheet", "image", "media", "font", "script", "texttrack", "xhr", "fetch",
        "prefetch", "eventsource", "websocket", "manifest", "signedexchange", "ping",
        "cspviolationreport", "preflight",
    }
)  # fmt: skip
OTHER = "other"
_REMOTE = ("http:", "https:", "ws:", "wss:")

T = TypeVar("T")


@dataclass(slots=True)
class _KnownRequest:
    """A request. ``reporter`` is the session that named it first, ``host`` that of its URL."""

    reporter: Reporter
    kind: str
    host: str
    answered: bool = False
    cached: bool = False
    ended: bool = False


def ignore_note(code: str, text: str) -> None:
    """Do nothing with a line for the log."""


class Recorder:
    """What one browser sandbox does. ``report`` gets it at most every ``EVERY_SECONDS`` when it has
    changed: numbers and the latest URLs since the start, and the lines since the last report. The
    ``keeper`` of the attempt's last page, if there is one, hears of pages and their requests.
    ``on_note`` gets code and text of lines for the log of the run, also repeated ones.
    """

    def __init__(
        self,
        report: Callable[[BrowserActivity], None],
        keeper: PageKeeper | None = None,
        generation: int = 0,
        on_note: Callable[[str, str], None] = ignore_note,
    ) -> None:
        self._report = report
        self.keeper = keeper
        self.generation = generation
        self._note = on_note
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._requests: Counter[str] = Counter()
        self._cached: Counter[str] = Counter()
        self._received: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._console: Counter[str] = Counter()
        self._blocked: Counter[str] = Counter()
        self._sites = SiteAnswers()
        self._pages = 0
        self._crashes = 0
        self._urls: deque[str] = deque(maxlen=MAX_URLS)
        self._lines: deque[ConsoleLine] = deque(maxlen=MAX_LINES)
        self._known: OrderedDict[Hashable, _KnownRequest] = OrderedDict()
        self._refused: OrderedDict[Hashable, None] = OrderedDict()  # blocked requests
        self._once: OrderedDict[Hashable, None] = OrderedDict()
        self.latest_page: tuple[int, str] | None = None
        """Instance and id of the page in which a document was opened last."""
        self._documents: OrderedDict[tuple[int, str], str] = OrderedDict()  # of pages
        self._readers = 0
        self._crashed: OrderedDict[Hashable, None] = OrderedDict()
        self._order: OrderedDict[tuple[int, str], int] = OrderedDict()  # of pages
        self._pages_seen = 0
        self.dialogs = Dialogs()
        """By instance and id of the page, or its client while the id is not known."""

    def document(self, instance: int, page: str) -> str:
        """The id of the document in a page, as far as it is known."""
        return self._documents.get((instance, page), "")

    def order(self, instance: int, page: str) -> int:
        """A number of a page by which pages are in the order in which they were first named."""
        found = self._order.get((instance, page))
        if found is None:
            self._pages_seen += 1
            found = self._pages_seen
            remember(self._order, (instance, page), found)
        return found

    def flush(self) -> None:
        """Report now what has changed."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        lines = _newest(self._lines, MAX_BYTES)
        self._lines.clear()
        self._report(
            BrowserActivity(
                requests=dict(self._requests),
                cached=dict(self._cached),
                received=dict(self._received),
                statuses=dict(self._statuses),
                console=dict(self._console),
                blocked=dict(self._blocked),
                sites=self._sites.read(),
                pages=self._pages,
                crashes=self._crashes,
                urls=_newest(self._urls, MAX_BYTES // 2),
                lines=lines,
            )
        )

    def close(self) -> None:
        """Report what has changed, for the last time: messages may still be looked at."""
        self._closed = True
        self.flush()

    # for readers

    def reader_number(self) -> int:
        """The number of a new reader."""
        self._readers += 1
        return self._readers

    def request(self, key: Hashable, reporter: Reporter, kind: str, url: str) -> None:
        """A request was sent, or sent again to the address of a redirect by the same reporter."""
        seen = self._known.get(key)
        if seen is None:
            if not is_remote(url):
                return
            seen = _KnownRequest(reporter, _type_of(kind), host_of(url))
            remember(self._known, key, seen)
        elif seen.reporter == reporter:
            seen.host = host_of(url)
        self._requests[seen.kind] += 1
        self._changed()

    def redirected(self, key: Hashable, reporter: Reporter, status: int, size: float) -> bool:
        """A request was answered with a redirect; return whether it counts."""
        seen = self._known.get(key)
        if seen is None or seen.reporter != reporter or seen.ended:
            return False
        self._statuses[_class_of(status)] += 1
        self._sites.add(seen.host, status)
        self._receive(seen.kind, size)
        return True

    def knows(self, key: Hashable) -> bool:
        """Whether a request was counted."""
        return key in self._known

    def answered(self, key: Hashable, status: int) -> None:
        """The head of an answer arrived."""
        seen = self._known.get(key)
        if seen is not None and not seen.answered:
            seen.answered = True
            self._statuses[_class_of(status)] += 1
            if not seen.cached:
                self._sites.add(seen.host, status)
            self._changed()

    def came_from_cache(self, key: Hashable) -> None:
        """A cache of Chromium answered a request."""
        seen = self._known.get(key)
        if seen is not None and not seen.cached:
            seen.cached = True
            self._cached[seen.kind] += 1
            self._changed()

    def ended(self, key: Hashable, size: float, *, failed: bool) -> None:
        """A request is over; ``size`` is in bytes, with heads."""
        seen = self._known.get(key)
        if seen is None or seen.ended:
            return
        seen.ended = True
        self._receive(seen.kind, size)
        if failed and not seen.answered:
            seen.answered = True
            if key not in self._refused:
                self._statuses[StatusClass.FAILED] += 1
        self._changed()

    def blocked(self, instance: int, kind: str, request: str) -> None:
        """A request was blocked for the run. Chromium reports it to its client later as failed, and
        writes an error on the console: neither counts, nor is it among the requests of the page.
        """
        self._blocked[_type_of(kind)] += 1
        request = request[:MAX_ID]
        remember(self._refused, (instance, request), None)
        if self.keeper is not None:
            self.keeper.requests.drop((self.generation, instance, request))
        self._changed()

    def is_blocked(self, key: Hashable) -> bool:
        """Whether a request was blocked lately."""
        return key in self._refused

    def shows(self, instance: int, page: str, document: str) -> None:
        """A page shows another document."""
        self.latest_page = instance, page
        remember(self._documents, (instance, page), document)

    def downloads(self, *, canceled: bool) -> None:
        """A download has started or was canceled."""
        self._note(*(CANCELED_NOTE if canceled else DOWNLOAD_NOTE))

    def opened(self, document: Hashable, url: str) -> None:
        """A document was opened in a tab."""
        if is_remote(url) and self._is_new(document):
            self._pages += 1
            self._urls.append(url[:MAX_READ_TEXT])
            self._changed()

    def crashed(self, page: Hashable) -> None:
        """The process of a page ended; counts once until ``revived``."""
        if page not in self._crashed:
            remember(self._crashed, page, None)
            self._crashes += 1
            self._changed()

    def revived(self, page: Hashable) -> None:
        """A page loads something."""
        self._crashed.pop(page, None)

    def wrote(self, level: ConsoleLevel, at: float, text: str, source: str) -> None:
        """A console message; ``at`` is its time according to Chromium."""
        if self._is_new((at, hash(text))):
            self._console[level] += 1
            self._add_line(level, text, source)

    def opened_dialog(
        self, page: Hashable, dialog: OpenDialog, reporter: Reporter, ask: Ask
    ) -> None:
        """A script has opened a dialog, which stops its page. It is a line of the console that
        counts nowhere, once for all sessions.
        """
        if self.dialogs.opened(page, dialog, reporter, ask):
            self._add_line(ConsoleLevel.WARNING, f"dialog {dialog.kind}: {dialog.text}", "")

    # within

    def _add_line(self, level: ConsoleLevel, text: str, source: str) -> None:
        now = int(time.time() * 1000)
        line = ConsoleLine(now, level, text[:MAX_READ_TEXT], source[:MAX_READ_TEXT])
        self._lines.append(line)
        if self.keeper is not None:
            self.keeper.wrote(line)
        self._changed()

    def _is_new(self, key: Hashable) -> bool:
        if key in self._once:
            return False
        remember(self._once, key, None)
        return True

    def _receive(self, kind: str, size: float) -> None:
        self._received[kind] = min(self._received[kind] + size_of(size), _MAX_SUM)

    def _changed(self) -> None:
        if self._timer is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(EVERY_SECONDS, self.flush)


def remember(memory: OrderedDict[Any, Any], key: Any, value: Any, most: int = _MAX_KNOWN) -> None:
    """Set a key, and forget the oldest one of too many."""
    memory[key] = value
    if len(memory) > most:
        memory.popitem(last=False)


def _type_of(name: str) -> str:
    name = name.lower()
    return name if name in _TYPES else OTHER


def is_remote(url: str) -> bool:
    """Whether a URL is one of the network."""
    return url[:6].lower().startswith(_REMOTE)


def _class_of(status: int) -> str:
    name = f"{status // 100}xx"
    return name if name in _STATUS_CLASSES else StatusClass.FAILED


_STATUS_CLASSES = frozenset(StatusClass)


def size_of(number: float) -> int:
    return int(number) if 0 < number < 2**50 else 0


def _newest(items: deque[T], size: int) -> tuple[T, ...]:
    """The last items that need at most ``size`` bytes in a report."""
    kept: list[T] = []
    for item in reversed(items):
        size -= len(msgspec.json.encode(item))
        if size < 0:
            break
        kept.append(item)
    return tuple(reversed(kept))
