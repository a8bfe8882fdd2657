"""The results of all sessions: ``docs/reliability.toml``, and the tables made from it."""

from __future__ import annotations

import fcntl
import json
import os
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from markdown_tables import header, row

from reliability.checks import Violation

COMMAND = "bench/torture.py"
HEAD = f"# Written by {COMMAND}: what it has reached, by commit, kind of fault and database.\n"


@dataclass
class Total:
    """The rounds of one kind and database at one commit. ``runs`` are those whose rows were
    compared, ``rows`` those acknowledged, ``ended`` the runs that had started and were ended by the
    faults, ``sealed`` those whose rows were moved into files, ``deleted`` others, that were deleted
    after their end. ``seconds`` is the time that it took.
    """

    commit: str
    kind: str
    database: str
    rounds: int = 0
    faults: int = 0
    runs: int = 0
    rows: int = 0
    ended: int = 0
    sealed: int = 0
    deleted: int = 0
    violations: int = 0
    seconds: int = 0
    first: str = ""  # day, UTC
    last: str = ""
    targets: dict[str, int] = field(default_factory=dict)  # faults by what they hit
    saw: dict[str, int] = field(default_factory=dict)  # runs by their end, as users saw it
    # the longest time in which a client got no answer, and in which a Worker stored no row
    away: int = 0
    waited: int = 0


@dataclass
class Found:
    """The violations of one rule in one round; ``text`` is the first of the ``cases``."""

    commit: str
    kind: str
    database: str
    rule: str
    cases: int
    targets: str
    seed: str
    text: str


@dataclass(frozen=True)
class Round:
    """The result of one round."""

    targets: Sequence[str]
    runs: int
    rows: int
    ended: int
    sealed: int
    deleted: int
    seconds: float
    seed: str
    violations: Sequence[Violation]
    saw: Mapping[str, int] = field(default_factory=dict)
    away: float = 0.0
    waited: float = 0.0


class Records:
    """The file, which is written after each round."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read()

    def _read(self) -> None:
        read = tomllib.loads(self.path.read_text()) if self.path.exists() else {}
        self.totals = [Total(**item) for item in read.get("total", ())]
        self.found = [Found(**item) for item in read.get("found", ())]

    def add(self, commit: str, kind: str, database: str, round: Round, day: str) -> None:
        """Add to the current content of the file; several commands may run at once."""
        with locked(self.path.parent):
            self._read()
            self._add(commit, kind, database, round, day)
            self.write()

    def _add(self, commit: str, kind: str, database: str, round: Round, day: str) -> None:
        total = self._total(commit, kind, database)
        total.rounds += 1
        total.faults += len(round.targets)
        total.runs += round.runs
        total.rows += round.rows
        total.ended += round.ended
        total.sealed += round.sealed
        total.deleted += round.deleted
        total.violations += len(round.violations)
        total.seconds += round_up(round.seconds)
        total.first, total.last = total.first or day, day
        for target in round.targets:
            total.targets[target] = total.targets.get(target, 0) + 1
        for end, number in round.saw.items():
            total.saw[end] = total.saw.get(end, 0) + number
        total.away = max(total.away, round_up(round.away) if round.away else 0)
        total.waited = max(total.waited, round_up(round.waited) if round.waited else 0)
        self.found += _found(commit, kind, database, round)

    def _total(self, commit: str, kind: str, database: str) -> Total:
        for total in self.totals:
            if (total.commit, total.kind, total.database) == (commit, kind, database):
                return total
        self.totals.append(Total(commit, kind, database))
        return self.totals[-1]

    def faults(self, kind: str, database: str) -> int:
        """How many faults of a kind were injected on a database, at all commits."""
        return sum(t.faults for t in self.totals if (t.kind, t.database) == (kind, database))

    def write(self) -> None:
        """Replace the file."""
        text = HEAD + "".join(toml_table("total", asdict(total)) for total in self.totals)
        text += "".join(toml_table("found", asdict(item)) for item in self.found)
        replace_text(self.path, text)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let no other command change the files of a folder meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Replace a file at once: a command that is killed leaves the old one."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


def _found(commit: str, kind: str, database: str, round: Round) -> Iterable[Found]:
    by_rule: dict[str, list[str]] = {}
    for violation in round.violations:
        by_rule.setdefault(violation.rule, []).append(violation.text)
    hit = ", ".join(round.targets)
    for rule, texts in by_rule.items():
        yield Found(commit, kind, database, rule, len(texts), hit, round.seed, texts[0])


def toml_table(name: str, members: Mapping[str, Any]) -> str:
    """A member of an array of tables; members that are dictionaries become inline tables."""
    plain = {key: value for key, value in members.items() if not isinstance(value, dict)}
    # a JSON text is a TOML text too
    text = f"\n[[{name}]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in plain.items())
    for key, inner in members.items():
        if isinstance(inner, dict):
            pairs = ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in inner.items())
            text += f"{key} = {{{pairs}}}\n"
    return text


def round_up(seconds: float) -> int:
    return int(seconds) + 1


# --- the page ---------------------------------------------------------------------------------


def tables(records: Records, aims: Mapping[str, Mapping[str, int]]) -> str:
    """The totals over all commits, those of each commit, and the violations."""
    lines = header("fault", "database", "injected", "aim", "runs", "rows", "sealed", "deleted",
                   "ended", "violations")  # fmt: skip
    for kind, databases in aims.items():
        for database, aim in databases.items():
            same = [t for t in records.totals if (t.kind, t.database) == (kind, database)]
            sums = (
                sum(getattr(total, name) for total in same)
                for name in ("runs", "rows", "sealed", "deleted", "ended", "violations")
            )
            lines.append(row(kind, database, records.faults(kind, database), aim, *sums))
    lines += ["", "## By commit", ""]
    lines += header("commit", "fault", "database", "rounds", "injected", "runs", "rows",
                    "sealed", "deleted", "ended", "violations", "day", "targets")  # fmt: skip
    for t in records.totals:
        days = t.first if t.first == t.last else f"{t.first} to {t.last}"
        targets = ", ".join(f"{name} {number}" for name, number in sorted(t.targets.items()))
        figures = t.rounds, t.faults, t.runs, t.rows, t.sealed, t.deleted, t.ended, t.violations
        lines.append(row(f"`{t.commit}`", t.kind, t.database, *figures, days, targets))
    lines += ["", "## What users saw", "", *_saw(records.totals, aims)]
    lines += ["", "## Violations", "", *_violations(records.found)]
    return "\n".join(lines) + "\n"


def page_part(records: Records, aims: Mapping[str, Mapping[str, int]]) -> str:
    """The tables, and links to those of older code."""
    part, folder = tables(records, aims), records.path.stem
    pages = sorted(records.path.with_suffix("").glob("*.md"), reverse=True)
    links = ", ".join(f"[{page.stem}]({folder}/{page.name})" for page in pages)
    return f"{part}\n## Older totals\n\nBy last day and commit: {links}.\n" if links else part


def put_away(path: Path, aims: Mapping[str, Mapping[str, int]]) -> Path | None:
    """Move the file into the folder of its name, beside a page with its tables, so that the next
    round begins new totals. The page; None without totals.
    """
    records = Records(path)
    if not records.totals:
        return None
    first, last = min(t.first for t in records.totals), max(t.last for t in records.totals)
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    page = folder / f"{last}-{records.totals[-1].commit.rstrip('+')}.md"
    days = first if first == last else f"{first} to {last}"
    text = f"# Faults under load, {days}\n\nOlder code; see [Reliability](../{path.stem}.md).\n"
    page.write_text(f"{text}\n## Totals\n\n{tables(records, aims)}")
    path.replace(page.with_suffix(".toml"))
    return page


def _saw(totals: Sequence[Total], aims: Mapping[str, Mapping[str, int]]) -> Iterable[str]:
    """By kind and database, over all commits that have recorded it."""
    lines = header("fault", "database", "runs by their end", "no answer, s", "no row, s")
    for kind, databases in aims.items():
        for database in databases:
            same = [t for t in totals if (t.kind, t.database) == (kind, database) and t.saw]
            ends: Counter[str] = sum((Counter(total.saw) for total in same), Counter())
            if ends:
                text = ", ".join(f"{number:,} {end}" for end, number in ends.most_common())
                away, waited = max(t.away for t in same), max(t.waited for t in same)
                lines.append(row(kind, database, text, away, waited))
    return lines if len(lines) > 2 else ["Not recorded yet."]


def _violations(found: Sequence[Found]) -> Iterable[str]:
    if not found:
        return ["None."]
    lines = header("commit", "fault", "database", "rule", "rounds", "cases", "example")
    grouped: dict[tuple[str, str, str, str], list[Found]] = {}
    for item in found:
        grouped.setdefault((item.commit, item.kind, item.database, item.rule), []).append(item)
    for (commit, kind, database, rule), same in grouped.items():
        cases = sum(item.cases for item in same)
        example = f"{same[0].targets}: {same[0].text}"
        lines.append(row(f"`{commit}`", kind, database, rule, len(same), cases, example))
    return lines
