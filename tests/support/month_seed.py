"""An account after a month of use, for the pictures of the documentation: ``script/pictures``.

Everything happens at its own time, so the process needs a clock that can be moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fyke.contracts.state import Transaction
from fyke.domain.alerts.monitor import AlertMonitor
from fyke.domain.alerts.rules import RuleFields
from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.service import StartRequest
from fyke.domain.schedules.editing import ScheduleEdit, change_schedule
from fyke.domain.schedules.rules import OWN_NAMES
from fyke.domain.workers.page import PageChange
from fyke.model.alert import AlertFilter
from fyke.model.attempt import AttemptReport, SiteTraffic
from fyke.model.log import LogType, NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.run import SUCCESS, Origin, UsageSample
from fyke.model.runner import AttemptUsage, Lease
from fyke.model.schedule import ScheduleKind
from fyke.model.worker import EnvironmentState, VersionEnvironment
from fyke.reasons import Reason, ReasonCode
from support.app import App
from support.projects import python_project

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DAYS = 30  # before the moment of the pictures

FORBIDDEN = "httpx.HTTPStatusError: Client error '403 Forbidden' for url '{}'"
TRACEBACK = """\
Traceback (most recent call last):
  File "main.py", line 58, in <module>
    main()
  File "main.py", line 41, in main
    page = fetch(client, address)
  File "main.py", line 23, in fetch
    answer.raise_for_status()
{}"""

MAIN = '''\
"""Reads catalogues page by page."""

from sdk import CoreSDK


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    for start in task["urls"]:
        for page in pages(start["url"]):
            for row in rows(page):
                CoreSDK.Result.push_data(row)


main()
'''
CHANGELOG = """\
# Changes

## 1.0.4

- Reads whether a book is in stock.

## 1.0.3

- Tries a page that fails again, after 8 seconds.

## 1.0.2

- Prices are numbers.
"""
VERSIONS = {  # published before the run of this number
    6: MAIN.replace("rows(page)", "rows(page, as_numbers=True)"),
    17: MAIN.replace("rows(page)", "rows(page, as_numbers=True)").replace("pages(", "patiently("),
    26: MAIN.replace("rows(page)", "rows(page, as_numbers=True, stock=True)"),
}

FIRST = (
    "The Quiet",
    "A Winter",
    "The Last",
    "Salt and",
    "Under the",
    "Seven",
    "The Paper",
    "Notes on",
)
SECOND = ("Harbour", "Orchard", "Lantern", "Atlas", "Garden", "Bridges", "Cartographer", "Rain")
SUBJECTS = ("Fiction", "Travel", "History", "Poetry", "Science")
PLACES = ("Vienna", "Lisbon", "Ghent", "Kraków", "Turin", "remote")
JOBS = ("Data engineer", "Nurse", "Carpenter", "Backend developer", "Archivist", "Cook")


class MovableClock(Protocol):
    now_ms: int


@dataclass(frozen=True, slots=True)
class Kind:
    """A Worker of the account and the runs that it has had."""

    name: str
    title: str
    description: str
    site: str
    columns: Sequence[tuple[str, str, str]]  # name, type, description
    every_ms: int
    count: int  # runs until now
    last_ms: int  # since the latest run
    rows: int  # in a usual run
    seconds: int  # of a usual run
    failed: frozenset[int] = frozenset()  # numbers of the runs that were refused by the site
    slow: frozenset[int] = frozenset()  # that ran into their time limit
    empty: frozenset[int] = frozenset()

    def starts(self, now_ms: int) -> Iterator[tuple[int, Kind, int]]:
        """Time, this, and number of each run."""
        for number in range(self.count):
            back = self.last_ms + (self.count - 1 - number) * self.every_ms
            yield now_ms - back, self, number


BOOKS = Kind(
    "book-prices",
    "Book prices",
    "Title, price, stock and rating of every book in the catalogues you name.",
    "books.example",
    (
        ("title", "string", "Title"),
        ("price", "number", "Price"),
        ("in_stock", "boolean", "In stock"),
        ("rating", "integer", "Rating"),
        ("subject", "string", "Subject"),
        ("url", "string", "Address"),
    ),
    every_ms=DAY,
    count=29,
    last_ms=90 * MINUTE,
    rows=320,
    seconds=74,
    slow=frozenset({11}),
    empty=frozenset({19}),
)
ADVERTS = Kind(
    "job-adverts",
    "Job adverts",
    "Open positions with place, pay and date, once a day.",
    "jobs.example",
    (
        ("job", "string", "Job"),
        ("place", "string", "Place"),
        ("pay", "number", "Pay"),
        ("url", "string", "Address"),
    ),
    every_ms=12 * HOUR,
    count=40,
    last_ms=42 * MINUTE,
    rows=180,
    seconds=51,
    failed=frozenset({14, 15, 39}),
)
REVIEWS = Kind(
    "shop-reviews",
    "Shop reviews",
    "What buyers write about a product, with stars and date.",
    "shop.example",
    (("stars", "integer", "Stars"), ("text", "string", "Text"), ("url", "string", "Address")),
    every_ms=20 * HOUR,
    count=24,
    last_ms=5 * HOUR,
    rows=90,
    seconds=128,
    slow=frozenset({6}),
)
HEADLINES = Kind(
    "news-headlines",
    "News headlines",
    "New articles of the sites you name, every three hours.",
    "news.example",
    (("headline", "string", "Headline"), ("seen", "string", "Seen"), ("url", "string", "Address")),
    every_ms=3 * HOUR,
    count=48,
    last_ms=2 * HOUR,
    rows=45,
    seconds=12,
    failed=frozenset({31}),
)
KINDS = (BOOKS, ADVERTS, REVIEWS, HEADLINES)
TASKS = {
    BOOKS: ("Prices every morning", ScheduleEdit(True, ScheduleKind.DAILY, "07:30")),
    ADVERTS: ("New positions", ScheduleEdit(True, ScheduleKind.CRON, cron="15 8,20 * * *")),
    HEADLINES: ("Headlines", ScheduleEdit(True, ScheduleKind.INTERVAL, every_s=3 * 3600)),
}


@dataclass(slots=True)
class Month:
    """The account while it is filled."""

    app: App
    clock: MovableClock
    workers: dict[str, str] = field(default_factory=dict)  # ids by name
    tasks: dict[str, str] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)  # the latest run of each Worker
    ended: dict[str, str] = field(default_factory=dict)  # the latest that has ended

    async def publish(self, kind: Kind, main: str = MAIN, **files: str) -> None:
        columns = [dict(zip(("name", "type", "description"), c, strict=True)) for c in kind.columns]
        schema = {
            "description": kind.description,
            "properties": [
                {
                    "name": "urls",
                    "title": "Pages to start at",
                    "type": "array",
                    "editor": "requestList",
                    "required": True,
                    "default": [{"url": f"https://{kind.site}/"}],
                },
                {
                    "name": "max_results",
                    "title": "Rows at most",
                    "type": "integer",
                    "editor": "number",
                    "default": 500,
                },
            ],
        }
        project = python_project(main, schema=schema, output=columns, **files)
        worker, version, _ = await self.app.services.workers.publish(
            self.app.owner, project, name=kind.name, title=kind.title, public=True
        )
        ready = VersionEnvironment(version.id, EnvironmentState.READY)
        await self.app.storage.write(lambda tx: tx.environments.put(ready))
        self.workers[kind.name] = worker.id
        page = PageChange(title=kind.title, description=kind.description)
        await self.app.services.workers.change_page(self.app.owner, worker.id, page)

    async def start(self, kind: Kind) -> tuple[str, Lease]:
        runs, owner = self.app.services.runs, self.app.owner
        task = self.tasks.get(kind.name)
        if task:
            run = await runs.start_task(owner, task, "", Origin.SCHEDULE)
        else:
            run = await runs.start(
                owner, StartRequest(self.workers[kind.name], None, _input(kind), "", Origin.WEB)
            )
        self.latest[kind.name] = run.id
        [lease] = [lease for lease in await self.app.begin() if lease.run.id == run.id]
        return run.id, lease

    async def execute(self, kind: Kind, number: int) -> None:
        """One run from its start to its end."""
        run, lease = await self.start(kind)
        count = kind.rows + number * 7 % 23 - 11
        seconds = kind.seconds + number * 5 % 17 - 8
        if number in kind.failed:
            count, seconds = count // 3, seconds // 2
        elif number in kind.slow:
            count, seconds = count * 2 // 3, 300
        elif number in kind.empty:
            count = 0
        began = self.clock.now_ms
        await self.app.push(lease, [row(kind, n) for n in range(count)])
        await self._log(lease, kind, count, began, seconds, number in kind.failed)
        usage = AttemptUsage(
            traffic_bytes=210_000 * kind.seconds + 9_000 * count,
            cpu_ms=seconds * 240,
            memory_peak_bytes=148 * 2**20,
            rows=count,
            busy_ms=seconds * 1000,
        )
        report = AttemptReport(lease.attempt.key, usage, _sites(kind, count, number))
        await self.app.attempts.report([report], MINUTE)
        samples = list(_samples(run, began, seconds, count, usage.traffic_bytes))
        await self.app.storage.write(lambda tx: tx.samples.add(samples))
        self.clock.now_ms += seconds * 1000
        end = SUCCESS
        if number in kind.failed:
            words = FORBIDDEN.format(_page(kind, count))
            end = end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words=words))
        elif number in kind.slow:
            end = end_of(Reason.of(ReasonCode.TIMEOUT, seconds=300))
        await self.app.end(lease, end.outcome, end.message, end.reason, usage)
        self.ended[kind.name] = run
        await AlertMonitor(self.app.storage, self.app.results).process_pending()

    async def _log(
        self, lease: Lease, kind: Kind, count: int, began: int, seconds: int, failed: bool
    ) -> None:
        number, pages = lease.attempt.number, max(1, count // 20)
        lines = [
            NewLogEntry(
                LogType.INFO,
                number,
                f"page {n + 1}: {min(20, count)} rows from {_page(kind, n * 20)}",
                began + seconds * 1000 * n // pages,
            )
            for n in range(pages)
        ]
        if failed:
            words = FORBIDDEN.format(_page(kind, count))
            at = began + seconds * 1000
            lines.append(NewLogEntry(LogType.WARN, number, "403, trying again in 8 s", at - 8000))
            lines.append(NewLogEntry(LogType.ERROR, number, TRACEBACK.format(words), at))
        await self.app.results.commit([AttemptBatch(lease.run.id, lease.attempt.id, log=lines)])


async def seed_month(app: App, clock: MovableClock, now: int) -> dict[str, str]:
    """Fill the owner's account from what the clock shows, ``DAYS`` before ``now``, until ``now``;
    return the addresses of pages.
    """
    month = Month(app, clock)
    await app.register_runner()
    for kind in KINDS:
        await month.publish(kind)
    await _tasks(month)
    await app.services.alerts.add_rule(app.owner, RuleFields("A run has failed", "failed"))
    few = RuleFields("Half of the books", "fewer_rows", worker="owner/book-prices", factor=0.5)
    await app.services.alerts.add_rule(app.owner, few)
    events = sorted(
        (event for kind in KINDS for event in kind.starts(now)), key=lambda event: event[0]
    )
    for at, kind, number in events:
        clock.now_ms = max(at, clock.now_ms)
        if kind is BOOKS and number in VERSIONS:
            await month.publish(kind, VERSIONS[number], **{"CHANGELOG.md": CHANGELOG})
        await month.execute(kind, number)
    for kind, back, rows_now in ((BOOKS, 38_000, 164), (REVIEWS, 21_000, 15)):
        clock.now_ms = now - back
        _, lease = await month.start(kind)
        await app.push(lease, [row(kind, n) for n in range(rows_now)])
    clock.now_ms = now
    await _schedule(month)
    await app.register_runner()
    _, alerts = await app.services.alerts.page(app.owner, AlertFilter(), offset=0, limit=50)
    await app.services.alerts.mark_read(app.owner, [alert.id for alert in alerts[2:]])
    books = "/w/owner/book-prices"
    return {
        "running": f"/runs/{month.latest[BOOKS.name]}",
        "output": f"/runs/{month.ended[BOOKS.name]}",
        "failed": f"/runs/{month.latest[ADVERTS.name]}",
        "versions": f"{books}/versions",
        "promote": f"{books}/versions/v1.0.3/promote",
        "trends": f"{books}/trends",
        "form": books,
    }


async def _tasks(month: Month) -> None:
    for kind, (title, _) in TASKS.items():
        task = await month.app.services.tasks.create(
            month.app.owner, month.workers[kind.name], title, _input(kind), None
        )
        month.tasks[kind.name] = task.id


async def _schedule(month: Month) -> None:
    """Add the schedules at the end: with a clock that leaps they would have missed every time."""

    def work(tx: Transaction) -> None:
        for kind, (_, schedule) in TASKS.items():
            task = tx.tasks.get(month.tasks[kind.name])
            change_schedule(tx, task, schedule, OWN_NAMES)

    await month.app.storage.write(work)


def _input(kind: Kind) -> dict[str, Any]:
    custom = {"urls": [{"url": f"https://{kind.site}/"}], "max_results": 500}
    return {"parameters": {"system": {}, "custom": custom}}


def _page(kind: Kind, first_row: int) -> str:
    return f"https://{kind.site}/page/{first_row // 20 + 1}"


def row(kind: Kind, n: int) -> dict[str, Any]:
    """Row ``n`` of a run, with a value for each column."""
    values = {
        "title": f"{FIRST[n * 3 % 8]} {SECOND[(n * 5 + n // 8) % 8]}",
        "price": round(7.5 + n * 37 % 43 + n * 29 % 100 / 100, 2),
        "in_stock": n % 6 != 4,
        "rating": 1 + n * 7 % 5,
        "subject": SUBJECTS[n * 3 % 5],
        "job": JOBS[n * 5 % 6],
        "place": PLACES[n * 7 % 6],
        "pay": 2_400 + n * 13 % 38 * 50,
        "stars": 1 + n * 3 % 5,
        "text": "Does what it says, and arrived in two days.",
        "headline": f"{SECOND[n % 8]} festival opens in {PLACES[n % 5]}",
        "seen": "2026-11-16",
        "url": f"https://{kind.site}/{n + 1}",
    }
    return {name: values[name] for name, _, _ in kind.columns}


def _sites(kind: Kind, rows: int, number: int) -> tuple[SiteTraffic, ...]:
    pages = rows // 20 + 1
    return (
        SiteTraffic(kind.site, pages, pages * 900, pages * 61_000 + number * 2_000),
        SiteTraffic(f"static.{kind.site}", pages // 3, pages * 300, pages * 140_000),
    )


def _samples(run: str, began: int, seconds: int, rows: int, traffic: int) -> Iterator[UsageSample]:
    for second in range(0, seconds, max(1, seconds // 60)):
        share = second / seconds
        memory = 96 + 44 * share + second % 7 * 3
        yield UsageSample(
            run,
            began + second * 1000,
            int(second * 220 + second % 5 * 60),
            int(memory * 2**20),
            int(traffic * share),
            int(rows * share),
        )
