"""What is still to be fetched, and when a site may be asked again.

Each origin has a queue of its own and a pause between two requests, so that a slow or strict
site delays no other. The time is passed in, never read, which keeps all of it testable.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field, replace

from crawler.urls import origin

PAGE, ROBOTS, SITEMAP = "page", "robots", "sitemap"
MAX_KNOWN = 200_000  # URLs; more are not remembered and not fetched


@dataclass(frozen=True)
class Job:
    """One request to be made. ``requested`` is where a chain of redirects began."""

    kind: str
    url: str
    depth: int = 0
    requested: str = ""
    found_on: str = ""
    is_start: bool = False
    hops: int = 0
    attempt: int = 1
    level: int = 0  # how deep in sitemaps of sitemaps
    owner: str = ""  # of robots.txt: the origin that waits for it

    def again(self) -> Job:
        return replace(self, attempt=self.attempt + 1)

    def at(self, url: str) -> Job:
        """The same job one redirect further."""
        first = self.requested or self.url
        return replace(self, url=url, requested=first, hops=self.hops + 1, attempt=1)


@dataclass
class _Site:
    pages: deque[Job] = field(default_factory=deque)
    urgent: deque[Job] = field(default_factory=deque)  # robots.txt and sitemaps
    free_at: float = 0.0
    delay: float = 0.0
    held: bool = False  # pages wait, usually for robots.txt

    def ready(self, pages: bool) -> deque[Job] | None:
        """The queue to take from; ``pages`` says whether pages may be taken at all."""
        if self.urgent:
            return self.urgent
        return self.pages if pages and self.pages and not self.held else None


class Frontier:
    """Queues per origin, taken in turn; retries come back when their time has come."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._sites: dict[str, _Site] = {}
        self._turns: deque[str] = deque()
        self._later: list[tuple[float, int, Job]] = []
        self._count = itertools.count()
        self._known: set[str] = set()
        self.beyond = 0  # addresses that were turned away because too many are known

    def claim(self, url: str) -> bool:
        """True the first time that a page is seen."""
        if url in self._known:
            return False
        if len(self._known) >= MAX_KNOWN:
            self.beyond += 1
            return False
        self._known.add(url)
        return True

    def put(self, job: Job, first: bool = False) -> None:
        site = self._site(job.url)
        queue = site.pages if job.kind == PAGE else site.urgent
        if first:
            queue.appendleft(job)
        else:
            queue.append(job)

    def put_later(self, job: Job, when: float) -> None:
        heapq.heappush(self._later, (when, next(self._count), job))

    def hold(self, url: str) -> None:
        """Give out no pages of this origin until it is released."""
        self._site(url).held = True

    def release(self, url: str, delay: float | None = None) -> None:
        """Give out its pages again, at least ``delay`` seconds apart if that is longer."""
        site = self._site(url)
        site.held = False
        site.delay = max(site.delay, delay or 0.0)

    def calm(self, url: str, until: float) -> None:
        """Ask this origin nothing before ``until``."""
        site = self._site(url)
        site.free_at = max(site.free_at, until)

    def take(self, now: float, pages: bool = True) -> Job | None:
        """The next job that may be started now, without pages if ``pages`` is false."""
        while self._later and self._later[0][0] <= now:
            self.put(heapq.heappop(self._later)[2], first=True)
        for _ in range(len(self._turns)):
            name = self._turns[0]
            self._turns.rotate(-1)
            site = self._sites[name]
            if site.free_at > now:
                continue
            queue = site.ready(pages)
            if queue:
                site.free_at = now + site.delay
                return queue.popleft()
        return None

    def wake_at(self, now: float, pages: bool = True) -> float | None:
        """When something may be ready that is not ready now; None when nothing ever will."""
        times = [self._later[0][0]] if self._later else []
        times += [site.free_at for site in self._sites.values() if site.ready(pages)]
        return max(now, min(times)) if times else None

    def waiting(self) -> int:
        """How many jobs are still to be given out."""
        return len(self._later) + sum(
            len(site.pages) + len(site.urgent) for site in self._sites.values()
        )

    def _site(self, url: str) -> _Site:
        name = origin(url)
        if name not in self._sites:
            self._sites[name] = _Site(delay=self._delay)
            self._turns.append(name)
        return self._sites[name]
