"""Writes one export of a results database in a separate process and prints its figures:

    python export_process.py URL RUN FORMAT [SORT]

One line of JSON: ``bytes`` of the file, ``sha256``, ``seconds``, and ``grown``, the bytes of peak
memory beyond those for the same export of a small run.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from fyke.domain.results.export.formats import FORMATS  # noqa: E402
from fyke.domain.results.export.service import ExportRequest, Exports  # noqa: E402
from fyke.domain.results.query.model import parse_query  # noqa: E402
from fyke.domain.results.service import RunResults  # noqa: E402
from fyke.model.run import RunState  # noqa: E402
from fyke.storage.sql.results.store import open_results  # noqa: E402
from support.memory import MemoryStorage, a_run, a_version  # noqa: E402

SMALL = "01KSFDS8XWTJME33C08XMCR6A0"  # a run with only a few rows, in the same database


async def main(url: str, run_id: str, name: str, sort: str = "") -> None:
    storage, results = MemoryStorage(), open_results(url, durable=False)
    with tempfile.TemporaryDirectory() as folder:
        reading = RunResults(storage, results, Path(folder))
        exports = Exports(storage, reading, storage.clock, Path(folder))
        request = ExportRequest(FORMATS[name], query=parse_query(sort=sort))
        for item in (SMALL, run_id):
            run = a_run("A", id=item, state=RunState.SUCCEEDED, finished_at=1_700_000_000_000)
            storage.tx.runs.rows[item] = run
            version = a_version(run.worker_id)
            storage.tx.workers.version_rows[run.worker_id, version.number] = version
        await write(exports, SMALL, request)
        before = peak()
        began = time.perf_counter()
        size, digest = await write(exports, run_id, request)
        seconds = time.perf_counter() - began
    await results.close()
    print(
        json.dumps({"bytes": size, "sha256": digest, "seconds": seconds, "grown": peak() - before})
    )


async def write(exports: Exports, run_id: str, request: ExportRequest) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    async for piece in await exports.stream(await exports.prepare(run_id, request)):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def peak() -> int:
    # not getrusage: its peak includes that of the process which started this one
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
