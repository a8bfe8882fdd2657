"""Measures how much eight resource hogs slow down a quiet Worker, each in a separate sandbox.

    python bench/neighbours.py [--rounds 5]

Every round measures the quiet Worker alone and then among the hogs, so that other load on the
machine affects both. Each hog exhausts one resource: CPU, processes, threads, memory, disk, inodes,
page cache, output. The hogs have the limits of an ordinary run, including its CPU quota.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from common import arguments, head, line

from fyke.contracts.execution import Sandbox
from integration.sandbox.sandboxes import MIB, SPAWNERS, SandboxSetup, sandbox_setup

QUIET = """
import time
times = []
for number in range(40):
    started = time.perf_counter()
    sum(n * n for n in range(20_000))
    with open("kept", "wb") as file: file.write(bytes(100_000))
    with open("kept", "rb") as file: file.read()
    times.append(time.perf_counter() - started)
    time.sleep(0.01)
print(sorted(times)[20])
"""
READY = "import os, threading, time\nprint('up', flush=True)\n"
HOGS = {
    "processor": "while True: pass",
    "processes": """
while True:
    try: os.fork()
    except OSError: pass
""",
    "threads": """
while True:
    try: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    except RuntimeError: pass
""",
    "memory": """
x = []
while True:
    x = x[-10:] + [bytearray(16 << 20)]
""",
    "disk": """
while True:
    with open("x", "wb") as file:
        for _ in range(50): file.write(bytes(1 << 20))
""",
    "inodes": """
while True:
    for n in range(5000): open(f"f{n}", "w").close()
    for n in range(5000): os.unlink(f"f{n}")
""",
    "page cache": """
with open("x", "wb") as file:
    for _ in range(50): file.write(bytes(1 << 20))
while True:
    with open("x", "rb") as file:
        while file.read(1 << 20): pass
""",
    "output": "while True: print('x' * 1000)",
}
CPUS, MEMORY = 0.125, 512 * MIB  # the defaults of a run


async def quiet(setup: SandboxSetup) -> float:
    """Milliseconds of one step of the quiet Worker, the median of 40."""
    out, _, _ = await setup.run(QUIET, cpus=1.0)
    return float(out) * 1000


async def hog(setup: SandboxSetup, code: str) -> tuple[Sandbox, asyncio.Task[None]]:
    sandbox = await setup.open(READY + code, cpus=CPUS, memory=MEMORY)
    await sandbox.launch({})
    reading = asyncio.create_task(_swallow(sandbox))
    await sandbox.apply_cpu_limit()
    return sandbox, reading


async def _swallow(sandbox: Sandbox) -> None:
    async for _ in sandbox.output():
        pass


async def measure(rounds: int) -> None:
    alone: list[float] = []
    among: list[float] = []
    ends: list[float] = []
    async with sandbox_setup(SPAWNERS[0]) as setup:
        for _ in range(rounds):
            alone.append(await quiet(setup))
            hogs = [await hog(setup, code) for code in HOGS.values()]
            among.append(await quiet(setup))
            for sandbox, reading in hogs:
                started = time.perf_counter()
                await sandbox.close()
                ends.append(time.perf_counter() - started)
                reading.cancel()
            await asyncio.gather(*[reading for _, reading in hogs], return_exceptions=True)
    ratios = sorted(b / a for a, b in zip(alone, among, strict=True))
    line("quiet alone", f"{statistics.median(alone):.2f} ms per step")
    line("among 8 hogs", f"{statistics.median(among):.2f} ms per step")
    spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f} over {rounds} rounds"
    median = statistics.median(ratios)
    line("slower by", f"{median:.2f} times ({spread})", median_times=median)
    line("end of a hog", f"{statistics.median(ends) * 1000:.0f} ms, at most {max(ends) * 1000:.0f}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    head("A quiet Worker among eight hogs")
    asyncio.run(measure(given.rounds))


if __name__ == "__main__":
    sys.exit(main())
