"""Measures a sync call: the time from a POST with ``is_async`` false to its answer with the rows.

    python bench/sync_call.py [--runs 50] [--warm 0 4]

Boots a whole platform and calls a Worker that pushes one row, one call after another, with a built
environment: first without sandboxes that wait for the next call (cold), then with up to four
(warm); each on the smallest device (512 MB and 0.125 of a core, the default of a start) and with a
whole core. Prints p50, p90, p99 in ms.
"""

from __future__ import annotations

import sys
import time

from common import arguments, head, platform_up, times

from support.projects import python_project

WORKER = """from sdk import CoreSDK
CoreSDK.Result.push_data({"answer": 42})
"""


def one_call(api, worker: str, system: dict) -> float:
    """Milliseconds; raises ``RuntimeError`` when the row is not in the answer."""
    started = time.perf_counter()
    answer = api.start(worker, sync=True, **system)
    took = (time.perf_counter() - started) * 1000
    if [row.get("answer") for row in answer["results"]["list"]] != [42]:
        raise RuntimeError(f"not the row that was pushed: {answer}")
    return took


def measure(warm: int, runs: int) -> None:
    with platform_up(warm_sandboxes=str(warm)) as (running, api):
        worker = running.push(python_project(WORKER), "bench-sync")
        for name, system in (("smallest device", {}), ("one core", {"cpus": 1})):
            for _ in range(3):
                one_call(api, worker, system)
            calls = [one_call(api, worker, system) for _ in range(runs)]
            times(f"{name}, {f'up to {warm} warm' if warm else 'cold'}", calls)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--warm", type=int, nargs="+", default=[0, 4], metavar="COUNT")
    options = parser.parse_args()
    head("Sync call of a trivial Python Worker, POST to rows in the answer")
    for warm in options.warm:
        measure(warm, options.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
