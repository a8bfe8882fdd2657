"""Mutation testing of the pure rules: the unit tests must detect each changed operator, constant or
argument.

    python bench/mutants.py [--processes 2] [--again | --survivors] [MODULE ...]

A module is a path below ``src/fyke``; without one, all of ``RULES``. Each module is tested only
with the test file of its name, one module after another. Stop at any moment with Ctrl-C: results
are kept in ``docs/mutants.toml``, with the commit. A module with a complete record for the same
source and tests is skipped, on any machine; ``--again`` tests it again. ``--survivors`` repeats
only the mutants that survived the last session on this machine, after tests were added. The reason
recorded for a survivor is kept as long as its change is the same. Exits with status 1 when fewer
than 90 % were killed or a survivor has no reason. Needs ``mutmut``, which is not in any
requirements file, because only this command uses it: ``uv pip install mutmut`` into the environment
of the tests.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs" / "mutants.toml"
WORK = ROOT / ".mutants"  # mutmut's copy of the tree and its verdicts
AIM = 0.9
RULES = (
    "domain/billing/caps.py",
    "domain/billing/pricing.py",
    "domain/callbacks/payload.py",
    "domain/callbacks/schedule.py",
    "domain/callbacks/signing.py",
    "domain/callbacks/url.py",
    "domain/runs/lifecycle.py",
    "domain/runs/outcome.py",
    "domain/runs/split.py",
    "domain/schedules/due.py",
    "domain/schedules/rules.py",
    "domain/schedules/times.py",
    "domain/workers/input_schema.py",
    "domain/workers/input_values.py",
    "domain/workers/parameters.py",
    "egress/rules.py",
)
OUT_OF_TIME = (24, -24, 36, 152, 255)
KILLED = (1, 3, *OUT_OF_TIME)  # a test failed, or the mutant ran out of its time
SETTINGS = """\
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/fyke/{module}"]
also_copy = ["script"]
track_dependencies = false
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not long"]
pytest_add_cli_args_test_selection = ["{test}"]
"""
SHOW = """
import json, sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
path, *mutants = sys.argv[1:]
print(json.dumps({each: get_diff_for_mutant(each, path=path) for each in mutants}))
"""


@dataclass
class Survivor:
    mutant: str
    change: str
    reason: str = ""


@dataclass
class Record:
    """The results of one module; ``digest`` is that of its source and its tests. Mutants that ran
    ``out_of_time`` count as killed; review them, especially on a busy machine.
    """

    module: str
    commit: str
    digest: str
    mutants: int
    killed: int
    out_of_time: int
    untried: int
    survivors: list[Survivor] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--again", action="store_true", help="modules with a complete record, too")
    which.add_argument("--survivors", action="store_true", help="only the survivors")
    options = parser.parse_args()
    if importlib.util.find_spec("mutmut") is None:
        print(f"mutmut is not installed: uv pip install --python {sys.executable} mutmut")
        return 2
    if unknown := set(options.modules) - set(RULES):
        parser.error(f"not among the rules: {', '.join(sorted(unknown))}")
    records = read_records()
    for module in options.modules or RULES:
        if complete(records.get(module), module) and not options.again:
            continue
        prepare(module, options.again, options.survivors)
        stopped = try_mutants(options.processes)
        records = read_records()  # a reason may have been written in the meantime
        records[module] = record(module, records.get(module))
        write_records(records)
        if stopped:
            break
    return report(records)


def complete(known: Record | None, module: str) -> bool:
    return known is not None and known.untried == 0 and known.digest == digest(module)


def digest(module: str) -> str:
    files = [ROOT / "src/fyke" / module, ROOT / test_of(module)]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def test_of(module: str) -> str:
    path = Path("tests/unit", module)
    return str(path.with_name(f"test_{path.name}"))


def prepare(module: str, again: bool, survivors: bool) -> None:
    """Set mutmut up for ``module``, and drop results of other tests."""
    WORK.mkdir(exist_ok=True)
    for name in ("src", "tests", "script"):
        if not (WORK / name).is_symlink():
            (WORK / name).symlink_to(ROOT / name)
    project = (ROOT / "pyproject.toml").read_text()
    settings = SETTINGS.format(module=module, test=test_of(module))
    (WORK / "pyproject.toml").write_text(f"{project}\n{settings}")
    # mutmut then generates the mutants again, and determines the tests that reach them
    (WORK / f"mutants/src/fyke/{module}").unlink(missing_ok=True)
    (WORK / "mutants/mutmut-stats.json").unlink(missing_ok=True)
    meta, before = meta_of(module), tried_with(module)
    if meta.exists():
        same = before.exists() and before.read_text() == digest(module)
        if survivors:
            found = json.loads(meta.read_text())
            codes = found["exit_code_by_key"]
            found["exit_code_by_key"] = {m: c if c in KILLED else None for m, c in codes.items()}
            meta.write_text(json.dumps(found))
        elif again or not same:
            meta.unlink()
    before.parent.mkdir(parents=True, exist_ok=True)
    before.write_text(digest(module))


def meta_of(module: str) -> Path:
    """The file with mutmut's results for ``module``."""
    return WORK / f"mutants/src/fyke/{module}.meta"


def tried_with(module: str) -> Path:
    """The file with the digest of the tested source: files may be edited in the meantime."""
    return meta_of(module).with_suffix(".digest")


def try_mutants(processes: int) -> bool:
    """Run mutmut; return whether it was stopped."""
    mutmut = Path(sys.executable).with_name("mutmut")
    command = [mutmut, "run", "--max-children", str(processes)]
    # few examples of each property, and no deadline: counting the calls of a test makes it slow
    child = subprocess.Popen(command, cwd=WORK, env={**os.environ, "TEST_EXAMPLES": "few"})
    stopped = False
    try:
        code = child.wait()
    except KeyboardInterrupt:  # mutmut gets the signal too, and saves its results
        code, stopped = child.wait(), True
    if code > 0:
        sys.exit(f"mutmut ended with {code}")
    return stopped


def record(module: str, before: Record | None) -> Record:
    """The current results of mutmut for ``module``, with the reasons from ``before``."""
    found = json.loads(meta_of(module).read_text())["exit_code_by_key"]
    known = before.survivors if before else []
    reasons = {s.change: s.reason for s in known}
    alive = [m for m, code in sorted(found.items()) if code is not None and code not in KILLED]
    changes = changes_of(module, alive)
    survivors = [Survivor(m, changes[m], reasons.get(changes[m], "")) for m in alive]
    # a mutant that was not tested yet keeps its reason
    survivors += [s for s in known if s.reason and found.get(s.mutant, 0) is None]
    return Record(
        module=module,
        commit=git("rev-parse", "--short", "HEAD"),
        digest=tried_with(module).read_text(),
        mutants=len(found),
        killed=sum(code in KILLED for code in found.values()),
        out_of_time=sum(code in OUT_OF_TIME for code in found.values()),
        untried=sum(code is None for code in found.values()),
        survivors=survivors,
    )


def changes_of(module: str, mutants: list[str]) -> dict[str, str]:
    """The changed lines of each mutant, with ``-`` and ``+`` before them."""
    found = subprocess.run(
        [sys.executable, "-c", SHOW, f"src/fyke/{module}", *mutants],
        cwd=WORK,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {mutant: changed_lines(diff) for mutant, diff in json.loads(found).items()}


def changed_lines(diff: str) -> str:
    lines = [line for line in diff.splitlines() if line[:1] in "+-"]
    return "\n".join(
        f"{line[0]} {line[1:].strip()}" for line in lines if line[:3] not in ("---", "+++")
    )


def git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def read_records() -> dict[str, Record]:
    if not RECORDS.exists():
        return {}
    found = tomllib.loads(RECORDS.read_text())["module"]
    records = (
        Record(**{**one, "survivors": [Survivor(**s) for s in one.get("survivors", ())]})
        for one in found
    )
    return {one.module: one for one in records if one.module in RULES}


def write_records(records: dict[str, Record]) -> None:
    head = "# Written by bench/mutants.py; only the reasons are written by hand.\n"
    RECORDS.write_text(head + "".join(toml_of(records[m]) for m in sorted(records)))


def toml_of(one: Record) -> str:
    members = asdict(one)
    survivors = members.pop("survivors")
    text = "\n[[module]]\n" + lines_of(members)
    return text + "".join("\n[[module.survivors]]\n" + lines_of(s) for s in survivors)


def lines_of(members: dict[str, str | int]) -> str:
    # a JSON text is a TOML text too
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in members.items())


def report(records: dict[str, Record]) -> int:
    for one in sorted(records.values(), key=lambda r: r.module):
        print(f"{one.killed:5} of {one.mutants:5} killed, {one.untried:4} untried  {one.module}")
    tried = sum(one.mutants - one.untried for one in records.values())
    killed = sum(one.killed for one in records.values())
    unexplained = [s.mutant for one in records.values() for s in one.survivors if not s.reason]
    share = killed / tried if tried else 0
    print(f"{killed:5} of {tried:5} tried mutants killed: {share:.1%} (aim {AIM:.0%})")
    print(f"{len(unexplained):5} survivors without a reason in {RECORDS.relative_to(ROOT)}")
    return int(share < AIM or bool(unexplained))


if __name__ == "__main__":
    sys.exit(main())
