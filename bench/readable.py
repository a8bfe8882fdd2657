"""Measures after what time an acknowledged row of a living run can be read over the API.

    python bench/readable.py [--rows 60] [--pause 0.1]

Boots a whole platform. A Worker pushes rows with pauses and notes when each push returned; this
process asks for the next row again and again, so each answer adds up to the time of one request.
Both use the monotonic clock of the machine. Prints p50, p90 and p99 in ms, from the return of the
push to the end of the first answer with the row.
"""

from __future__ import annotations

import sys
import time

from common import arguments, head, platform_up, times

from support.projects import python_project

WORKER = """import time
from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
acknowledged = 0.0
for number in range(given["rows"] + 1):
    CoreSDK.Result.push_data({"acknowledged": acknowledged})  # when the row before was
    acknowledged = time.monotonic()
    time.sleep(given["pause"])
"""


def measure(api, worker: str, rows: int, pause: float) -> list[float]:
    """Milliseconds for each row but the last, at least 0."""
    run = api.start(worker, {"rows": rows, "pause": pause}, cpus=1)["run_slug"]
    seen: list[float] = []
    acknowledged: list[float] = []
    until = time.monotonic() + 60 + rows * pause
    while len(seen) <= rows:
        if time.monotonic() > until:
            raise TimeoutError(f"{len(seen)} of {rows + 1} rows can be read")
        body = {"run_slug": run, "page_index": len(seen) + 1, "page_size": 1}
        if found := api.post("/api/v1/run/result/list", body)["list"]:
            seen.append(time.monotonic())
            acknowledged.append(found[0]["acknowledged"])
    api.ended(run)
    return [
        max(at - back, 0.0) * 1000 for at, back in zip(seen[:-1], acknowledged[1:], strict=True)
    ]


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--pause", type=float, default=0.1, help="seconds after each row")
    options = parser.parse_args()
    head("From the acknowledgement of a row to its first read")
    with platform_up() as (running, api):
        worker = running.push(python_project(WORKER), "bench-readable")
        times("acknowledged to readable", measure(api, worker, options.rows, options.pause))
    return 0


if __name__ == "__main__":
    sys.exit(main())
