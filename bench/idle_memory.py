"""Measures the memory of the whole platform: PSS of every process, idle and after some work.

    python bench/idle_memory.py [--settle 65]

Boots a whole platform and reads ``smaps_rollup`` of all its processes, as root including the root
supervisor and the launcher: once when it is idle, and once after 20 runs and 300 reads. PSS divides
pages among all processes that map them, so other Python processes on the machine reduce it;
``private`` is the memory that the end of the process would free. Parser processes end when they
have been idle for a minute.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from common import arguments, head, line, platform_up

from support.projects import python_project

WORKER = """from sdk import CoreSDK
CoreSDK.Result.push_data({"answer": 42})
"""


def memory(pid: int) -> tuple[float, float]:
    """PSS and private memory in MiB. Raises ``OSError`` without the permission to read it."""
    sums: dict[str, int] = {}
    for text in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = text.partition(":")
        sums[name] = int(value.split()[0])
    return sums["Pss"] / 1024, (sums["Private_Clean"] + sums["Private_Dirty"]) / 1024


def name_of(command: list[str]) -> str:
    if "--role" in command:
        return command[command.index("--role") + 1]
    modules = {
        "fyke.sandbox.process.launcher": "launcher",
        "fyke.cli.preload": "preload",
        "fyke.parsing.process": "parser",
    }
    return next((name for module, name in modules.items() if module in command), "supervisor")


def report(running, when: str) -> None:
    processes = {running.process.pid: "root supervisor or supervisor"}
    processes |= {pid: name_of(command) for pid, command in running.tree().items()}
    total = total_private = 0.0
    for pid, name in processes.items():
        pss, private = memory(pid)
        total, total_private = total + pss, total_private + private
        line(f"{when}: {name}", f"PSS {pss:6.1f} MiB  private {private:6.1f} MiB")
    text = f"PSS {total:6.1f} MiB  private {total_private:6.1f} MiB"
    line(f"{when}: all", text, pss_mib=total)


def work(running, api) -> None:
    worker = running.push(python_project(WORKER), "bench-memory")
    runs = [api.start(worker)["run_slug"] for _ in range(20)]
    for run in runs:
        api.ended(run)
        for _ in range(15):
            api.rows(run)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--settle", type=float, default=65, help="idle seconds before each reading")
    options = parser.parse_args()
    head("Memory of the whole platform")
    with platform_up() as (running, api):
        time.sleep(options.settle)
        report(running, "idle")
        work(running, api)
        time.sleep(options.settle)
        report(running, "after 20 runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
