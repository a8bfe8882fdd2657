"""One round of each kind of fault of ``bench/torture.py`` for one machine, and of one for several
machines, which must break no rule.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from reliability.faults import KINDS  # noqa: E402

CASES = [(kind.name, database) for kind in KINDS.values() for database in kind.aims]
CASES.append(("node_kill", "postgres"))


@pytest.mark.long
@pytest.mark.needs("postgres")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "database"), CASES)
def test_a_round_breaks_no_rule(kind: str, database: str, tmp_path: Path) -> None:
    records = tmp_path / "reliability.toml"
    command = [sys.executable, str(ROOT / "bench" / "torture.py"), "--short", "--kinds", kind]
    done = subprocess.run(
        [*command, "--database", database, "--records", str(records), "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=580,
    )
    skipped = [line for line in done.stdout.splitlines() if line.startswith("skipped:")]
    if skipped:
        pytest.skip(skipped[0])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    [total] = tomllib.loads(records.read_text())["total"]
    assert (total["kind"], total["database"], total["violations"]) == (kind, database, 0)
    assert total["runs"] > 0
    assert total["rows"] > 0
