"""An active run with many log lines and rows."""

from __future__ import annotations

from fyke.domain.runs.service import StartRequest
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, PushedRow
from fyke.model.run import Origin
from fyke.model.runner import Lease
from support.app import App

BATCH = 20_000


async def begin_run(app: App) -> Lease:
    worker = await app.publish()
    body = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}
    await app.services.runs.start(app.owner, StartRequest(worker.id, None, body, "", Origin.WEB))
    [lease] = await app.begin()
    return lease


async def grow(app: App, lease: Lease, lines: int, rows: int) -> None:
    """Add log lines, of which every 500th is an error, and rows."""
    attempt = lease.attempt
    for begin in range(0, max(lines, rows), BATCH):
        log = [
            NewLogEntry(
                2 if n % 500 else 4, attempt.number, f"GET https://example.org/p/{n} in {n} ms", n
            )
            for n in range(begin, min(begin + BATCH, lines))
        ]
        pushed = [
            PushedRow(b'{"n":%d,"url":"https://example.org/p/%d","title":"Page %d"}' % (n, n, n))
            for n in range(begin, min(begin + BATCH, rows))
        ]
        await app.results.commit([AttemptBatch(lease.run.id, attempt.id, rows=pushed, log=log)])


def addresses(run: str, lines: int, rows: int) -> dict[str, str]:
    """Addresses of the run's pages in the console, by content."""
    return {
        "rows": f"/runs/{run}",
        "rows, last page": f"/runs/{run}?page={rows // 50}",
        "one row": f"/runs/{run}?form=record",
        "log": f"/runs/{run}/log",
        "log, middle": f"/runs/{run}/log?after={lines // 2}",
        "log, one line found": f"/runs/{run}/log?search=p%2F{lines - 5}%20in",
        "log, errors": f"/runs/{run}/log?level=4",
        "usage": f"/runs/{run}/usage",
    }
