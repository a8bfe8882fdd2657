"""Inject faults into a platform under load, one after another, and check after each that no
acknowledged row is lost or duplicated, no run is stuck or has ended twice, and nothing is left.

    python bench/torture.py [--minutes N] [--stage nodes] [--kinds kill,freeze] [--new]

Several Workers push numbered rows while a fault is injected; then every run must end, and rows,
counts, exports, callbacks, ledger, database, processes and folders are compared with what the
Workers report as acknowledged (``reliability/checks.py``). The results are added to
``docs/reliability.toml`` after every round, and the tables of ``docs/reliability.md`` are written
from it at the end. It can be stopped at any moment: after Ctrl-C or SIGTERM the current round is
finished and added; a second signal abandons it. The next session continues with the fault that is
furthest from its aim, until all aims are reached or ``--minutes`` have passed. ``--new`` moves the
totals of older code to ``docs/reliability/`` and begins new ones. Several sessions may run at once.
Exits with 1 if a round broke a rule.

Kinds: kill (SIGKILL of server, runner, egress, launcher, preload process, supervisor, root
supervisor or all at once), freeze (SIGSTOP of one), silent (connections to PostgreSQL that drop
everything), pause (SIGSTOP of all), clock (steps, with libfaketime), disk (nearly or completely
full), stall (writes to the disk wait, with fsfreeze), backup (made slowly, restored and compared),
outage (PostgreSQL down for 60 s). ``--stage nodes``: those of an installation with two servers and
three nodes, each in a network namespace of its own if root may make them: node_kill, link and
link_long (a link that loses everything in one direction or both, for 5 to 60 s or five minutes),
server (SIGKILL of one of the servers or of the gateway), restart (of PostgreSQL), promotion (of its
synchronous standby), blobs_outage (of S3), upgrade (from the previous schema, one machine after the
other), clone (of a node's disk), node_clock, node_disk.

PostgreSQL is a new server on a unix socket, without fsync. As root, Workers run through the
launcher; as another user without it. Kinds that are impossible on this machine are listed with the
reason. Signals go only to processes that this command has started, by pid, and only loopback
addresses and a network of this machine alone are used.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import httpx2
import psycopg
from common import ROOT, arguments, compile_program, head, line, tested_commit
from markdown_tables import write_page
from reliability.checks import ended_by_fault, violations
from reliability.faults import Kind, inject, no_postgres
from reliability.kinds import AIMS, KINDS, STAGES
from reliability.load import divided, jobs_of
from reliability.records import COMMAND, Records, Round, page_part, put_away
from reliability.stage import Stage

from support.mounts import new_mounts

RECORDS = ROOT / "docs" / "reliability.toml"
DATABASES = ("sqlite", "postgres")
# errors of this command, or of a start before any fault; such a round is not added
FAILURES = (AssertionError, OSError, subprocess.SubprocessError, httpx2.HTTPError, psycopg.Error)
MAX_FAILURES = 3  # in a row


class Stop:
    """The first SIGINT or SIGTERM stops the command after the round, the second one at once."""

    def __init__(self) -> None:
        self.requested = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print(
            "Stopping after this round; a second signal stops at once.", file=sys.stderr, flush=True
        )


@dataclass
class Session:
    """One execution of the command."""

    records: Records
    commit: str
    seed: int
    until: float  # monotonic seconds
    short: bool
    keep: Path | None
    stop: Stop
    number: int = 0  # of rounds
    broken: int = 0  # of them

    def over(self) -> bool:
        return self.stop.requested or time.monotonic() > self.until

    def rounds(self, kind: Kind, database: str) -> None:
        """Start a platform, and run rounds on it until one breaks a rule."""
        priced = self.records.faults(kind.name, database) // kind.rounds % 2 == 0
        number = 1 if self.short else kind.rounds
        with kind.opens(database, priced=priced, **kind.options()) as site:
            for left in reversed(range(number)):
                if self.round(kind, database, site, last=left == 0):
                    break

    def round(self, kind: Kind, database: str, site: Stage, last: bool) -> bool:
        """Inject faults, check, and add the result; return whether the platform was stopped,
        as it is after the last round.
        """
        self.number += 1
        seed = f"{self.seed}-{self.number}"
        rng, began = random.Random(seed), time.monotonic()
        jobs = jobs_of(rng, kind.jobs, f"t{seed}", kind.rows, kind.spread)
        if kind.divided:
            divided(jobs, rng)
        kind.before(site)
        site.jobs += jobs
        with site.load.started(jobs):
            injected = inject(kind, site, rng)
            refused = site.load.settle(jobs, injected.over)
        seen = site.observe(jobs, injected, refused)
        found = violations(seen)
        sealed, last = seen.sealed, last or bool(found) or self.over()
        if last:
            end = site.finish()
            found, sealed = found + violations(end), sealed + end.sealed
        done = Round(
            targets=injected.targets,
            runs=len(seen.runs),
            rows=sum(run.acknowledged for run in seen.runs),
            ended=ended_by_fault(seen),
            sealed=sealed,
            deleted=sum(job.deleted for job in jobs),
            seconds=time.monotonic() - began,
            seed=seed,
            violations=found,
            saw=site.saw(jobs),
            away=site.load.away,
            waited=site.waited(jobs),
        )
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        self.records.add(self.commit, kind.name, database, done, day)
        self.report(kind, database, done, site)
        return last

    def report(self, kind: Kind, database: str, done: Round, site: Stage) -> None:
        name = f"{kind.name} {', '.join(done.targets)} on {database}"
        figures = (
            f"{done.runs} runs, {done.rows} rows, {done.sealed} sealed, {done.deleted} deleted, "
            f"{done.ended} ended, {done.seconds:.0f} s, {len(done.violations)} violations"
        )
        saw = ", ".join(f"{number} {end}" for end, number in sorted(done.saw.items()))
        line(f"{done.seed} {name}"[:52], figures)
        print(
            f"    users saw: {saw}; no answer for {done.away:.0f} s, no row for {done.waited:.0f} s"
        )
        for violation in done.violations:
            print(f"    {violation.rule}: {violation.text}", flush=True)
        if done.violations:
            self.broken += 1
            if self.keep:
                keep_files(site, self.keep / done.seed)


def keep_files(site: Stage, folder: Path) -> None:
    """Copy only log, databases and journal: a data folder also has device nodes."""
    folder.mkdir(parents=True, exist_ok=True)
    home = site.platform.home
    for path in (*home.glob("*.db*"), *home.glob("journal/*")):
        if path.is_file():
            shutil.copy(path, folder)
    for machine in site.machines:
        shutil.copy(machine.log, folder / f"{machine.folder.name}.log")


def order(records: Records, chosen: list[tuple[Kind, str]]) -> Iterator[tuple[Kind, str]]:
    """Yield the pair that is furthest from its aim, until all aims are reached."""

    def share(one: tuple[Kind, str]) -> float:
        kind, database = one
        return records.faults(kind.name, database) / kind.aims[database]

    while chosen and share(one := min(chosen, key=share)) < 1:
        yield one


def possible(kinds: list[str], databases: list[str]) -> list[tuple[Kind, str]]:
    """The requested kinds and databases without those that are impossible on this machine, which
    are printed with the reason.
    """
    found, reasons = [], set()
    for kind in (KINDS[name] for name in kinds):
        for database in (aim for aim in kind.aims if aim in databases):
            reason = kind.impossible() or (no_postgres() if database == "postgres" else "")
            if reason:
                reasons.add(f"skipped: {kind.name} on {database}: {reason}")
            else:
                found.append((kind, database))
    for text in sorted(reasons):
        print(text, flush=True)
    return found


def run_rounds(session: Session, chosen: list[tuple[Kind, str]]) -> None:
    """Run rounds until the time is over, a stop is requested, or all aims are reached."""
    failures = 0
    for kind, database in chosen if session.short else order(session.records, chosen):
        if session.over():
            return
        try:
            session.rounds(kind, database)
            failures = 0
        except FAILURES as error:
            failures += 1
            print(f"{kind.name} on {database} was not possible: {error!r}", file=sys.stderr)
            if failures == MAX_FAILURES:
                raise


def options_of(given: list[str] | None = None) -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--stage", choices=STAGES, help="one machine, or one with nodes; or both")
    parser.add_argument("--kinds", help="names, separated by commas; all by default")
    parser.add_argument("--database", choices=DATABASES, help="both by default")
    parser.add_argument("--minutes", type=float, help="start no round after this time")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--short", action="store_true", help="one round of each kind and database")
    parser.add_argument("--keep", type=Path, help="folder for files of rounds that broke a rule")
    parser.add_argument("--records", type=Path, default=RECORDS, help="file that gets the results")
    parser.add_argument("--new", action="store_true", help="begin new totals, keep the old ones")
    parser.add_argument("--tables", action="store_true", help="only write the tables of the page")
    options = parser.parse_args(given)
    of_stage = STAGES.get(options.stage, KINDS)
    options.kinds = options.kinds.split(",") if options.kinds else list(of_stage)
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}; known are {', '.join(KINDS)}")
    return options


def main() -> int:
    options = options_of()
    if options.new and (old := put_away(options.records, AIMS)):
        print(f"the totals so far: {old}")
    records = Records(options.records)
    page = options.records.with_suffix(".md")
    if not options.tables:
        head("Faults under load")
        session = Session(
            records=records,
            commit=tested_commit(),
            seed=options.seed,
            until=time.monotonic() + (options.minutes * 60 if options.minutes else float("inf")),
            short=options.short,
            keep=options.keep,
            stop=Stop(),
        )
        line("seed", str(options.seed))
        chosen = possible(options.kinds, [options.database] if options.database else [*DATABASES])
        if any(kind.name in ("disk", "stall", "node_disk") for kind, _ in chosen):
            new_mounts()  # only this command and its processes see the small disks
        compile_program()
        try:
            run_rounds(session, chosen)
        except KeyboardInterrupt:
            print("Stopped; the current round is not added.", file=sys.stderr)
        line("rounds", f"{session.number}, {session.broken} of them broke a rule")
    if page.exists():
        write_page(page, COMMAND, page_part(records, AIMS))
    return int(not options.tables and session.broken > 0)


if __name__ == "__main__":
    sys.exit(main())
