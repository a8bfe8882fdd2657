"""The crawl: one thread decides, extracts and stores; the others only wait for responses.

Because one thread owns all state there are no locks, and a row is stored before the next page is
processed. Retries, redirects and pauses are jobs with a time, not sleeping threads.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from random import random
from typing import Any, Protocol

from crawler import robots, sitemap
from crawler.charset import plain_text
from crawler.fetch import MIN_TEXT, Answer
from crawler.frontier import PAGE, ROBOTS, SITEMAP, Frontier, Job
from crawler.labels import counted
from crawler.row import new_row
from crawler.scope import Scope
from crawler.settings import ALWAYS, AUTO, Settings
from crawler.urls import canonical, origin

MAX_HOPS = 10
MAX_SITEMAPS = 200
POLL_SECONDS = 0.25  # until a request to stop is noticed
PROGRESS_SECONDS = 10.0
FIRST_BACKOFF = 1.0
MAX_BACKOFF = 30.0
MAX_WARNINGS = 100
MAX_REFUSED_ROWS = 3


class Sink(Protocol):
    """Stores rows and log lines. ``row`` returns why a row was refused, otherwise ""."""

    def row(self, row: dict[str, Any]) -> str: ...

    def info(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


class Crawl:
    """One crawl. ``run`` once; ``stop`` may be called from a signal handler."""

    def __init__(
        self,
        settings: Settings,
        fetch: Callable[[str, bool], Answer],
        fetch_in_browser: Callable[[str, bool, bool], Answer],
        extract: Callable[..., Any],
        sink: Sink,
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._fetch_in_browser = fetch_in_browser
        self._extract = extract
        self._sink = sink
        self._frontier = Frontier(settings.delay)
        self._redirects: dict[str, str] = {}  # the last target of each page that redirects
        self._scope = Scope(settings.stay_on, list(settings.include), list(settings.exclude))
        self._rules: dict[str, robots.Rules] = {}
        self._running: dict[Future[Answer], Job] = {}
        self._pages_running = 0
        self._robots_requested: set[str] = set()  # origins
        self._sitemaps: set[str] = set()
        self._plain: dict[str, tuple[Job, dict[str, Any], list[str]]] = {}  # until rendered
        self._no_browser = ""  # why there is none
        self._stopping = False
        self._refused_rows = 0
        self._last_progress = time.monotonic()
        self.rows = 0
        self.fetched = 0  # pages, and sitemaps as start URLs
        self.failed = 0  # pages
        self._start_sitemaps = 0
        self.skipped: Counter[str] = Counter()
        self.problem = ""  # the last error
        self._warning_count = 0

    def stop(self) -> None:
        """Start no further request; responses that have arrived are still stored."""
        self._stopping = True

    def run(self) -> None:
        """Crawl until nothing is left, the limit is reached, or ``stop`` was called."""
        for url in self._settings.start_urls:
            self._scope.add_root(url)
            self._queue_page(Job(PAGE, url, is_start=True))
        pool = ThreadPoolExecutor(self._settings.max_concurrency, "fetch")
        try:
            while not self._stopping and self._step(pool):
                pass
            self._handle_finished(0)
            for plain in self._plain.values():
                if self._has_room():
                    self._store_plain(*plain, "the crawl ended before")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def summary(self) -> str:
        """The rows and what has become of the pages, in numbers."""
        left = self._frontier.pages() + sum(job.is_new_page for job in self._running.values())
        parts = [
            counted(self.rows, "row"),
            f"{counted(self.fetched - self._start_sitemaps, 'page')} fetched",
            f"{counted(self.failed, 'page')} failed",
            *(f"{counted(number, 'page')} {reason}" for reason, number in self.skipped.items()),
            f"{counted(left, 'page')} left in the queue",
        ]
        return ", ".join(parts)

    @property
    def dropped(self) -> int:
        """The number of addresses that were dropped because there are too many."""
        return self._frontier.dropped

    # --- the loop -------------------------------------------------------------------------

    def _step(self, pool: ThreadPoolExecutor) -> bool:
        """Start jobs that are due, handle responses; return False at the end."""
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
            time.sleep(min(POLL_SECONDS, wake - now))
            return True
        self._handle_finished(self._wait_seconds(now))
        self._report_progress()
        return True

    def _has_room(self) -> bool:
        """Whether one more page may be requested: each becomes at most one row."""
        return self.rows + self._pages_running < self._settings.max_results

    def _wait_seconds(self, now: float) -> float:
        wake = self._frontier.wake_at(now, pages=self._has_room())
        if wake is None or len(self._running) >= self._settings.max_concurrency:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.005, wake - now))

    def _start(self, pool: ThreadPoolExecutor, job: Job) -> None:
        if job.kind == PAGE:
            if not self._allowed(job):
                return
            self._pages_running += 1
        in_browser = job.render or (job.kind == PAGE and self._settings.render == ALWAYS)
        any_type = job.kind != PAGE or job.is_start
        if in_browser:  # which stays at the page that may not lead on
            stay = job.hops >= MAX_HOPS
            future = pool.submit(self._fetch_in_browser, job.url, any_type, stay)
        else:
            future = pool.submit(self._fetch, job.url, any_type)
        self._running[future] = job

    def _handle_finished(self, seconds: float) -> None:
        done, _ = wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            job = self._running.pop(future)
            self._pages_running -= job.kind == PAGE
            self._handle(job, future.result())

    def _handle(self, job: Job, answer: Answer) -> None:
        if answer.no_browser and not self._no_browser:
            self._no_browser = answer.error
            self._warn(f"no page is rendered: {answer.error}")
            if self._settings.render == ALWAYS:
                self.stop()
        if answer.retry and job.attempt <= self._settings.max_retries:
            self._retry(job, answer)
        elif answer.location:
            self._redirect(job, answer)
        elif job.kind == ROBOTS:
            self._handle_robots(job, answer)
        elif job.kind == SITEMAP:
            self._handle_sitemap(job, answer)
        else:
            self._handle_page(job, answer)

    def _report_progress(self) -> None:
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = now
            rows, pages = counted(self.rows, "row"), counted(self._frontier.pages(), "page")
            self._sink.info(f"{rows} so far, {pages} in the queue")

    # --- queueing pages -------------------------------------------------------------------

    def _queue_page(self, job: Job) -> None:
        """Queue a new page, after its site's robots.txt."""
        if not self._frontier.claim(job.url):
            return
        self._request_robots(job.url, job.is_start)
        if self._allowed(job):
            self._frontier.put(job)

    def _request_robots(self, url: str, is_start: bool) -> None:
        """Request the robots.txt of an origin before its first page."""
        name = origin(url)
        if name in self._robots_requested:
            return
        self._robots_requested.add(name)
        if self._settings.respect_robots or (self._settings.use_sitemap and is_start):
            self._frontier.pause_pages(url)
            self._frontier.put(Job(ROBOTS, f"{name}/robots.txt", owner=name, is_start=is_start))

    def _allowed(self, job: Job) -> bool:
        rules = self._rules.get(origin(job.url))
        if rules is None or not self._settings.respect_robots or rules.allows(job.url):
            return True
        cause = "on sites without a readable" if rules.blocked else "forbidden by"
        self.skipped[f"{cause} robots.txt"] += 1
        reason = rules.blocked or "forbidden by robots.txt (respect_robots is on)"
        self.problem = f"{job.url}: {reason}"
        if job.is_start and not rules.blocked:  # a blocked site has had a warning
            self._warn(self.problem)
        return False

    # --- responses -------------------------------------------------------------------------

    def _retry(self, job: Job, answer: Answer) -> None:
        pause = min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** (job.attempt - 1))
        pause *= 0.75 + random() / 2  # noqa: S311 - spreads requests
        if answer.retry_after is not None:
            pause = max(answer.retry_after, pause if answer.retry_after == 0 else 0.0)
        when = time.monotonic() + pause
        if answer.status in (429, 503):
            self._frontier.pause_site(job.url, when)
        self._frontier.put_later(job.retry(), when)
        self._warn(f"{job.url}: {answer.error}; retry in {pause:.1f} s")

    def _redirect(self, job: Job, answer: Answer) -> None:
        target = canonical(answer.location, job.url)
        if target is None or job.hops >= MAX_HOPS:
            message = f"redirects to {answer.location[:200]!r}, which is not a web address"
            answer.error = _too_many(job, target) if target else message
            answer.location = ""
            self._handle(job, answer)
            return
        self._plain.pop(job.url, None)
        if job.kind != PAGE:
            self._frontier.put(job.redirected_to(target))
            return
        if job.is_start and self._scope.move_root(job.requested, target):
            self._sink.info(f"{job.url} redirects to {target}; the crawl continues there")
        if not job.is_start and not self._scope.allows(target):
            self.skipped["redirected out of scope"] += 1
            return
        self._redirects[job.url] = target
        if not self._frontier.claim(target) and not self._returns_to_chain(job, target):
            self.skipped["redirected to a page already known"] += 1
            return
        self._request_robots(target, job.is_start)
        self._frontier.put(job.redirected_to(target), first=True)

    def _returns_to_chain(self, job: Job, target: str) -> bool:
        """Whether a redirect leads back into its chain, where a cookie may change the response.

        It may do so over pages that were dropped because they redirect to one of the chain. Without
        it no page of a loop would have a row.
        """
        chain, seen = {*job.chain, job.url}, set[str]()
        while target not in chain:
            if target in seen or target not in self._redirects:
                return False
            seen.add(target)
            target = self._redirects[target]
        return True

    def _handle_robots(self, job: Job, answer: Answer) -> None:
        if answer.error:
            rules = robots.absent(answer.status, answer.error)
            if rules.blocked and self._settings.respect_robots:
                self._warn(f"no page of {job.owner} is fetched: {rules.blocked}")
        else:
            rules = robots.parse(answer.body, answer.content_type, self._settings.user_agent)
        self._rules[job.owner] = rules
        respected = self._settings.respect_robots
        if respected and rules.delay and rules.delay > self._settings.delay:
            self._sink.info(f"{job.owner} requires {rules.delay:g} s between two requests")
        self._frontier.resume_pages(f"{job.owner}/", rules.delay if respected else None)
        if self._settings.use_sitemap and job.is_start:
            for url in rules.sitemaps or [f"{job.owner}/sitemap.xml"]:
                self._queue_sitemap(url, f"{job.owner}/robots.txt", 0)

    # --- sitemaps -------------------------------------------------------------------------

    def _queue_sitemap(self, address: str, base: str, level: int) -> None:
        url = canonical(address, base)
        if url is None or url in self._sitemaps or level > sitemap.MAX_LEVELS:
            return
        if len(self._sitemaps) < MAX_SITEMAPS:
            self._sitemaps.add(url)
            self._frontier.put(Job(SITEMAP, url, level=level))

    def _handle_sitemap(self, job: Job, answer: Answer) -> None:
        if answer.error:
            self.problem = f"sitemap {job.url}: {answer.error}"
            self._warn(self.problem)
            return
        self._read_sitemap(job, answer)

    def _read_sitemap(self, job: Job, answer: Answer) -> None:
        try:
            entries = sitemap.parse(answer.body)
        except sitemap.BadSitemap as error:
            self.problem = f"sitemap {job.url}: {error}"
            self._warn(self.problem)
            return
        for address in entries.sitemaps:
            self._queue_sitemap(address, job.url, job.level + 1)
        in_scope = 0
        for address in entries.pages:
            url = canonical(address, job.url)
            if url is not None and self._scope.allows(url):
                self._queue_page(Job(PAGE, url, found_on=job.url))
                in_scope += 1
        self._sink.info(
            f"sitemap {job.url}: {counted(len(entries.pages), 'page')}, {in_scope} in scope, "
            f"{counted(len(entries.sitemaps), 'further sitemap')}"
        )

    # --- pages ----------------------------------------------------------------------------

    def _handle_page(self, job: Job, answer: Answer) -> None:
        if job.render:
            plain = self._plain.pop(job.url)
            if answer.error:
                self._store_plain(*plain, answer.error)
                return
        if not answer.error and job.is_start and sitemap.looks_like(answer.body):
            self._read_sitemap(job, answer)
            self.fetched += 1
            self._start_sitemaps += 1
            return
        row = new_row(job, answer)
        if answer.error:
            self.problem = f"{job.url}: {answer.error}"
            self._warn(self.problem)
        elif answer.is_page:
            page = self._extract(answer.body, job.url, answer.charset, answer.language)
            columns = dict(vars(page))
            refresh = columns.pop("refresh")
            leads_on = refresh not in (None, job.url) and job.hops < MAX_HOPS
            if leads_on and len(page.text) < MIN_TEXT:
                answer.location = refresh
                self._redirect(job, answer)
                return
            row.update(columns)
            if self._needs_browser(job, answer, page.text):
                self._render(job, row, page.links)
                return
            self._follow(job, page.links)
        elif answer.is_plain:
            row["text"] = row["markdown"] = plain_text(answer.body, answer.charset)
        self.fetched += not answer.error
        self.failed += bool(answer.error)
        self._store(row)

    def _render(self, job: Job, row: dict[str, Any], links: list[str]) -> None:
        """Fetch the page again with the browser, if there is one."""
        if self._no_browser:
            self._store_plain(job, row, links, self._no_browser)
            return
        self._plain[job.url] = (job, row, links)
        self._frontier.put(job.in_browser(), first=True)

    def _needs_browser(self, job: Job, answer: Answer, text: str) -> bool:
        if self._settings.render != AUTO or job.render:
            return False
        from crawler.browser import needs_browser

        return needs_browser(answer.body, text)

    def _store_plain(self, job: Job, row: dict[str, Any], links: list[str], reason: str) -> None:
        """Store the page as it is without its scripts."""
        row["error"] = f"not rendered: {reason}"
        if not self._no_browser:
            self._warn(f"{job.url}: {row['error']}")
        self.fetched += 1
        self._follow(job, links)
        self._store(row)

    def _follow(self, job: Job, links: list[str]) -> None:
        if job.depth >= self._settings.max_depth:
            return
        for link in links:
            if self._scope.allows(link):
                self._queue_page(Job(PAGE, link, depth=job.depth + 1, found_on=job.url))

    def _store(self, row: dict[str, Any]) -> None:
        reason = self._sink.row(row)
        if not reason:
            self.rows += 1
            self._refused_rows = 0
            return
        self.problem = f"the row of {row['url']} was refused: {reason}"
        self._warn(self.problem)
        self._refused_rows += 1
        if self._refused_rows >= MAX_REFUSED_ROWS:
            self._sink.warn(f"{MAX_REFUSED_ROWS} consecutive rows were refused: stopping")
            self.stop()

    def _warn(self, text: str) -> None:
        """Log a warning, up to ``MAX_WARNINGS``."""
        self._warning_count += 1
        if self._warning_count <= MAX_WARNINGS:
            self._sink.warn(text)
        if self._warning_count == MAX_WARNINGS:
            self._sink.warn("further warnings are not logged; the rows contain the errors")


def _too_many(job: Job, target: str) -> str:
    """The error of a redirect beyond ``MAX_HOPS``, with the loop to which it belongs."""
    text = f"more than {MAX_HOPS} redirects"
    path = [*job.chain, job.url]
    if target not in path:
        return text
    loop = set(path[len(path) - 1 - path[::-1].index(target) :])
    return f"{text}, in a loop: " + ", ".join(u[:200] for u in dict.fromkeys(path) if u in loop)
