"""What the walls cost: a program in a box against the same program without one, and its end.

    python bench/box.py [--boxes 40]

Puts up boxes through the spawner that fits the rights of this process (as root through the
launcher, which the benchmark starts), one after another, each used once. Prints, p50, p90, p99 in
ms:

* bare: from the start of ``/usr/bin/python3 -I -S`` to its first byte of output, no walls;
* boxed: from the order of a box to the first byte of the same program in it;
* the share of the sandbox: the difference of each pair, taken one after the other;
* its parts: putting the walls up, and from the launch to the first byte;
* abort: from SIGTERM to nothing left (no process, no control group, no work folder), for a program
  that ends by SIGTERM;
* kill: the same from SIGKILL, for one that ignores SIGTERM and has 20 daemons.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from common import arguments, head, line, spread

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent / "tests" / "integration" / "sandbox")
)

from boxes import SPAWNERS, Site, version  # type: ignore[import-not-found]
from boxes import site as site_of  # type: ignore[import-not-found]

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
    """Milliseconds to the first byte without walls."""
    began = time.perf_counter()
    with subprocess.Popen(
        ["/usr/bin/python3", "-I", "-S", "-c", HELLO],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={},
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        took = time.perf_counter() - began
    return took * 1000


async def first_byte(box) -> None:
    async for _ in box.output():
        return


async def boxed(site: Site, bundle: Path):
    """A box whose program has said its first byte, and the milliseconds of both parts."""
    spec = SandboxSpec(
        name=new_ulid(),
        version=version(Language.PYTHON),
        bundle=bundle,
        environment=Environment(None, ""),
        limits=SandboxLimits(cpus=1.0, memory=256 * 2**20),
    )
    began = time.perf_counter()
    box = await site.sandbox.open(spec)
    site.boxes.append(box)
    up = time.perf_counter()
    await box.launch({})
    await first_byte(box)
    return box, (up - began) * 1000, (time.perf_counter() - up) * 1000


async def ended(box, end) -> float:
    """Milliseconds from the order to end until nothing is left."""
    began = time.perf_counter()
    await end()
    await box.wait()
    await box.close()
    return (time.perf_counter() - began) * 1000


async def measure(site: Site, count: int) -> None:
    hello, patient, stubborn = (
        site.bundle({"main.py": code}) for code in (HELLO, PATIENT, STUBBORN)
    )
    for _ in range(3):
        box, _, _ = await boxed(site, hello)
        await box.close()
    bares, ups, runs, shares = [], [], [], []
    for _ in range(count):
        without = bare()
        box, up, run = await boxed(site, hello)
        await box.close()
        bares.append(without)
        ups.append(up)
        runs.append(run)
        shares.append(up + run - without)
    line("bare program to first byte", spread(bares))
    line("boxed program to first byte", spread([a + b for a, b in zip(ups, runs, strict=True)]))
    line("share of the sandbox", spread(shares))
    line("  walls up", spread(ups))
    line("  launch to first byte", spread(runs))
    aborts, kills = [], []
    for _ in range(count):
        box, _, _ = await boxed(site, patient)
        aborts.append(await ended(box, box.terminate))
        box, _, _ = await boxed(site, stubborn)
        kills.append(await ended(box, box.kill))
    line("SIGTERM to nothing left", spread(aborts))
    line("SIGKILL to nothing left, 20 daemons", spread(kills))


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--boxes", type=int, default=40)
    options = parser.parse_args()
    head("The walls: their share of a start, and how soon nothing is left")

    async def work() -> None:
        async with site_of(SPAWNERS[0]) as site:
            await measure(site, options.boxes)

    asyncio.run(work())
    return 0


if __name__ == "__main__":
    sys.exit(main())
