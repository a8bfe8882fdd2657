"""Measures the cost of isolation: a program in a sandbox compared with the same program outside.

    python bench/sandbox.py [--sandboxes 40]

Creates sandboxes with the spawner for the current user (as root with a launcher that the benchmark
starts), one after another, each used once. Prints p50, p90 and p99 in ms:

* bare: from the start of ``/usr/bin/python3 -I -S`` to its first byte of output, no sandbox;
* sandboxed: from the order of a sandbox to the first byte of the same program in it;
* the share of the sandbox: the difference of each pair, taken one after the other;
* its parts: making the sandbox, and from the launch to the first byte;
* as root: the CPU time of launcher and sandbox over the life of a sandbox;
* the peak memory of the sandbox;
* abort: from SIGTERM until nothing is left (process, control group, work folder), for a program
  that ends on SIGTERM;
* kill: the same from SIGKILL, for one that ignores SIGTERM and has 20 daemons.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from common import arguments, cpu_seconds, head, line, times

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent / "tests" / "integration" / "sandbox")
)

from sandboxes import (  # type: ignore[import-not-found]
    SPAWNERS,
    SandboxSetup,
    sandbox_setup,
    version,
)

from fyke.contracts.execution import Environment, SandboxLimits, SandboxSpec
from fyke.kit.ids import new_ulid
from fyke.model.worker import Language

HELLO = "import os; os.write(1, b'.'); os.read(0, 1)\n"
PATIENT = """import os, time
os.write(1, b'.')
time.sleep(600)
"""
STUBBORN = """import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        time.sleep(600)
os.write(1, b'.')
time.sleep(600)
"""


def bare() -> float:
    """Milliseconds to the first byte without a sandbox."""
    started = time.perf_counter()
    with subprocess.Popen(
        ["/usr/bin/python3", "-I", "-S", "-c", HELLO],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={},
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        took = time.perf_counter() - started
    return took * 1000


async def first_byte(sandbox) -> None:
    async for _ in sandbox.output():
        return


async def sandboxed(setup: SandboxSetup, bundle: Path):
    """A sandbox whose program has written its first byte, and the milliseconds of both parts."""
    spec = SandboxSpec(
        name=new_ulid(),
        owner="ACCOUNT",
        version=version(Language.PYTHON),
        bundle=bundle,
        environment=Environment(None, ""),
        limits=SandboxLimits(cpus=1.0, memory=256 * 2**20),
    )
    started = time.perf_counter()
    sandbox = await setup.sandbox.open(spec)
    setup.sandboxes.append(sandbox)
    up = time.perf_counter()
    await sandbox.launch({})
    await first_byte(sandbox)
    return sandbox, (up - started) * 1000, (time.perf_counter() - up) * 1000


async def ended(sandbox, end) -> float:
    """Milliseconds from the signal until nothing is left."""
    started = time.perf_counter()
    await end()
    await sandbox.wait()
    await sandbox.close()
    return (time.perf_counter() - started) * 1000


async def measure(setup: SandboxSetup, count: int) -> None:
    hello, patient, stubborn = (
        setup.bundle({"main.py": code}) for code in (HELLO, PATIENT, STUBBORN)
    )
    for _ in range(3):
        sandbox, _, _ = await sandboxed(setup, hello)
        await sandbox.close()
    bares, ups, runs, shares, peaks = [], [], [], [], []

    def spent() -> float:
        return cpu_seconds(setup.launcher.pid, with_ended=True) if setup.launcher else 0

    before = spent()
    for _ in range(count):
        without = bare()
        sandbox, up, run = await sandboxed(setup, hello)
        peaks.append((await sandbox.usage()).memory_peak / 2**20)
        await sandbox.close()
        bares.append(without)
        ups.append(up)
        runs.append(run)
        shares.append(up + run - without)
    times("bare program to first byte", bares)
    times("sandboxed program to first byte", [a + b for a, b in zip(ups, runs, strict=True)])
    times("share of the sandbox", shares)
    times("  creation", ups)
    times("  launch to first byte", runs)
    if setup.launcher:
        cpu = (spent() - before) / count * 1000
        line("CPU time", f"{cpu:.1f} ms", cpu_ms=cpu)
    times("peak memory", peaks, "MiB")
    aborts, kills = [], []
    for _ in range(count):
        sandbox, _, _ = await sandboxed(setup, patient)
        aborts.append(await ended(sandbox, sandbox.terminate))
        sandbox, _, _ = await sandboxed(setup, stubborn)
        kills.append(await ended(sandbox, sandbox.kill))
    times("SIGTERM to removed", aborts)
    times("SIGKILL to removed, 20 daemons", kills)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--sandboxes", type=int, default=40)
    options = parser.parse_args()
    head("Isolation: its share of a start, and the time until a sandbox is removed")

    async def work() -> None:
        async with sandbox_setup(SPAWNERS[0]) as setup:
            await measure(setup, options.sandboxes)

    asyncio.run(work())
    return 0


if __name__ == "__main__":
    sys.exit(main())
