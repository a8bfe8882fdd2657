"""The crawl itself: one thread decides, extracts and stores; others only wait for answers.

Because a single thread owns all state there is nothing to lock, and a row is stored before the
next page is looked at. Retries, redirects and pauses are jobs with a time, never a sleeping
thread.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from random import random
from typing import Any, Protocol

from crawler import robots, sitemap
from crawler.fetch import Answer
from crawler.frontier import PAGE, ROBOTS, SITEMAP, Frontier, Job
from crawler.row import new_row
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.urls import canonical, origin

MAX_HOPS = 10
MAX_SITEMAPS = 200
LOOK_SECONDS = 0.25  # how soon a request to stop is noticed
PROGRESS_SECONDS = 10.0
FIRST_BACKOFF = 1.0
MAX_BACKOFF = 30.0
MAX_WARNINGS = 100
MAX_REFUSED_ROWS = 3


class Sink(Protocol):
    """Where rows and log lines go. ``row`` returns the reason when a row was not taken."""

    def row(self, row: dict[str, Any]) -> str: ...

    def info(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


class Crawl:
    """One crawl. ``run`` once; ``stop`` may be called from a signal handler."""

    def __init__(
        self,
        settings: Settings,
        fetch: Callable[[str, bool], Answer],
        extract: Callable[..., Any],
        sink: Sink,
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._extract = extract
        self._sink = sink
        self._frontier = Frontier(settings.delay)
        self._scope = Scope(settings.stay_on, list(settings.include), list(settings.exclude))
        self._rules: dict[str, robots.Rules] = {}
        self._running: dict[Future[Answer], Job] = {}
        self._pages_running = 0
        self._met: set[str] = set()  # origins whose robots.txt was asked for
        self._sitemaps: set[str] = set()
        self._stopping = False
        self._refused_rows = 0
        self._last_progress = time.monotonic()
        self.rows = 0
        self.fetched = 0
        self.skipped: Counter[str] = Counter()
        self.problem = ""  # the last thing that went wrong
        self._warned = 0

    def stop(self) -> None:
        """Start no further request; what was answered is still stored."""
        self._stopping = True

    def run(self) -> None:
        """Crawl until nothing is left, the limit is reached, or ``stop`` was called."""
        for url in self._settings.start_urls:
            self._scope.add_root(url)
            self._want(Job(PAGE, url, is_start=True))
        pool = ThreadPoolExecutor(self._settings.max_concurrency, "fetch")
        try:
            while not self._stopping and self._step(pool):
                pass
            self._take_finished(0)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def waiting(self) -> int:
        """How many known pages were not fetched."""
        return self._frontier.waiting()

    @property
    def beyond(self) -> int:
        """How many addresses were dropped because too many are known."""
        return self._frontier.beyond

    # --- the loop -------------------------------------------------------------------------

    def _step(self, pool: ThreadPoolExecutor) -> bool:
        """Start what may be started, take in what has come; False when all is done."""
        now = time.monotonic()
        while len(self._running) < self._settings.max_concurrency:
            job = self._frontier.take(now, pages=self._has_room())
            if job is None:
                break
            self._start(pool, job)
        if not self._running:
            if self.rows >= self._settings.max_results:
                return False
            wake = self._frontier.wake_at(now)
            if wake is None:
                return False
            time.sleep(min(LOOK_SECONDS, wake - now))
            return True
        self._take_finished(self._patience(now))
        self._report_progress()
        return True

    def _has_room(self) -> bool:
        """Whether one more page may be under way: every one becomes at most one row."""
        return self.rows + self._pages_running < self._settings.max_results

    def _patience(self, now: float) -> float:
        wake = self._frontier.wake_at(now, pages=self._has_room())
        if wake is None or len(self._running) >= self._settings.max_concurrency:
            return LOOK_SECONDS
        return min(LOOK_SECONDS, max(0.005, wake - now))

    def _start(self, pool: ThreadPoolExecutor, job: Job) -> None:
        if job.kind == PAGE:
            if not self._allowed(job):
                return
            self._pages_running += 1
        future = pool.submit(self._fetch, job.url, job.kind != PAGE or job.is_start)
        self._running[future] = job

    def _take_finished(self, seconds: float) -> None:
        done, _ = wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            job = self._running.pop(future)
            self._pages_running -= job.kind == PAGE
            self._take(job, future.result())

    def _take(self, job: Job, answer: Answer) -> None:
        if answer.retry and job.attempt <= self._settings.max_retries:
            self._retry(job, answer)
        elif answer.location:
            self._redirect(job, answer)
        elif job.kind == ROBOTS:
            self._take_robots(job, answer)
        elif job.kind == SITEMAP:
            self._take_sitemap(job, answer)
        else:
            self._take_page(job, answer)

    def _report_progress(self) -> None:
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = now
            self._sink.info(f"{self.rows} pages so far, {self._frontier.waiting()} more are known")

    # --- wanting pages --------------------------------------------------------------------

    def _want(self, job: Job) -> None:
        """Queue a page that was not seen before, after its site's robots.txt."""
        if not self._frontier.claim(job.url):
            return
        self._meet(job.url, job.is_start)
        if self._allowed(job):
            self._frontier.put(job)

    def _meet(self, url: str, is_start: bool) -> None:
        """Ask an origin for robots.txt before its first page."""
        name = origin(url)
        if name in self._met:
            return
        self._met.add(name)
        if self._settings.respect_robots or (self._settings.use_sitemap and is_start):
            self._frontier.hold(url)
            self._frontier.put(Job(ROBOTS, f"{name}/robots.txt", owner=name, is_start=is_start))

    def _allowed(self, job: Job) -> bool:
        rules = self._rules.get(origin(job.url))
        if rules is None or not self._settings.respect_robots or rules.allows(job.url):
            return True
        self.skipped["on sites left alone" if rules.blocked else "forbidden by robots.txt"] += 1
        reason = rules.blocked or "forbidden by robots.txt (respect_robots is on)"
        self.problem = f"{job.url}: {reason}"
        if job.is_start and not rules.blocked:  # of that, there was a warning for the whole site
            self._warn(self.problem)
        return False

    # --- what may come of a request --------------------------------------------------------

    def _retry(self, job: Job, answer: Answer) -> None:
        pause = min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** (job.attempt - 1))
        pause *= 0.75 + random() / 2  # noqa: S311 - spreads requests, keeps no secret
        if answer.retry_after is not None:
            pause = max(answer.retry_after, pause if answer.retry_after == 0 else 0.0)
        when = time.monotonic() + pause
        if answer.status in (429, 503):
            self._frontier.calm(job.url, when)
        self._frontier.put_later(job.again(), when)
        self._warn(f"{job.url}: {answer.error}; trying again in {pause:.1f} s")

    def _redirect(self, job: Job, answer: Answer) -> None:
        target = canonical(answer.location, job.url)
        if target is None or job.hops >= MAX_HOPS:
            wrong = f"redirects to {answer.location[:200]!r}, which is no web address"
            answer.error = f"more than {MAX_HOPS} redirects" if target else wrong
            answer.location = ""
            self._take(job, answer)
            return
        if job.kind != PAGE:
            self._frontier.put(job.at(target))
            return
        if job.is_start and self._scope.move_root(job.requested or job.url, target):
            self._sink.info(f"{job.url} leads to {target}; the crawl goes on there")
        if not job.is_start and not self._scope.allows(target):
            self.skipped["redirected out of scope"] += 1
            return
        if not self._frontier.claim(target) and not self._turns_back(job, target):
            self.skipped["redirected to a page already known"] += 1
            return
        self._meet(target, job.is_start)
        self._frontier.put(job.at(target), first=True)

    @staticmethod
    def _turns_back(job: Job, target: str) -> bool:
        """Whether a redirect leads to where its chain was: a cookie may let it pass next time."""
        return target in (job.url, job.requested)

    def _take_robots(self, job: Job, answer: Answer) -> None:
        if answer.error:
            rules = robots.absent(answer.status, answer.error)
            if rules.blocked and self._settings.respect_robots:
                self._warn(f"{job.owner} is left alone: {rules.blocked}")
        else:
            rules = robots.parse(answer.body, answer.content_type, self._settings.user_agent)
        self._rules[job.owner] = rules
        honoured = self._settings.respect_robots
        if honoured and rules.delay and rules.delay > self._settings.delay:
            self._sink.info(f"{job.owner} asks for {rules.delay:g} s between two requests")
        self._frontier.release(f"{job.owner}/", rules.delay if honoured else None)
        if self._settings.use_sitemap and job.is_start:
            for url in rules.sitemaps or [f"{job.owner}/sitemap.xml"]:
                self._want_sitemap(url, f"{job.owner}/robots.txt", 0)

    # --- sitemaps -------------------------------------------------------------------------

    def _want_sitemap(self, address: str, base: str, level: int) -> None:
        url = canonical(address, base)
        if url is None or url in self._sitemaps or level > sitemap.MAX_LEVELS:
            return
        if len(self._sitemaps) < MAX_SITEMAPS:
            self._sitemaps.add(url)
            self._frontier.put(Job(SITEMAP, url, level=level))

    def _take_sitemap(self, job: Job, answer: Answer) -> None:
        if answer.error:
            self.problem = f"sitemap {job.url}: {answer.error}"
            self._warn(self.problem)
            return
        self._read_sitemap(job, answer)

    def _read_sitemap(self, job: Job, answer: Answer) -> None:
        try:
            found = sitemap.parse(answer.body)
        except sitemap.BadSitemap as error:
            self.problem = f"sitemap {job.url}: {error}"
            self._warn(self.problem)
            return
        for address in found.sitemaps:
            self._want_sitemap(address, job.url, job.level + 1)
        wanted = 0
        for address in found.pages:
            url = canonical(address, job.url)
            if url is not None and self._scope.allows(url):
                self._want(Job(PAGE, url, found_on=job.url))
                wanted += 1
        self._sink.info(
            f"sitemap {job.url}: {len(found.pages)} pages, {wanted} of them in scope, "
            f"{len(found.sitemaps)} further sitemaps"
        )

    # --- pages ----------------------------------------------------------------------------

    def _take_page(self, job: Job, answer: Answer) -> None:
        if not answer.error and job.is_start and sitemap.looks_like(answer.body):
            self._read_sitemap(job, answer)
            self.fetched += 1
            return
        row = new_row(job, answer)
        if answer.error:
            self.problem = f"{job.url}: {answer.error}"
            self._warn(self.problem)
        else:
            self.fetched += 1
            if answer.is_page:
                self._fill(row, job, answer)
        self._store(row)

    def _fill(self, row: dict[str, Any], job: Job, answer: Answer) -> None:
        page = self._extract(answer.body, job.url, answer.charset, answer.language)
        row.update(vars(page))
        if job.depth >= self._settings.max_depth:
            return
        for link in page.links:
            if self._scope.allows(link):
                self._want(Job(PAGE, link, depth=job.depth + 1, found_on=job.url))

    def _store(self, row: dict[str, Any]) -> None:
        reason = self._sink.row(row)
        if not reason:
            self.rows += 1
            self._refused_rows = 0
            return
        self.problem = f"the row of {row['url']} was not taken: {reason}"
        self._warn(self.problem)
        self._refused_rows += 1
        if self._refused_rows >= MAX_REFUSED_ROWS:
            self._sink.warn(f"{MAX_REFUSED_ROWS} rows in succession were not taken: stopping")
            self.stop()

    def _warn(self, text: str) -> None:
        """Log a warning; of very many, only the first ones."""
        self._warned += 1
        if self._warned <= MAX_WARNINGS:
            self._sink.warn(text)
        if self._warned == MAX_WARNINGS:
            self._sink.warn("further warnings are not shown; the rows say what failed")
