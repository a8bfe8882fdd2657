"""The units for systemd name commands, statuses, times and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from fyke.app.folder import NODE_FILE
from fyke.cli import root_supervisor, supervisor
from fyke.cli.errors import Exit
from fyke.cli.main import app
from fyke.settings import SYSTEM_HOME, Settings

UNITS = Path(__file__).parents[3] / "deploy" / "systemd"
PLATFORM, NODE = "fyke.service", "fyke-node.service"
OWN = {"Description", "ExecStart", "After", "ConditionPathExists", "RestartPreventExitStatus"}
# with any of these the launcher could make no sandbox; see the end of the unit
PREVENTED = {
    *("MemoryDenyWriteExecute", "PrivateDevices", "PrivateUsers", "ProtectControlGroups"),
    *("ProtectHostname", "ProtectKernelLogs", "ProtectKernelTunables", "ProtectProc"),
    "RestrictNamespaces",
}


def options(unit: str) -> dict[str, str]:
    """The options of a unit; those that are repeated are joined by spaces."""
    found: dict[str, str] = {}
    for line in (UNITS / unit).read_text().splitlines():
        if name := re.match(r"(\w+)=", line):
            value = line.partition("=")[2]
            found[name[1]] = f"{found[name[1]]} {value}" if name[1] in found else value
    return found


@pytest.mark.parametrize(("unit", "words"), [(PLATFORM, ["up"]), (NODE, ["node", "up"])])
def test_the_command_exists(unit: str, words: list[str]) -> None:
    program, *given = options(unit)["ExecStart"].split()
    assert (program, given) == ("/opt/fyke/.venv/bin/fyke", words)
    at = get_command(app)
    for word in given:
        at = at.commands[word]  # type: ignore[attr-defined]
    assert f"prefix={Path(program).parents[2]}\n" in (UNITS.parents[1] / "script/up").read_text()


def test_a_node_that_is_not_served_any_more_is_not_started_again() -> None:
    node = options(NODE)
    assert node["Restart"] == "on-failure"
    assert node["RestartPreventExitStatus"] == str(int(Exit.NODE_ENDED))
    assert node["ConditionPathExists"] == str(SYSTEM_HOME / NODE_FILE)


@pytest.mark.parametrize("unit", [PLATFORM, NODE])
def test_a_stop_may_take_as_long_as_draining_and_every_role(unit: str) -> None:
    roles = 5 if unit == PLATFORM else 3
    longest = Settings.model_fields["drain_seconds"].default + supervisor.IDLE_END_SECONDS
    longest += roles * supervisor.STOP_SECONDS + root_supervisor.LAUNCHER_END_SECONDS
    assert int(options(unit)["TimeoutStopSec"]) > longest
    assert options(unit)["KillMode"] == "mixed"


@pytest.mark.parametrize("unit", [PLATFORM, NODE])
def test_a_unit_has_no_settings_and_prevents_no_sandbox(unit: str) -> None:
    names = set(options(unit))
    assert not names & {"Environment", "EnvironmentFile", "User", *PREVENTED}
    text = (UNITS / unit).read_text()
    assert all(name in text for name in PREVENTED)  # the unit says so


def test_both_units_allow_the_same() -> None:
    shared = [
        {name: value for name, value in options(unit).items() if name not in OWN}
        for unit in (PLATFORM, NODE)
    ]
    assert shared[0] == shared[1]
    assert {"NoNewPrivileges", "CapabilityBoundingSet", "ProtectSystem"} <= set(shared[0])
