"""Measures the response time of ``/healthz`` while another account sends texts that are slow to
parse.

    python bench/hostile_texts.py [--seconds 10]

Each load repeats one request as fast as possible, three at a time: a new README and project each
time, bodies of the largest size, dates of a form, a workbook, a comparison. A probe requests
``/healthz`` of the same server every 20 ms; the measured time is from the planned moment to the
response, inside one process. The aim is a p99 of 100 ms. The rate limit is that of the default
settings; requests beyond it are answered too, and counted.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import structlog
from common import arguments, head, line, spread, spread_values

from fyke.parsing.pools import ProcessPool
from support.api import client
from support.app import App, make_templates, open_app
from support.pages import Visitor, visitor
from support.parsers import PARSERS
from support.projects import python_project

AT_ONCE = 3
PAUSE = 0.02  # seconds between two probes
MAIN = "from sdk import CoreSDK\n"
LIST = {"properties": [{"name": "urls", "type": "array", "editor": "requestList"}]}

Load = Callable[[], Awaitable[Any]]


def project(number: int, kind: str) -> bytes:
    """A project whose files no other project has."""
    text = PARSERS["markdown"].documents["wide table"](50_000)
    schema = json.loads(PARSERS["form"].documents[kind](200_000))
    return python_project(MAIN, schema=schema, **{"README.md": f"# {number}\n\n{text}"})


def document(name: str, kind: str, size: int) -> Any:
    return PARSERS[name].documents[kind](size)


async def loads(app: App, http: httpx2.AsyncClient, page: Visitor) -> dict[str, Load]:
    numbers = count()
    publish = app.services.workers.publish
    worker, before, _ = await publish(app.owner, project(0, "fields"), name="form")
    _, after, _ = await publish(app.owner, project(1, "dates"), name="form")
    slug = worker.id
    lists, _, _ = await publish(app.owner, python_project(MAIN, schema=LIST), name="list")

    async def readme() -> None:
        data = python_project(MAIN, **{"README.md": f"# {next(numbers)}\n" + _table()})
        await publish(app.owner, data, name="readme")
        await page.http.get("/w/owner/readme/readme")

    key = {
        "api-key": app.owner_key
    }  # the answers are not checked: that would take time in the loop

    async def post(path: str, body: str | bytes) -> None:
        await http.post(path, content=body, headers=key)

    members = document("body", "other members", 2**20 - 64)
    large = document("body", "members", 2_400_000)
    arrays = document("body", "arrays", 240_000)
    sheet = document("workbook", "numbers", 8 * 2**20)
    normalise = json.dumps({"form": [["f:f0", "1" * 40]]})
    return {
        "README": readme,
        "members that are not known": lambda: post("/api/v1/run/detail", members),
        "members of an input": lambda: post("/api/v1/scraper/run", large),
        "arrays of an input": lambda: post("/api/v1/scraper/run", arrays),
        "dates": lambda: post(f"/api/fyke/workers/{slug}/normalise", normalise),
        "workbook": lambda: post(f"/api/fyke/workers/{lists.id}/import?name=a.xlsx", sheet),
        "comparison": lambda: http.get(
            f"/api/fyke/workers/{slug}/compare?before={before.number}&after={after.number}",
            headers=key,
        ),
    }


def _table() -> str:
    text: str = document("markdown", "narrow table", 49_000)
    return text


async def measure(http: httpx2.AsyncClient, load: Load, seconds: float) -> tuple[list[float], int]:
    """Times of the probes in ms, and the number of requests that were answered in the meantime."""
    answered = 0
    end = time.perf_counter() + seconds

    async def repeat() -> None:
        nonlocal answered
        while time.perf_counter() < end:
            await load()
            answered += 1
            await asyncio.sleep(0)  # an answer comes without waiting for a socket

    repeating = asyncio.gather(*(repeat() for _ in range(AT_ONCE)))
    times: list[float] = []
    while not repeating.done():
        planned = time.perf_counter() + PAUSE
        await asyncio.sleep(PAUSE)
        await http.get("/healthz")
        times.append((time.perf_counter() - planned) * 1000)
    await repeating
    return times, answered


async def run(seconds: float) -> None:
    pool = ProcessPool()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "made").mkdir()
        (folder / "app").mkdir()
        templates = make_templates(folder / "made")
        async with (
            open_app(folder / "app", templates, parsers=pool) as app,
            client(app.asgi(rate_limit=60)) as http,
            visitor(app, app.owner.user_id) as page,
        ):
            worst = 0.0
            for name, load in (await loads(app, http, page)).items():
                times, answered = await measure(http, load, seconds)
                values = spread_values(times)
                line(name, f"{spread(times)}  {answered} requests", **values)
                worst = max(worst, values["p99_ms"])
            line("slowest under any load", f"p99 {worst:.1f} ms", p99_ms=worst)
        await pool.close()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="for each load")
    given = parser.parse_args()
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=quiet)
    head("/healthz while texts that are slow to read arrive")
    asyncio.run(run(given.seconds))


if __name__ == "__main__":
    sys.exit(main())
