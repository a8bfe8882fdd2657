"""Seed data for the pages of one run: content on each of its tabs."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Transaction
from fyke.domain.runs.service import StartRequest
from fyke.model.attempt import AttemptReport, SiteTraffic
from fyke.model.browser import BrowserActivity, BrowserReport, ConsoleLevel, ConsoleLine
from fyke.model.last_page import LastPage, PageContent, PageFile, PageFileKind, PageGap
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.run import Origin, UsageSample
from fyke.model.runner import AttemptUsage
from fyke.model.usage_marks import MarkKind, UsageMark
from support.app import App

SITE = "https://example.org"
JPEG = (  # one pixel
    bytes.fromhex("ffd8ffe000104a46494600010101004800480000ffdb004300")
    + b"\xff" * 64
    + bytes.fromhex("ffc2000b080001000101011100ffc4001410010000000000000000000000")
    + bytes.fromhex("0000000000ffda0008010100013f10")
)
COLOURED = "\x1b[32mok\x1b[0m fetched \x1b[1m{0}\x1b[0m of {1}/page/{0} in \x1b[36m{2} ms\x1b[0m"

BROWSER_USAGE = AttemptUsage(
    traffic_bytes=2048,
    busy_ms=97_000,
    browser_ms=96_000,
    browser_cpu_ms=31_000,
    browser_memory_peak_bytes=390 * 2**20,
    browser_version="headless-shell 156.0.8078.108",
)


@dataclass(frozen=True, slots=True)
class RichRun:
    """The run and the token of a link to it."""

    run: str
    token: str

    def addresses(self, by_state: dict[str, str]) -> dict[str, str]:
        """An address for each page's path, and for each state of a run."""
        tabs = ["log", "input", "usage", "traffic", "browser", "subtasks", "events", "export"]
        return {
            "/runs/{id}": f"/runs/{self.run}",
            "/runs/{id}/rows/{position}": f"/runs/{self.run}/rows/3",
            "/runs/{id}/log/{position}": f"/runs/{self.run}/log/3",
            "/runs/{id}/export/file": f"/runs/{self.run}/export/file?format=doc",
            "/shared/{token:path}": f"/shared/{self.token}",
            "shared: a link that does not work": "/shared/none",
            **{f"/runs/{{id}}/{tab}": f"/runs/{self.run}/{tab}" for tab in [*tabs, "share"]},
            **{f"state {name}": f"/runs/{run}" for name, run in by_state.items()},
        }


async def seed_run(app: App, worker_id: str) -> RichRun:
    """Execute a run with two subtasks, and share it."""
    custom = {"urls": [{"url": f"{SITE}/shop"}, {"url": f"{SITE}/books"}], "max_results": 40}
    body = {"parameters": {"system": {"max_total_charge": 1}, "custom": custom}}
    request = StartRequest(worker_id, None, body, "https://hooks.example/told", Origin.API_V2)
    run = await app.services.runs.start(app.owner, request)
    first, second = [one for one in await app.begin() if one.run.id == run.id]
    rows = [
        {
            "title": f"A thing with a rather long name, number {n}",
            "url": f"{SITE}/things/{n}?ref=list",
            "price": round(3.5 * n + 0.99, 2),
            "in_stock": n % 4 > 0,
            "tags": ["new", "sale"] if n % 3 else [],
            "seller": {"name": f"Shop {n % 5}", "rating": n % 6},
            "description": "Soft, warm and made to last. " * (n % 9 + 1),
            "seen": None,
            "sku": f"SKU-{n:05d}",
            "stock": n * 7,
        }
        for n in range(1, 131)
    ]
    await app.attempts.reserve_browser(first.attempt.key, first.attempt.runner_id, 1.0, 1024)
    await app.push(first, rows)
    number = first.attempt.number
    lines = [
        NewLogEntry(2, number, COLOURED.format(n, SITE, n * 37 % 400), 1_763_000_000_000 + n * 731)
        for n in range(1, 90)
    ]
    lines[40] = NewLogEntry(
        3, number, f"slow answer, see {SITE}/status (retried)", lines[40].timestamp
    )
    lines[70] = NewLogEntry(
        4, number, "\x1b[31mHTTP 503\x1b[0m from the shop; gave up", lines[70].timestamp
    )
    lines[2] = NewLogEntry(1, number, "x" * 5000, lines[2].timestamp)
    await app.results.commit([AttemptBatch(run.id, first.attempt.id, log=lines)])
    for lease in (first, second):
        report = AttemptReport(lease.attempt.key, BROWSER_USAGE, _sites(), _browser(), _marks())
        await app.attempts.report([report], 60_000)
        await app.end(lease, usage=BROWSER_USAGE)
    page = _last_page()
    await app.services.last_pages.put(second.attempt.id, page)

    def add(tx: Transaction) -> None:
        tx.last_pages.add(second.attempt.id, run.id, page.page, tx.now)
        tx.samples.add(_curve(run.id, tx.now))

    await app.storage.write(add)
    _, token = await app.services.shares.create(app.owner, run.id, days=7, rows=True, log=True)
    return RichRun(run.id, token)


def _sites() -> tuple[SiteTraffic, ...]:
    """Sites that answered, one with failures, and some that were refused."""
    return (
        SiteTraffic(
            "example.org", 40, 52_000, 9_400_000, statuses={"200": 24, "301": 4, "403": 9, "429": 3}
        ),
        SiteTraffic(
            "images.cdn-with-a-rather-long-name.example.org", 7, 9_000, 62_000_000, unseen=7
        ),
        SiteTraffic("slow.example.org", 2, 900, 0, 3, statuses={"503": 1}),
        SiteTraffic("tracker.example", refused=12),
        SiteTraffic("10.0.0.7", refused=1),
    )


def _marks() -> tuple[UsageMark, ...]:
    """A mark of each kind."""
    return (
        UsageMark(MarkKind.CPU_LIMIT, 5_000, 35_000, 12_400),
        UsageMark(MarkKind.FORBIDDEN, 40_000, 45_000, 9),
        UsageMark(MarkKind.TOO_MANY, 60_000, 85_000, 3),
        UsageMark(MarkKind.MEMORY_HIGH, 95_000, 100_000, 148 * 2**20),
    )


def _browser() -> BrowserReport:
    """A browser that has opened pages of several kinds, and what their scripts wrote."""
    at = 1_763_000_000_000
    lines = (
        ConsoleLine(at, ConsoleLevel.INFO, "cart: 3 things", f"{SITE}/app.js:12"),
        ConsoleLine(at + 900, ConsoleLevel.WARNING, "Slow answer " * 20, f"{SITE}/app.js:80"),
        ConsoleLine(at + 2000, ConsoleLevel.ERROR, "TypeError: price is undefined"),
    )
    activity = BrowserActivity(
        requests={"document": 14, "script": 61, "image": 240, "xhr": 33, "font": 6},
        received={"document": 890_000, "script": 7_400_000, "image": 61_000_000, "xhr": 210_000},
        statuses={"2xx": 338, "3xx": 9, "4xx": 4, "5xx": 1, "failed": 2},
        console={"info": 1, "warning": 1, "error": 1},
        pages=14,
        crashes=1,
        urls=(
            f"{SITE}/shop",
            f"{SITE}/things/17?ref=list&colour=a-rather-long-value-in-an-address",
        ),
        lines=lines,
    )
    return BrowserReport(activity, starts=2, is_open=False, own_sandbox=True)


def _last_page() -> PageContent:
    """What is kept of a page whose HTML was too large."""
    files = {
        PageFileKind.SCREENSHOT: JPEG,
        PageFileKind.HAR: b'{"log":{"entries":[]}}',
        PageFileKind.CONSOLE: b"2026-11-29T09:00:00.000+00:00 error price is undefined\n",
    }
    page = LastPage(
        1_763_000_002_000,
        f"{SITE}/things/17?ref=list&colour=a-rather-long-value-in-an-address",
        "A thing with a rather long name, number 17 - Shop",
        tuple(PageFile(kind, len(data), kind is PageFileKind.HAR) for kind, data in files.items()),
        {PageFileKind.HTML: PageGap.TOO_LARGE},
    )
    return PageContent(page, files)


def _curve(run_id: str, now: int) -> list[UsageSample]:
    """Two minutes of changing usage."""
    return [
        UsageSample(
            run_id,
            now + n * 1000,
            n * 600 + (n % 7) * 120,
            (60 + n % 23 * 4) * 2**20,
            n * n * 9_000,
            n + n // 3,
            browser_memory_bytes=(110 + n % 31 * 9) * 2**20 if n > 15 else 0,
        )
        for n in range(120)
    ]
