"""Measures all figures once, one benchmark after another, and writes ``docs/figures.md``.

    bench/all [--only NAME...] [--peers] [--short] [--new] [--pages]

About 35 minutes in all. Run it on an idle machine. It can be stopped at any moment: the figures of
the benchmarks that have ended are kept in ``.bench``, and the next call continues after them, as
long as the code is the same commit. At the end it writes ``docs/figures/latest.json`` and, from
this file, the tables of ``docs/figures.md`` and the charts. Figures that were not taken now stay as
they are; those that were replaced are added to ``docs/figures/DAY.json``.

The docstring of each benchmark says what it measures and how to run it alone. No figure makes the
command fail; a benchmark that fails, or that does not record a figure that has an aim, does.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aims import ROWS, table
from charts import charts
from common import FIGURES, ROOT, arguments, commit
from markdown_tables import write_page
from records import FOLDER, Take, Takes, from_lines, read_takes, write_takes

COMMAND = "bench/all"
PAGE = ROOT / "docs" / "figures.md"
KEPT = ROOT / ".bench"


@dataclass(frozen=True)
class Step:
    """One benchmark with its options, in a full and in a short sitting."""

    script: str
    full: str = ""
    short: str = ""

    def options(self, short: bool) -> list[str]:
        return (self.short if short else self.full).split()


ORDERS = "price,title,price:lt:10"
STEPS = (
    Step("boot", short="--times 1"),
    Step("idle_memory", short="--settle 5"),
    Step("commands", short="--times 5"),
    Step("sandbox", short="--sandboxes 15"),
    Step("start", short="--runs 20"),
    Step("sync_call", short="--runs 15"),
    Step("browser", short="--times 5"),
    Step("abort", "--runs 50", "--runs 20"),
    Step("drain", "--runs 60", "--runs 30"),
    Step("nodes", short="--starts 5 --runs 30 --rounds 1 --settle 5"),
    Step("rows", short="--rows 1500 --rounds 2"),
    Step("readable", short="--rows 20"),
    Step("rows_store", "--seconds 1", "--seconds 0.5"),
    Step("sdk_service", short="--rounds 2 --rows 2000"),
    Step("reads", "--rows 1000000", "--rows 50000 --seconds 1 --rounds 1"),
    Step("reads_postgresql", "--rows 100000", "--rows 20000 --seconds 1 --rounds 1"),
    Step("sealed_rows", short="--rows 20000"),
    Step("large_run", "--formats csv,json,xlsx", "--rows 100000 --pages 30 --formats csv"),
    Step("orders", f"--only {ORDERS}", f"--only {ORDERS} --rows 100000"),
    Step(
        "export",
        "--formats csv,json,xlsx,xls,parquet",
        "--rows 50000 --formats csv,json,xlsx,xls,parquet",
    ),
    Step("egress", short="--megabytes 200 --rounds 3"),
    Step("neighbours"),
    Step("flood", short="--rounds 3"),
    Step("masking"),
    Step("hostile_texts", short="--seconds 3"),
    Step("console_pages", short="--runs 20000 --waiting 500 --rounds 15"),
    Step("transaction"),
    Step("history", short="--runs 20000 --times 20"),
)
# only on request, because they install other programs from PyPI and npm
PEERS = (
    Step("peer_jobs", "--slow-drain 6", "--jobs 5 --slow-jobs 1 --drain 20 --slow-drain 2"),
    Step("peer_tables", short="--rows 100000"),
)


class Sitting:
    """The takes of one commit, each kept in a file from its end on."""

    def __init__(self, folder: Path, of: str) -> None:
        self._folder, self._of = folder, of

    def path(self, step: Step) -> Path:
        return self._folder / f"{step.script}.json"

    def kept(self, step: Step) -> Take | None:
        """The take of an earlier call, if its code was the same."""
        found = read_takes(self.path(step)).takes
        return found[0] if found and found[0].commit == self._of else None

    def take(self, step: Step, options: Sequence[str]) -> Take:
        """Run a benchmark. Raises ``CalledProcessError`` or ``ValueError``."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = self._folder / f"{step.script}.lines"
        lines.unlink(missing_ok=True)
        started = time.monotonic()
        command = [sys.executable, str(ROOT / "bench" / f"{step.script}.py"), *options]
        run(command, os.environ | {FIGURES: str(lines)})
        text = lines.read_text() if lines.exists() else ""
        taken = from_lines(step.script, text, round(time.monotonic() - started))
        write_takes(Takes([taken]), self.path(step))
        lines.unlink()
        return taken


def run(command: list[str], environment: dict[str, str]) -> None:
    """Run a benchmark; when this command is stopped, wait until it has stopped its platform.
    Raises ``CalledProcessError``.
    """
    process = subprocess.Popen(command, env=environment)
    try:
        status = process.wait()
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):  # Ctrl-C reaches both
            process.send_signal(signal.SIGINT)
        process.wait()
        raise
    if status:
        raise subprocess.CalledProcessError(status, command)


def absent(take: Take) -> list[str]:
    """The figures of the table, its limits and its peers that this take should have and does not
    have.
    """
    wanted = {(each.script, each.name, each.values.split()[0]): None for each in ROWS}
    beside = [other for each in ROWS for other in (*each.limits, *each.peers)]
    wanted |= {(other.script, other.name, other.value): None for other in beside}
    return [
        f"{name}: {value}"
        for script, name, value in wanted
        if script == take.script and value not in take.values(name)
    ]


def chosen(only: Sequence[str], peers: bool) -> list[Step]:
    """Raises ``SystemExit`` for a name that is not that of a benchmark."""
    known = {step.script: step for step in (*STEPS, *PEERS)}
    if unknown := [name for name in only if name not in known]:
        sys.exit(f"{', '.join(unknown)}: not one of {', '.join(known)}")
    return [known[name] for name in only] or [*STEPS, *(PEERS if peers else ())]


def write_pages(takes: Takes, page: Path = PAGE, folder: Path = FOLDER) -> None:
    """Write the tables of the page and the charts."""
    write_page(page, COMMAND, table(takes))
    for name, content in charts(takes).items():
        (folder / name).write_text(content)


def publish(newer: Sequence[Take], page: Path = PAGE, folder: Path = FOLDER) -> None:
    """Replace the takes of the same benchmarks, and keep the older ones by their day."""
    latest = folder / "latest.json"
    takes, older = read_takes(latest).replaced_by(newer)
    for day in {take.day for take in older}:
        path = folder / f"{day}.json"
        kept = read_takes(path).takes
        same_day = [take for take in older if take.day == day and take not in kept]
        write_takes(Takes([*kept, *same_day]), path)
    write_takes(takes, latest)
    write_pages(takes, page, folder)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME",
                        help="these benchmarks, even if their figures are kept")  # fmt: skip
    parser.add_argument("--peers", action="store_true", help="also other programs")
    parser.add_argument("--short", action="store_true", help="fewer repetitions; writes no page")
    parser.add_argument("--new", action="store_true", help="forget the figures that are kept")
    parser.add_argument("--pages", action="store_true", help="measure nothing, write the pages")
    options = parser.parse_args()
    if options.pages:
        write_pages(read_takes())
        return 0
    folder = KEPT / ("short" if options.short else "full")
    if options.new:
        shutil.rmtree(folder, ignore_errors=True)
    taken, failed = measure(Sitting(folder, commit()), options)
    if options.short:
        print(table(Takes(taken)))
    elif taken:
        publish(taken)
    for name, reason in failed.items():
        print(f"bench/{name}.py: {reason}", file=sys.stderr)
    return int(bool(failed))


def measure(sitting: Sitting, options) -> tuple[list[Take], dict[str, str]]:
    """The takes, and the reasons of benchmarks that failed or lack figures."""
    taken, failed = [], {}
    for step in chosen(options.only, options.peers):
        take = None if options.only else sitting.kept(step)
        try:
            take = take or sitting.take(step, step.options(options.short))
        except (subprocess.CalledProcessError, ValueError) as error:
            failed[step.script] = str(error)
            continue
        taken.append(take)
        if names := absent(take):
            failed[step.script] = f"recorded no {', no '.join(names)}"
        print(f"-- bench/{step.script}.py: {take.seconds} s", flush=True)
    print(f"-- all: {sum(take.seconds for take in taken) / 60:.1f} min", flush=True)
    return taken, failed


if __name__ == "__main__":
    STOPPED = "stopped; the figures of the benchmarks that have ended are kept"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(STOPPED)
