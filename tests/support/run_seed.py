"""Seed data for the pages of one run: content on each of its tabs."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.egress import SiteTraffic
from fyke.domain.runs.attempts import AttemptReport
from fyke.domain.runs.service import StartRequest
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.run import Origin, UsageSample
from fyke.model.runner import AttemptUsage
from support.app import App

SITE = "https://example.org"
COLOURED = "\x1b[32mok\x1b[0m fetched \x1b[1m{0}\x1b[0m of {1}/page/{0} in \x1b[36m{2} ms\x1b[0m"


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
            "/shared/{token}": f"/shared/{self.token}",
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
        await app.attempts.report([AttemptReport(lease.attempt, AttemptUsage(), _sites())], 60_000)
        await app.end(lease)
    await app.storage.write(lambda tx: tx.samples.add(_curve(run.id, tx.now)))
    _, token = await app.services.shares.create(app.owner, run.id, days=7, rows=True, log=True)
    return RichRun(run.id, token)


def _sites() -> tuple[SiteTraffic, ...]:
    """Sites that answered, one with failures, and some that were refused."""
    return (
        SiteTraffic("example.org", requests=40, bytes_up=52_000, bytes_down=9_400_000),
        SiteTraffic("images.cdn-with-a-rather-long-name.example.org", 7, 9_000, 62_000_000),
        SiteTraffic("slow.example.org", requests=1, bytes_up=900, failures=3),
        SiteTraffic("tracker.example", refused=12),
        SiteTraffic("10.0.0.7", refused=1),
    )


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
        )
        for n in range(120)
    ]
