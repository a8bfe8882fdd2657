"""Measures a start of the whole platform: time until its first answer and until "Fyke is running",
CPU time, idle memory.

    python bench/boot.py [--times 3] [--settle 5]

Boots a platform on a new folder each time. The first answer is that to ``/healthz``, requested as
soon as the address is known; "Fyke is running" comes when Workers can start, and the Workers that
ship with Fyke are published. CPU time includes ended processes; memory is the PSS of
all living processes after some idle seconds, as in ``idle_memory.py``.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
import urllib.request

from common import arguments, compile_program, cpu_seconds, head, line
from idle_memory import memory, name_of

from support.booted import Booted, booted


def processes(running: Booted) -> dict[int, str]:
    assert running.process is not None
    found = {pid: name_of(command) for pid, command in running.tree().items()}
    return found | {running.process.pid: "root supervisor" if os.geteuid() == 0 else "supervisor"}


def note_first_answer(running: Booted, found: list[float]) -> None:
    """Add the time of the first answer to ``found``."""
    file = running.home / "server.json"
    while not file.exists() or not (text := file.read_text()):
        time.sleep(0.005)
    with urllib.request.urlopen(f"{json.loads(text)['url']}/healthz") as answer:
        answer.read()
    found.append(time.monotonic())


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--settle", type=float, default=5, help="idle seconds before the reading")
    options = parser.parse_args()
    head("Start of the whole platform")
    compile_program()
    seen = []
    for _ in range(options.times):
        with booted(start=False) as running:
            answered: list[float] = []
            waiter = threading.Thread(target=note_first_answer, args=(running, answered))
            started = time.monotonic()
            waiter.start()
            running.start()
            elapsed = time.monotonic() - started
            waiter.join()
            first = answered[0] - started
            time.sleep(options.settle)
            named = processes(running)
            spent = sum(cpu_seconds(pid, with_ended=True) for pid in named)
            line("start", f"first {first:5.2f} s  all {elapsed:5.2f} s  CPU {spent:5.2f} s")
            pss = {name: memory(pid)[0] for pid, name in named.items()}
            each = ", ".join(f"{name} {size:.1f}" for name, size in pss.items())
            line("idle", f"PSS {sum(pss.values()):6.1f} MiB ({each})")
            seen.append((first, elapsed, spent, sum(pss.values())))
    first, elapsed, spent, idle = (statistics.median(values) for values in zip(*seen, strict=True))
    text = f"elapsed {elapsed:5.2f} s  CPU {spent:5.2f} s  PSS {idle:6.1f} MiB"
    line("median of the starts", text, elapsed_s=elapsed, cpu_s=spent, pss_mib=idle)
    line("median of the first answers", f"elapsed {first:5.2f} s", elapsed_s=first)
    return 0


if __name__ == "__main__":
    sys.exit(main())
