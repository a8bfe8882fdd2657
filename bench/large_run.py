"""Measures a large run: sorted and filtered pages, pages by cursor, exports, resumed downloads.

    python bench/large_run.py [--rows 1000000] [--pages 100] [--formats csv,json,xlsx]

Boots a whole platform and writes one run through the store. Prints the time for the first page in a
new order and for concurrent run/detail requests; then for pages at the beginning, in the middle and
at the end; then for each format the time to the last byte of the first and the second download and
of its last tenth, and the growth of the server's peak memory.
"""

from __future__ import annotations

import http.client
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common import Api, arguments, head, line, platform_up, times
from reads import large_run

LIST = "/api/v1/run/result/list"
EXPORT = "/api/v1/run/result/export"
PAGE = 20
CHOICES = {
    "sort=-price": {"sort": "-price"},
    "sort=title": {"sort": "title"},
    "filter=price:lt:10": {"filter": ["price:lt:10"]},
}


def peak(pid: int) -> float:
    """The peak memory so far, in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0


def page(api: Api, run: str, **wanted: Any) -> tuple[float, dict[str, Any]]:
    started = time.perf_counter()
    data = api.post(LIST, {"run_slug": run, "page_size": PAGE, **wanted})
    return time.perf_counter() - started, data


class Meanwhile:
    """Requests run/detail repeatedly on a separate connection."""

    def __init__(self, url: str, key: str, run: str) -> None:
        self._api, self._run = Api(url, key), run
        self.times: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._stop.is_set():
            started = time.perf_counter()
            self._api.post("/api/v1/run/detail", {"run_slug": self._run})
            self.times.append((time.perf_counter() - started) * 1000)

    def __enter__(self) -> Meanwhile:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def orders(running: Any, api: Api, run: str, pages: int) -> None:
    for name, choice in CHOICES.items():
        with Meanwhile(running.url, running.key, run) as meanwhile:
            took, data = page(api, run, **choice)
        count = data["count"]
        line(f"{name}: first page", f"{took:.2f} s, {count:,} rows", elapsed_s=took)
        times(f"  {name}: run/detail meanwhile", meanwhile.times)
        last = max(1, count // PAGE)
        for where, start in (("first", 1), ("middle", last // 2), ("last", last - pages)):
            begin = max(1, start)
            seen = [page(api, run, page_index=begin + n, **choice)[0] * 1000 for n in range(pages)]
            times(f"  {name}: page of {PAGE}, {where}", seen, digits=2)


def walk(api: Api, run: str, pages: int) -> None:
    cursor: str | None = "*"
    seen = []
    for _ in range(pages):
        took, data = page(api, run, cursor=cursor)
        seen.append(took * 1000)
        cursor = data["next_cursor"]
        if cursor is None:
            break
    times(f"cursor, pages of {PAGE}", seen, digits=2)


def download(url: str, **headers: str) -> tuple[float, float, int]:
    """Seconds to the first and to the last byte, and the number of bytes."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=1200)
    started = time.perf_counter()
    connection.request("GET", where.path, headers=headers)
    answer = connection.getresponse()
    first, size = 0.0, 0
    while piece := answer.read(1 << 18):
        first = first or time.perf_counter() - started
        size += len(piece)
    connection.close()
    return first, time.perf_counter() - started, size


def exports(api: Api, run: str, rows: int, formats: list[str], server: int) -> None:
    for name in formats:
        url = api.post(EXPORT, {"run_slug": run, "format": name})["download_url"]
        first, took, size = download(url)
        _, again, _ = download(url)
        _, rest, _ = download(url, range=f"bytes={size * 9 // 10}-")
        text = (
            f"{took:6.1f} s, {rows / took:9,.0f} rows/s, {size / 1e6:6.1f} MB, first byte "
            f"{first * 1000:,.0f} ms; again {again:.2f} s; last tenth {rest:.2f} s; "
            f"peak {peak(server):.0f} MB"
        )
        line(f"export {name}", text, elapsed_s=took, rate_per_s=rows / took, first_ms=first * 1000)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--formats", default="csv,json,jsonl,xml,html,rss,xlsx")
    options = parser.parse_args()
    head("A large run")
    with platform_up() as (running, api):
        run = large_run(running, api, options.rows)
        server = running.role("server")
        page(api, run)
        before = peak(server)
        line("peak of the server's memory before", f"{before:.0f} MB")
        orders(running, api, run, options.pages)
        walk(api, run, options.pages)
        line("peak of the server's memory after sorting", f"{peak(server):.0f} MB")
        exports(api, run, options.rows, options.formats.split(","), server)
        grown = peak(server) - before
        line("growth of the server's peak memory", f"{grown:.0f} MB", grown_mb=grown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
