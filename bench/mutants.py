"""Change the pure rules one operator, constant or argument at a time; the unit tests must notice.

    python bench/mutants.py [--processes 2] [--again] [MODULE ...]

A module is a path below ``src/fyke``; without one, all of ``RULES``. Stop at any moment with
Ctrl-C: mutants that were tried stay tried, and what is known is in ``docs/mutants.toml``, with the
commit. A module whose source and tests are those of a complete record there is not tried again, on
whatever machine that was; ``--again`` tries it again. Survivors keep the reason that was written
beside them as long as their change is the same. Ends with 1 when fewer than 90 % were killed or a
survivor has no reason. Needs ``mutmut``, which nothing else of Fyke needs and which is therefore in
no requirements file: ``uv pip install mutmut`` into the environment of the tests.
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
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs" / "mutants.toml"
WORK = ROOT / ".mutants"  # mutmut's copy of the tree and its verdicts
AIM = 0.9
RULES = {
    "domain/billing/caps.py": "unit/domain/billing",
    "domain/billing/pricing.py": "unit/domain/billing",
    "domain/callbacks/payload.py": "unit/domain/callbacks",
    "domain/callbacks/schedule.py": "unit/domain/callbacks",
    "domain/callbacks/signing.py": "unit/domain/callbacks",
    "domain/callbacks/url.py": "unit/domain/callbacks",
    "domain/runs/lifecycle.py": "unit/domain/runs",
    "domain/runs/outcome.py": "unit/domain/runs",
    "domain/runs/split.py": "unit/domain/runs",
    "domain/schedules/due.py": "unit/domain/schedules",
    "domain/schedules/rules.py": "unit/domain/schedules",
    "domain/schedules/times.py": "unit/domain/schedules",
    "domain/workers/input_schema.py": "unit/domain/workers",
    "domain/workers/input_values.py": "unit/domain/workers",
    "domain/workers/parameters.py": "unit/domain/workers",
    "egress/rules.py": "unit/egress",
}
KILLED = (1, 3, 24, -24, 36, 152, 255)  # a test failed, or the mutant ran out of its time
SETTINGS = """\
[tool.mutmut]
source_paths = ["src"]
only_mutate = {modules}
also_copy = ["script"]
track_dependencies = false
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not long"]
pytest_add_cli_args_test_selection = {tests}
"""


@dataclass
class Survivor:
    mutant: str
    change: str
    reason: str = ""


@dataclass
class Record:
    """What is known of one module: ``digest`` is of its source and its tests."""

    module: str
    commit: str
    digest: str
    mutants: int
    killed: int
    untried: int
    survivors: list[Survivor] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--again", action="store_true", help="also what is recorded as complete")
    options = parser.parse_args()
    if importlib.util.find_spec("mutmut") is None:
        print(f"mutmut is not installed: uv pip install --python {sys.executable} mutmut")
        return 2
    if unknown := set(options.modules) - RULES.keys():
        parser.error(f"not among the rules: {', '.join(sorted(unknown))}")
    records = read_records()
    wanted = [
        module
        for module in options.modules or RULES
        if options.again or not complete(records.get(module), module)
    ]
    if wanted:
        try_mutants(wanted, options.processes)
        for module in wanted:
            records[module] = record(module, records.get(module))
        write_records(records)
    return report(records)


def complete(known: Record | None, module: str) -> bool:
    return known is not None and known.untried == 0 and known.digest == digest(module)


def digest(module: str) -> str:
    tests = sorted((ROOT / "tests" / RULES[module]).rglob("*.py"))
    files = [ROOT / "src/fyke" / module, *tests]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def try_mutants(modules: Sequence[str], processes: int) -> None:
    WORK.mkdir(exist_ok=True)
    for name in ("src", "tests", "script"):
        if not (WORK / name).is_symlink():
            (WORK / name).symlink_to(ROOT / name)
    tests = sorted({f"tests/{RULES[module]}" for module in modules})
    paths = [f"src/fyke/{module}" for module in modules]
    project = (ROOT / "pyproject.toml").read_text()
    settings = SETTINGS.format(modules=json.dumps(paths), tests=json.dumps(tests))
    (WORK / "pyproject.toml").write_text(f"{project}\n{settings}")
    mutmut = Path(sys.executable).with_name("mutmut")
    command = [mutmut, "run", "--max-children", str(processes)]
    # few examples of each property, and no deadline: counting the calls of a test makes it slow
    child = subprocess.Popen(command, cwd=WORK, env={**os.environ, "TEST_EXAMPLES": "few"})
    try:
        code = child.wait()
    except KeyboardInterrupt:  # mutmut was sent it too, and saves what it knows
        code = child.wait()
    if code > 0:
        sys.exit(f"mutmut ended with {code}")


def record(module: str, before: Record | None) -> Record:
    """What mutmut knows of ``module`` now; reasons come from ``before``."""
    found = json.loads((WORK / f"mutants/src/fyke/{module}.meta").read_text())["exit_code_by_key"]
    reasons = {s.change: s.reason for s in before.survivors} if before else {}
    survivors = []
    for mutant, code in sorted(found.items()):
        if code is not None and code not in KILLED:
            change = change_of(mutant)
            survivors.append(Survivor(mutant, change, reasons.get(change, "")))
    return Record(
        module=module,
        commit=git("rev-parse", "--short", "HEAD"),
        digest=digest(module),
        mutants=len(found),
        killed=sum(code in KILLED for code in found.values()),
        untried=sum(code is None for code in found.values()),
        survivors=survivors,
    )


def change_of(mutant: str) -> str:
    """The changed lines of ``mutant``, with ``-`` and ``+`` before them."""
    mutmut = Path(sys.executable).with_name("mutmut")
    shown = subprocess.run(
        [mutmut, "show", mutant], cwd=WORK, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    lines = [line for line in shown if line[:1] in "+-" and line[:3] not in ("---", "+++")]
    return "\n".join(" ".join([line[0], line[1:].strip()]) for line in lines)


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
