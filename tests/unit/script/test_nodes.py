"""The data folder that ``script/up --nodes`` prepares. The nodes are in the end-to-end tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

LIB = Path(__file__).parents[3] / "script" / "lib"


def bash(script: str, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script that has read the two files, as a user who has no service user."""
    start = f'set -euo pipefail; cd "$0"; source ./setup.sh; source ./nodes.sh; {script}'
    return subprocess.run(
        ["bash", "-c", start, LIB, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere", **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "env", "home"),
    [
        (["--home", "/a/../b"], {}, "/b"),
        (["--once", "--home=/c", "--port", "0"], {"FYKE_HOME": "/d"}, "/c"),
        (["--once"], {"FYKE_HOME": "/d"}, "/d"),
        ([], {}, "/var/lib/fyke" if os.geteuid() == 0 else "/nowhere/.fyke"),
    ],
)
def test_the_data_folder_is_that_of_fyke_up(
    arguments: list[str], env: dict[str, str], home: str
) -> None:
    assert bash('home_of "$@"', *arguments, **env).stdout == f"{home}\n"


def test_an_installation_on_sqlite_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    done = bash('prepare_home "$1"', tmp_path)
    assert (done.returncode, os.listdir(tmp_path)) == (1, ["state.db"])
    assert f"The installation in {tmp_path} is on SQLite" in done.stderr


def test_settings_without_a_database_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("would give the folder to the service user")
    config = tmp_path / "config.toml"
    config.write_text("port = 1\n")
    done = bash('prepare_home "$1"', tmp_path)
    assert done.returncode == 1
    assert f"{config} has no database_url" in done.stderr
    assert config.read_text() == "port = 1\n"


@pytest.mark.parametrize("number", ["10", "x", "-1", ""])
def test_the_number_of_nodes_is_one_digit(number: str) -> None:
    done = subprocess.run(
        [LIB.parent / "up", "--nodes", number], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "script/up: --nodes needs a number from 1 to 9\n"
