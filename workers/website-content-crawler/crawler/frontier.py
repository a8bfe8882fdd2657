"""The queue of jobs, and the times when requests to a site may start.

Each origin has a separate queue and a pause between two requests, so that a slow or strict site
delays no other. The time is an argument, so that tests need no clock.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field, replace

from crawler.urls import origin

PAGE, ROBOTS, SITEMAP = "page", "robots", "sitemap"
MAX_CLAIMED = 200_000  # URLs; more are dropped


@dataclass(frozen=True)
class Job:
    """One request to send. ``chain`` has the URLs that have redirected to ``url``, the first one
    first.
    """

    kind: str
    url: str
    depth: int = 0
    chain: tuple[str, ...] = ()
    found_on: str = ""
    is_start: bool = False
    attempt: int = 1
    level: int = 0  # of nested sitemaps
    owner: str = ""  # of robots.txt: the origin that waits for it
    render: bool = False  # with a browser

    @property
    def requested(self) -> str:
        """The first URL of the chain of redirects."""
        return self.chain[0] if self.chain else self.url

    @property
    def is_new_page(self) -> bool:
        """Whether it fetches a page that was not fetched without a browser before."""
        return self.kind == PAGE and not self.render

    @property
    def hops(self) -> int:
        return len(self.chain)

    def retry(self) -> Job:
        return replace(self, attempt=self.attempt + 1)

    def in_browser(self) -> Job:
        return replace(self, render=True, attempt=1)

    def redirected_to(self, url: str) -> Job:
        """The same job after one more redirect."""
        return replace(self, url=url, chain=(*self.chain, self.url), attempt=1, render=False)


@dataclass
class _Site:
    pages: deque[Job] = field(default_factory=deque)
    urgent: deque[Job] = field(default_factory=deque)  # robots.txt and sitemaps
    free_at: float = 0.0
    delay: float = 0.0
    pages_paused: bool = False  # until robots.txt was read

    def ready(self, pages: bool) -> deque[Job] | None:
        """The queue to take from; None without a job. ``pages``: whether pages may be taken."""
        if self.urgent:
            return self.urgent
        return self.pages if pages and self.pages and not self.pages_paused else None


class Frontier:
    """A queue for each origin, taken in turn, and delayed retries."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._sites: dict[str, _Site] = {}
        self._order: deque[str] = deque()
        self._delayed: list[tuple[float, int, Job]] = []
        self._count = itertools.count()
        self._claimed: set[str] = set()
        self.dropped = 0  # addresses beyond ``MAX_CLAIMED``

    def claim(self, url: str) -> bool:
        """Return True for the first call with this URL."""
        if url in self._claimed:
            return False
        if len(self._claimed) >= MAX_CLAIMED:
            self.dropped += 1
            return False
        self._claimed.add(url)
        return True

    def put(self, job: Job, first: bool = False) -> None:
        site = self._site(job.url)
        queue = site.pages if job.kind == PAGE else site.urgent
        if first:
            queue.appendleft(job)
        else:
            queue.append(job)

    def put_later(self, job: Job, when: float) -> None:
        heapq.heappush(self._delayed, (when, next(self._count), job))

    def pause_pages(self, url: str) -> None:
        """Return no pages of this origin until ``resume_pages``."""
        self._site(url).pages_paused = True

    def resume_pages(self, url: str, delay: float | None = None) -> None:
        """Return its pages again, at least ``delay`` seconds apart if that is longer."""
        site = self._site(url)
        site.pages_paused = False
        site.delay = max(site.delay, delay or 0.0)

    def pause_site(self, url: str, until: float) -> None:
        """Start no request to this origin before ``until``."""
        site = self._site(url)
        site.free_at = max(site.free_at, until)

    def take(self, now: float, pages: bool = True) -> Job | None:
        """Return a job that may start now, or None. ``pages``: whether it may be a page."""
        while self._delayed and self._delayed[0][0] <= now:
            self.put(heapq.heappop(self._delayed)[2], first=True)
        for _ in range(len(self._order)):
            key = self._order[0]
            self._order.rotate(-1)
            site = self._sites[key]
            if site.free_at > now:
                continue
            queue = site.ready(pages)
            if queue:
                site.free_at = now + site.delay
                return queue.popleft()
        return None

    def wake_at(self, now: float, pages: bool = True) -> float | None:
        """Return the time of the next job that is not due yet; None without one."""
        times = [self._delayed[0][0]] if self._delayed else []
        times += [site.free_at for site in self._sites.values() if site.ready(pages)]
        return max(now, min(times)) if times else None

    def pages(self) -> int:
        """The number of new pages in all queues."""
        delayed = (job for _, _, job in self._delayed)
        queued = itertools.chain.from_iterable(site.pages for site in self._sites.values())
        return sum(job.is_new_page for job in itertools.chain(delayed, queued))

    def _site(self, url: str) -> _Site:
        key = origin(url)
        if key not in self._sites:
            self._sites[key] = _Site(delay=self._delay)
            self._order.append(key)
        return self._sites[key]
