"""Figures that the benchmarks record, the table of aims, and the page that is made from them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "bench"))

import aims  # noqa: E402
import sitting  # noqa: E402
from aims import ROWS, Beside, Row, aim_text, met, table  # noqa: E402
from common import line, times  # noqa: E402
from markdown_tables import with_part  # noqa: E402
from records import (  # noqa: E402
    Take,
    Takes,
    amount,
    from_lines,
    read_takes,
    shown,
    unit_of,
    write_takes,
)

FAST = {"name": "read", "rate_per_s": 9000.0, "p50_ms": 2.0, "p99_ms": 8.0}
LIMIT = {"name": "bare", "rate_per_s": 10_000.0}


def a_take(date: str = "2026-11-28 10:00", *figures: dict[str, object], script: str = "x") -> Take:
    return Take(script, f"bench/{script}.py", date, "abc", "a machine", figures=list(figures))


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lines"
    monkeypatch.setenv("BENCH_FIGURES", str(path))
    return path


def test_what_is_printed_is_recorded_with_its_values(
    lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line("  a rate", "1,234 rows/s", rate_per_s=1234.5678)
    line("a remark", "nothing was measured")
    times("a time", [1.0, 2.0, 30.0])
    assert [json.loads(text) for text in lines.read_text().splitlines()] == [
        {"name": "a rate", "rate_per_s": 1235.0},
        {"name": "a time", "p50_ms": 2.0, "p90_ms": 30.0, "p99_ms": 30.0, "n": 3},
    ]
    assert "a remark" in capsys.readouterr().out


def test_without_the_variable_nothing_is_recorded(
    lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BENCH_FIGURES")
    line("a rate", "1 row/s", rate_per_s=1)
    assert not lines.exists()


def test_the_lines_of_a_benchmark_are_its_take() -> None:
    head = {"command": "bench/x.py --runs 2", "date": "2026-11-28 10:00", "commit": "abc",
            "machine": "2 cores", "versions": "Python", "load": 0.5}  # fmt: skip
    text = f"{json.dumps(head)}\n{json.dumps(FAST)}\n"
    found = from_lines("x", text, 12)
    assert (found.command, found.load, found.seconds) == ("bench/x.py --runs 2", 0.5, 12)
    assert found.values("read")["p99_ms"] == 8.0
    assert found.values("another") == {}
    with pytest.raises(ValueError, match="no header"):
        from_lines("x", json.dumps(FAST), 12)


def test_takes_survive_their_file(tmp_path: Path) -> None:
    takes = Takes([a_take("2026-11-27", FAST), a_take("2026-11-28", LIMIT), a_take("2026-11-26")])
    write_takes(takes, tmp_path / "file.json")
    assert read_takes(tmp_path / "file.json").takes == takes.takes
    assert read_takes(tmp_path / "absent.json").takes == []


def test_the_latest_take_that_has_a_value_is_used() -> None:
    takes = Takes(
        [
            a_take("2026-11-27", {"name": "read", "rate_per_s": 1, "cpu_us": 5}),
            a_take("2026-11-28", {"name": "read", "rate_per_s": 2}),
        ]
    )
    assert takes.find("x", "read", "rate_per_s").values["rate_per_s"] == 2
    assert takes.find("x", "read", "cpu_us").take.date == "2026-11-27"
    assert takes.find("x", "read", "p50_ms") is takes.find("y", "read", "rate_per_s") is None


def test_newer_takes_replace_all_of_their_benchmark() -> None:
    old, other = a_take("2026-11-27", FAST), a_take("2026-11-27", LIMIT, script="y")
    new = a_take("2026-11-28", FAST)
    takes, replaced = Takes([old, other]).replaced_by([new])
    assert (takes.takes, replaced) == ([new, other], [old])
    assert takes.replaced_by([new])[1] == []


@pytest.mark.parametrize(
    ("value", "figure", "text"),
    [
        ("p50_ms", 25.34, "p50 25.3 ms"),
        ("p99_ms", 10_200, "p99 10.2 s"),
        ("rate_per_s", 8063.4, "8,063/s"),
        ("rate_mb_per_s", 2097, "2,097 MB/s"),
        ("cpu_us", 130, "130 us of CPU"),
        ("ratio", 0.215, "0.215 of the limit"),
        ("grown_mib", 3.2, "memory +3.2 MiB"),
        ("more_syncs", 1.32, "1.32 syncs"),
        ("slower_count", 0, "0"),
    ],
)
def test_values_are_shown_with_their_units(value: str, figure: float, text: str) -> None:
    assert shown(value, figure) == text
    assert amount(value, figure) in text


def test_a_value_without_a_unit_is_refused() -> None:
    with pytest.raises(KeyError, match="does not end in a unit"):
        unit_of("p50")


@pytest.mark.parametrize(
    ("conditions", "verdict"),
    [
        ("", ""),
        ("p50_ms <= 2", "yes"),
        ("p50_ms <= 1.9", "**no**"),
        ("rate_per_s >= 9000, p99_ms <= 8", "yes"),
        ("rate_per_s >= 9001, p99_ms <= 8", "**no**: at least 9,001/s"),
        ("rate_per_s >= 9001, p99_ms <= 7", "**no**"),
        ("p99_ms/p50_ms <= 4", "yes"),
        ("p99_ms/p50_ms <= 3.9", "**no**"),
        ("rate_per_s/limit >= 0.9", "yes"),
        ("rate_per_s/limit >= 0.91", "**no**"),
    ],
)
def test_an_aim_is_met_or_missed(conditions: str, verdict: str) -> None:
    takes = Takes([a_take("2026-11-28", FAST, LIMIT)])
    limit = Beside("bare", "x", "bare", "rate_per_s")
    row = Row("reads", "a read", "x", "read", "rate_per_s p99_ms", conditions, (limit,))
    assert met(row, row.found(takes), takes) == verdict
    assert met(row, None, takes) == ("not known" if conditions else "")


def test_aims_are_written_as_words() -> None:
    assert aim_text("p50_ms <= 20") == "p50 at most 20 ms"
    assert aim_text("p99_ms/p50_ms <= 3") == "p99 at most 3 times p50"
    assert aim_text("rate_per_s/limit >= 0.5") == aim_text("ratio >= 0.5")
    with pytest.raises(ValueError, match="not a condition"):
        aim_text("fast")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.area}: {row.title}")
def test_every_row_refers_to_a_benchmark_and_to_values_with_units(row: Row) -> None:
    assert (ROOT / "bench" / f"{row.script}.py").exists()
    for value in row.values.split():
        unit_of(value)
    for condition in row.aims.split(", ") if row.aims else ():
        value, divisor, _, _ = aims.parts(condition)
        assert value in row.values.split()
        assert divisor in ("", "limit", *row.values.split())
    for beside in (*row.limits, *row.peers):
        assert (ROOT / "bench" / f"{beside.script}.py").exists()
        unit_of(beside.value)


def test_every_benchmark_of_the_table_is_run_by_the_command_or_runs_alone() -> None:
    run = {step.script for step in (*sitting.STEPS, *sitting.PEERS)}
    alone = {"suite", "mutants"}  # they take longer than all others
    assert {row.script for row in ROWS} <= run | alone
    assert all((ROOT / "bench" / f"{name}.py").exists() for name in run)


def test_the_page_shows_what_is_recorded() -> None:
    page = (ROOT / "docs" / "figures.md").read_text()
    assert with_part(page, sitting.COMMAND, table(read_takes())) == page, "run bench/all --pages"


def test_an_absent_figure_of_the_table_is_found() -> None:
    abort = a_take("2026-11-28", {"name": "nothing left, ends by SIGTERM", "p99_ms": 1},
                   script="abort")  # fmt: skip
    assert sitting.absent(abort) == ["nothing left, ignores SIGTERM, after the SIGKILL: p99_ms"]
    assert "one connection, direct: rate_mb_per_s" in sitting.absent(a_take(script="egress"))


# --- the command ------------------------------------------------------------------------------

BENCHMARK = """from common import head, line
head("A benchmark")
line("figure", "1 ms", p50_ms=1)
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one benchmark, ``one.py``."""
    folder = tmp_path / "bench"
    folder.mkdir()
    (folder / "one.py").write_text(
        f"import sys\nsys.path.append({str(ROOT / 'bench')!r})\n{BENCHMARK}"
    )
    monkeypatch.setattr(sitting, "ROOT", tmp_path)
    return folder


@pytest.mark.slow
def test_a_benchmark_that_has_ended_is_not_run_again_for_the_same_commit(bench: Path) -> None:
    step = sitting.Step("one")
    first = sitting.Sitting(bench / "kept", "abc")
    taken = first.take(step, ["--runs", "3"])
    assert taken.values("figure") == {"p50_ms": 1}
    assert taken.command == "bench/one.py --runs 3"
    assert sitting.Sitting(bench / "kept", taken.commit).kept(step) == taken
    assert sitting.Sitting(bench / "kept", "another").kept(step) is None


@pytest.mark.slow
def test_figures_of_a_benchmark_that_failed_are_not_kept(bench: Path) -> None:
    with (bench / "one.py").open("a") as file:
        file.write("sys.exit(1)\n")
    session = sitting.Sitting(bench / "kept", "abc")
    with pytest.raises(subprocess.CalledProcessError):
        session.take(sitting.Step("one"), [])
    assert not session.path(sitting.Step("one")).exists()


STOPPING = """import os, signal, sys, time
try:
    os.kill(os.getppid(), signal.{signal})
    if {waits}:
        signal.pause()
except KeyboardInterrupt:
    pass
time.sleep(0.6)  # stops its platform, longer than subprocess.run waits
open(sys.argv[1], "w").close()
"""
STOPPED = """import signal, sys
import sitting
signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
try:
    sitting.run(sys.argv[1:], {})
except KeyboardInterrupt:
    sys.exit("stopped")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "waits"), [("SIGINT", False), ("SIGTERM", True)])
def test_a_stopped_benchmark_has_time_to_end_its_platform(
    tmp_path: Path, name: str, waits: bool
) -> None:
    code, ended = STOPPING.format(signal=name, waits=waits), tmp_path / "ended"
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, sys.executable, "-c", code, str(ended)],
        cwd=ROOT / "bench", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "stopped\n")
    assert ended.exists()


def test_replaced_takes_are_kept_by_their_day(tmp_path: Path) -> None:
    page = tmp_path / "figures.md"
    page.write_text("# Figures\n\n<!-- written by bench/all -->\n<!-- end -->\n")
    old = read_takes()
    write_takes(old, tmp_path / "latest.json")
    [abort] = [take for take in old.takes if take.script == "abort"]
    new = a_take("2026-12-01 10:00", *abort.figures, script="abort")
    for _ in range(2):
        sitting.publish([new], page, tmp_path)
        assert read_takes(tmp_path / f"{abort.day}.json").takes == [abort]
        assert new in read_takes(tmp_path / "latest.json").takes
        assert abort not in read_takes(tmp_path / "latest.json").takes
    assert "`bench/abort.py`, 2026-12-01" in page.read_text()
    assert (tmp_path / "rows.svg").exists()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SystemExit, match="nothing: not one of boot"):
        sitting.chosen(["nothing"], peers=False)
    assert sitting.chosen([], peers=False) == [*sitting.STEPS]
    assert sitting.chosen([], peers=True) == [*sitting.STEPS, *sitting.PEERS]
    assert sitting.chosen(["peer_jobs"], peers=False) == [sitting.PEERS[0]]
