"""The results of ``bench/torture.py`` accumulate in a file, and the page shows them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "bench"))

from markdown_tables import write_page  # noqa: E402
from reliability.checks import LOST, STUCK, Violation  # noqa: E402
from reliability.kinds import KINDS  # noqa: E402
from reliability.records import COMMAND, Records, Round, page_part, put_away, tables  # noqa: E402

KILLS = Round(
    targets=["server", "runner", "server"],
    runs=5,
    rows=400,
    ended=2,
    sealed=4,
    deleted=1,
    seconds=9.2,
    seed="7-1",
    violations=[],
    saw={"succeeded": 4, "failed runner_lost": 1},
    away=1.2,
    waited=3.0,
)
BROKEN = Round(
    targets=["tree"],
    runs=4,
    rows=100,
    ended=4,
    sealed=3,
    deleted=0,
    seconds=20.0,
    seed="7-2",
    violations=[
        Violation(LOST, 'rows 3 of 9 are not in its "pages"'),
        Violation(LOST, "rows 4"),
        Violation(STUCK, "31 s | without\nprogress"),
    ],
)
AIMS = {"kill": {"sqlite": 1000, "postgres": 1000}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    records = Records(tmp_path / "reliability.toml")
    records.add("abc", "kill", "sqlite", KILLS, "2026-11-28")
    return records.path


def test_another_session_adds_to_the_file(path: Path) -> None:
    records = Records(path)
    records.add("abc", "kill", "sqlite", BROKEN, "2026-11-29")
    [total] = Records(path).totals
    assert (total.rounds, total.faults, total.runs, total.rows) == (2, 4, 9, 500)
    assert (total.ended, total.violations) == (6, 3)
    assert (total.sealed, total.deleted) == (7, 1)
    assert (total.first, total.last) == ("2026-11-28", "2026-11-29")
    assert total.targets == {"server": 2, "runner": 1, "tree": 1}


def test_sessions_at_the_same_time_add_to_each_other(path: Path) -> None:
    first, second = Records(path), Records(path)
    first.add("abc", "kill", "sqlite", KILLS, "2026-11-28")
    second.add("abc", "kill", "sqlite", KILLS, "2026-11-28")
    assert second.faults("kill", "sqlite") == 9
    assert Records(path).faults("kill", "sqlite") == 9


def test_commits_and_databases_have_totals_of_their_own(path: Path) -> None:
    records = Records(path)
    records.add("def", "kill", "sqlite", KILLS, "2026-11-29")
    records.add("def", "kill", "postgres", KILLS, "2026-11-29")
    again = Records(path)
    assert [(t.commit, t.database, t.faults) for t in again.totals] == [
        ("abc", "sqlite", 3),
        ("def", "sqlite", 3),
        ("def", "postgres", 3),
    ]
    assert again.faults("kill", "sqlite") == 6
    assert again.faults("freeze", "sqlite") == 0


def test_one_violation_per_rule_is_kept_with_the_seed_of_its_round(path: Path) -> None:
    Records(path).add("abc", "kill", "sqlite", BROKEN, "2026-11-28")
    lost, stuck = Records(path).found
    assert (lost.rule, lost.cases, lost.seed, lost.targets) == (LOST, 2, "7-2", "tree")
    assert lost.text == 'rows 3 of 9 are not in its "pages"'
    assert (stuck.rule, stuck.cases, stuck.text) == (STUCK, 1, "31 s | without\nprogress")


def test_the_tables_show_totals_aims_and_violations(path: Path) -> None:
    records = Records(path)
    assert "## Violations\n\nNone.\n" in tables(records, AIMS)
    records.add("def", "kill", "sqlite", BROKEN, "2026-11-29")
    text = tables(records, AIMS)
    assert "| kill | sqlite | 4 | 1,000 | 9 | 500 | 7 | 1 | 6 | 3 |" in text
    assert "| kill | postgres | 0 | 1,000 | 0 | 0 | 0 | 0 | 0 | 0 |" in text
    assert "| 2026-11-28 | runner 1, server 2 |" in text
    assert "| `def` | kill | sqlite | stuck | 1 | 1 | tree: 31 s   without progress |" in text


def test_new_totals_leave_the_old_ones_in_a_page_that_is_linked(path: Path) -> None:
    page = put_away(path, AIMS)
    assert page == path.parent / "reliability" / "2026-11-28-abc.md"
    assert "| kill | sqlite | 3 | 1,000 |" in page.read_text()
    assert Records(page.with_suffix(".toml")).faults("kill", "sqlite") == 3
    records = Records(path)
    assert records.faults("kill", "sqlite") == 0
    assert "[2026-11-28-abc](reliability/2026-11-28-abc.md)" in page_part(records, AIMS)
    assert "Older totals" not in page.read_text()
    assert put_away(path, AIMS) is None


def test_only_the_marked_part_of_the_page_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- written by bench/torture.py -->\nold\n<!-- end -->\nrest\n")
    for _ in range(2):
        write_page(page, COMMAND, "new\n")
        assert page.read_text().startswith("# Title\n\n<!-- written by bench/torture.py -->\n")
        assert page.read_text().endswith("\nnew\n\n<!-- end -->\nrest\n")
    page.write_text("# Title\n")
    with pytest.raises(ValueError, match="has no part"):
        write_page(page, COMMAND, "new\n")


def test_the_page_shows_the_totals_that_are_recorded(tmp_path: Path) -> None:
    page, copy = ROOT / "docs" / "reliability.md", tmp_path / "page.md"
    copy.write_text(page.read_text())
    aims = {kind.name: kind.aims for kind in KINDS.values()}
    write_page(copy, COMMAND, page_part(Records(ROOT / "docs" / "reliability.toml"), aims))
    assert copy.read_text() == page.read_text()


def test_what_users_saw_is_added_up_and_shown(path: Path) -> None:
    records = Records(path)
    assert "## What users saw\n\nNot recorded yet.\n" in tables(records, {"freeze": {"sqlite": 1}})
    records.add("def", "kill", "sqlite", KILLS, "2026-11-29")
    records.add("def", "kill", "postgres", BROKEN, "2026-11-29")
    text = tables(Records(path), AIMS)
    assert "| kill | sqlite | 8 succeeded, 2 failed runner_lost | 2 | 4 |" in text
    assert "| kill | postgres | 4 succeeded" not in text  # that round recorded nothing
