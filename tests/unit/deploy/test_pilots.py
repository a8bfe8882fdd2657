"""What the command for pilots of Slurm does about its queue, and what their job is."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import fields
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from fyke.cli import root_supervisor, supervisor
from fyke.cli.main import app
from fyke.model.placement import PoolDemand

FOLDER = Path(__file__).parents[3] / "deploy" / "slurm"
PILOT = (FOLDER / "pilot.sbatch").read_text()


@pytest.fixture
def pilots(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("pilots", str(FOLDER / "pilots"))
    spec = importlib.util.spec_from_loader("pilots", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "pilots", module)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (6, (2, [], [])),
        (4, (0, [], [])),
        (3, (0, [12], [])),
        (2, (0, [12, 11], [])),
        (1, (0, [12, 11], [9])),
        (0, (0, [12, 11], [9])),  # one at each call
    ],
)
def test_waiting_pilots_are_removed_before_running_ones_drain(
    pilots: Any, wanted: int, expected: tuple[int, list[int], list[int]]
) -> None:
    states = ((12, "PENDING"), (10, "RUNNING"), (9, "RUNNING"), (11, "PENDING"))
    jobs = [pilots.Job(*job) for job in states]
    assert pilots.changes_for(wanted, jobs, drain=True) == expected
    # running ones leave by themselves when they are idle
    assert pilots.changes_for(wanted, jobs, drain=False) == (*expected[:2], [])


def test_the_demand_is_asked_for_by_the_columns_of_the_view(pilots: Any) -> None:
    query = pilots.QUERY.format(cpus=4, memory=6144, pool="default")
    columns = {field.name for field in fields(PoolDemand)}
    asked = set(re.findall(r"\w*(?:cpus|memory_mb)\b", query))
    assert asked and asked <= columns


def test_one_that_is_being_set_up_is_left_alone(pilots: Any) -> None:
    assert pilots.changes_for(0, [pilots.Job(1, "CONFIGURING")], drain=True) == (0, [], [])


def test_a_command_that_fails_says_why(pilots: Any) -> None:
    with pytest.raises(SystemExit, match="pilots: sh: no queue"):
        pilots.output("sh", "-c", "echo no queue >&2; exit 1")


def test_a_pilot_drains_before_its_time_ends() -> None:
    [signal] = re.findall(r"^#SBATCH --signal=B:TERM@(\d+)$", PILOT, re.MULTILINE)
    [drain] = re.findall(r"FYKE_DRAIN_SECONDS:-(\d+)", PILOT)
    longest = int(drain) + supervisor.IDLE_END_SECONDS
    longest += 5 * supervisor.STOP_SECONDS + root_supervisor.LAUNCHER_END_SECONDS
    assert int(signal) > longest


def test_the_command_of_a_pilot_exists() -> None:
    [command] = re.findall(r'^"\$\{PILOT_PROGRAM:-\S+\}" (.*) &$', PILOT, re.MULTILINE)
    at: Any = get_command(app)
    words = command.split()
    for word in ("node", "up"):
        assert words.pop(0) == word
        at = at.commands[word]
    known = {option for parameter in at.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_a_pilot_leaves_when_it_is_idle() -> None:
    [minutes] = re.findall(r"^idle=\$\{PILOT_IDLE_MINUTES:-(\d+)\}", PILOT, re.MULTILINE)
    assert int(minutes) > 0 and ' --leave --idle-minutes "$idle" &' in PILOT
