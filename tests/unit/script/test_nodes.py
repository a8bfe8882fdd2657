"""The start of ``script/up --nodes``. The nodes are in the end-to-end tests."""

from __future__ import annotations

import os
import shutil
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
    ("arguments", "option"),
    [
        (["--home", "a b", "--once"], "--home,a b,"),
        (["--once", "--home=/c", "--port", "0"], "--home=/c,"),
        (["--once"], ""),
    ],
)
def test_the_data_folder_is_that_of_fyke_up(arguments: list[str], option: str) -> None:
    done = bash('home_option "$@"; printf \'%s,\' ${home_option+"${home_option[@]}"}', *arguments)
    assert done.stdout == (option or ",")


def a_program(folder: Path, answer: str) -> Path:
    """A program that answers fyke nodes-home."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    return program


def test_a_second_start_is_refused_while_the_first_has_the_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    program = a_program(tmp_path, f"printf '1\\n2\\n\\n%s\\n' '{home}'")
    script = 'enter_home "$1"; echo "$service_uid $service_gid [$database_url] $home"'
    assert bash(script, program).stdout == f"1 2 [] {home}\n"
    second = bash(f'{script}; ( exec 8<&-; enter_home "$1" )', program)
    assert (second.returncode, second.stdout) == (1, f"1 2 [] {home}\n")
    assert f"Another script/up --nodes runs in {home}" in second.stderr


def test_a_folder_that_the_program_refuses_ends_the_script(tmp_path: Path) -> None:
    program = a_program(tmp_path, "echo refused >&2; exit 5")
    done = bash('enter_home "$1"; echo not reached', program)
    assert (done.returncode, done.stdout, done.stderr) == (5, "", "refused\n")


@pytest.mark.parametrize("exists", [False, True])
def test_debian_makes_no_cluster_unless_there_is_one(tmp_path: Path, exists: bool) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("only root installs packages, on Debian")
    if exists:
        cluster = tmp_path / "postgresql" / "15" / "main"
        cluster.mkdir(parents=True)
        (cluster / "postgresql.conf").touch()
    assert bash('make_no_cluster "$1"', tmp_path).returncode == 0
    file = tmp_path / "postgresql-common" / "createcluster.d" / "fyke.conf"
    assert file.exists() is not exists
    assert exists or "\ncreate_main_cluster = false\n" in file.read_text()


@pytest.mark.parametrize("number", ["0", "10", "x", "-1", ""])
def test_the_number_of_nodes_is_one_digit(number: str) -> None:
    done = subprocess.run(
        [LIB.parent / "up", "--nodes", number], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "script/up: --nodes needs a number from 1 to 9\n"


@pytest.mark.parametrize("url", [["--url", "http://a.example"], ["--url=http://a.example"]])
def test_a_job_with_one_start_page_is_refused(url: list[str]) -> None:
    done = subprocess.run(
        [LIB.parent / "up", "--nodes", "3", *url], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("script/up: --url names one start page")
