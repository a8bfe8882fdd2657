"""Seed data for the lists, the queue and the usage pages: past days, charges, queued starts."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from fyke.domain.billing.days import day_number, local_day
from fyke.domain.runs.service import StartRequest
from fyke.model.billing import UsageKey, UsageSums
from fyke.model.run import Origin
from support.app import App

DAYS = 60


async def seed_lists(app: App, worker_id: str, slow_id: str) -> dict[str, str]:
    """Add the data, also of a slow Worker; return addresses of pages with filters and of parts of
    pages.
    """
    await app.services.accounts.credit(app.owner, "owner", Decimal("25"), Decimal(5000))
    await app.storage.write(lambda tx: _past(tx, app.owner.account_id, worker_id, slow_id))
    for n in range(3):
        custom = {"urls": [{"url": f"https://example.org/{n}"}], "max_results": 10 * n}
        parameters = {"parameters": {"system": {}, "custom": custom}}
        await app.services.queue.enqueue(
            app.owner, StartRequest(worker_id, None, parameters, "", Origin.API_V2)
        )
    return {
        "/overview/{card}": "/overview/day",
        "runs, filtered": "/runs?state=failed&error=exit+code&col=origin&col=version&col=finished",
        "runs, none": "/runs?error=nothing+like+it",
        "runs, wrong": "/runs?run=OOO&from=soon",
        "usage, months": "/usage?from=2026-01-01&until=2026-12-31&by=month&show=results&part=task",
        "usage, too long": "/usage?from=2024-01-01&until=2026-01-01",
        "ledger, all": "/usage/ledger?holds=1",
    }


def _past(tx: Any, account_id: str, worker_id: str, slow_id: str) -> None:
    today = local_day(tx.now, "UTC")
    for back in range(1, DAYS):
        runs = 4 + back * 7 % 11
        sums = UsageSums(
            runs=runs,
            failed=back % 3,
            results=runs * 37,
            usage_micros=runs * 12_300,
            traffic_bytes=runs * 1_700_000,
            run_ms=runs * 95_000,
        )
        day = day_number(today - timedelta(days=back))
        tx.usage.add(UsageKey(account_id, day, worker_id), sums)
        week = back // 7
        slow = UsageSums(runs=2, results=90, run_ms=(700_000 if week else 1_900_000))
        tx.usage.add(UsageKey(account_id, day, slow_id), slow)
