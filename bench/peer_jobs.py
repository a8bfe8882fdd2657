"""Measures trivial jobs on Fyke and on its peers: first line, result, drain, status, memory.

    python bench/peer_jobs.py [--jobs 30] [--slow-jobs 5] [--drain 200] [--slow-drain 20]
                              [--peers fyke,scrapyd,scrapyd-fast,rq,prefect,apify-node,apify-python]

Installs the peers into environments of their own below ``~/.cache/fyke-bench`` (from PyPI and npm)
and takes one after another, each alone:

* memory of the resident processes after five idle seconds (PSS);
* single jobs, from the submission until the first line of the job's own code, and until its result
  can be read;
* rows that one job stores, one at a time;
* the status of a job, read by wrk on 1 and 32 connections, if wrk is installed;
* queued jobs, in jobs a second.

Peers whose jobs take seconds run fewer of them. A peer that cannot be installed or started is named
with the reason.

Not equal: Fyke runs each job in a sandbox with limits of its own and stores its row durably, rq
forks a process that has already imported the job, the others start a process without a sandbox.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import arguments, head, line, times
from idle_memory import memory
from peers.apify import Apify
from peers.base import Peer, Running, Status
from peers.fyke import Fyke
from peers.prefect import Prefect
from peers.rq import Rq
from peers.scrapyd import Scrapyd

PEERS: dict[str, Peer] = {
    "fyke": Fyke(),
    "scrapyd": Scrapyd(5),
    "scrapyd-fast": Scrapyd(0.1),
    "rq": Rq(),
    "prefect": Prefect(),
    "apify-node": Apify("Node.js"),
    "apify-python": Apify("Python"),
}
SETTLE_SECONDS = 5.0
STATUS_SECONDS = 3
PUSHED_ROWS = 2000


def measure(peer: Peer, running: Running, jobs: int, drained: int) -> None:
    if processes := running.processes():
        time.sleep(SETTLE_SECONDS)
        total = sum(memory(pid)[0] for pid in processes)
        text = f"PSS {total:.1f} MiB in {len(processes)} processes"
        line(f"{peer.name}: idle", text, pss_mib=total)
    seen = [running.job() for _ in range(jobs)]
    times(f"{peer.name}: to the first line", [job.first_line for job in seen])
    times(f"{peer.name}: to the result", [job.result for job in seen])
    if rate := running.push(PUSHED_ROWS):
        text = f"{rate:,.0f} rows/s  (n={PUSHED_ROWS})"
        line(f"{peer.name}: rows, one at a time", text, rate_per_s=rate)
    if status := running.status():
        for connections in (1, 32):
            read(f"{peer.name}: {status.name}, {connections} connections", status, connections)
    if peer.drains and drained:
        rate = drained / running.drain(drained)
        text = f"{rate:.2f} a second  (n={drained})"
        line(f"{peer.name}: drained", text, rate_per_s=rate)


def read(name: str, status: Status, connections: int) -> None:
    """Print the requests a second by wrk."""
    if shutil.which("wrk") is None:
        line(name, "not measured: wrk is not installed")
        return
    command = ["wrk", "-t1", f"-c{connections}", f"-d{STATUS_SECONDS}s", "--latency"]
    command += [*(["-H", status.header] if status.header else []), status.url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output:
        raise RuntimeError(f"{status.url} did not answer 200: {output}")
    found = dict(re.findall(r"(50%|99%|Requests/sec:)\s+(\S+)", output))
    rate = float(found["Requests/sec:"])
    text = f"{rate:,.0f} req/s  p50 {found['50%']}  p99 {found['99%']}"
    line(name, text, rate_per_s=rate)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--slow-jobs", type=int, default=5)
    parser.add_argument("--drain", type=int, default=200)
    parser.add_argument("--slow-drain", type=int, default=20)
    parser.add_argument("--peers", default=",".join(PEERS), help="some of the peers")
    options = parser.parse_args()
    head("Trivial jobs on Fyke and its peers")
    failed = 0
    for name in options.peers.split(","):
        peer = PEERS[name]
        jobs = options.slow_jobs if peer.slow else options.jobs
        drained = options.slow_drain if peer.slow else options.drain
        with tempfile.TemporaryDirectory() as folder:
            try:
                with peer.up(Path(folder)) as running:
                    measure(peer, running, jobs, drained)
            except (RuntimeError, OSError) as error:
                line(peer.name, f"not measured: {error}")
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
