"""The start of ``script/up --nodes``. The nodes are in the end-to-end tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from typer.main import get_command

from fyke.cli.main import app

AS_SERVICE = "service_uid=$UID service_gid=$(id -g)"  # for as_service
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


def test_the_options_of_the_start_are_checked_before_anything_is_made(tmp_path: Path) -> None:
    fyke = tmp_path / ".venv" / "bin" / "fyke"
    fyke.parent.mkdir(parents=True)
    fyke.write_text('#!/bin/sh\necho "$*" >>"$0.asked"\n[ "$1 $2" != "up --check" ] || exit 2\n')
    fyke.chmod(0o755)
    done = bash('up_with_nodes 3 "$@"', tmp_path, "--home", tmp_path / "home", "--port", "99999")
    assert (done.returncode, done.stderr) == (2, "")
    asked = fyke.with_name("fyke.asked").read_text()
    assert asked == f"up --check --tour --tour-nodes 3 --home {tmp_path}/home --port 99999\n"
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("end", "how"), [("kill -9 $$", "by the signal KILL"), ("exit 7", "with status 7")]
)
def test_a_node_that_ends_is_named_with_what_starts_it_again(
    tmp_path: Path, end: str, how: str
) -> None:
    program, folder = a_program(tmp_path, f'echo "$*"; {end}'), tmp_path / "n1"
    folder.mkdir()
    done = bash(f'{AS_SERVICE}; watch_node "$@"', program, folder, "n1", "", "")
    assert done.returncode == 0
    assert done.stderr == (
        f"The node n1 has ended {how}; its log is {folder}/node.log. Start it again with\n"
        f"  script/fyke node up --home '{folder}'\n"
        "It is then a process of its own: end it yourself, before script/up ends.\n"
    )


def test_a_node_that_is_stopped_is_not_reported(tmp_path: Path) -> None:
    program, folder = a_program(tmp_path, "echo started; exec sleep 60"), tmp_path / "n1"
    folder.mkdir()
    log = 'until grep -qs started "$2/node.log"; do sleep 0.05; done'
    script = f'{AS_SERVICE}; watch_node "$@" & pid=$!; {log}; kill $pid; wait $pid'
    done = bash(script, program, folder, "n1", "", "")
    assert (done.returncode, done.stderr) == (0, "")


def test_only_a_node_with_a_new_certificate_needs_no_token(tmp_path: Path) -> None:
    script = f'{AS_SERVICE}; has_joined "$1" && echo joined || echo not'
    assert bash(script, tmp_path).stdout == "not\n"
    (tmp_path / "node.json").write_text("{}")
    assert bash(script, tmp_path).stdout == "joined\n"
    old = time.time() - 21 * 3600
    os.utime(tmp_path / "node.json", (old, old))
    assert bash(script, tmp_path).stdout == "not\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--bogus"], "there is no option --bogus"),
        (["--nodes", "3", "--noeds=4"], "there is no option --noeds=4"),
        (["now"], "there is no option now"),
        (["--once", "--port"], "--port needs a value"),
    ],
)
def test_an_unknown_option_is_refused_with_those_that_there_are(
    arguments: list[str], problem: str
) -> None:
    done = subprocess.run(
        [LIB.parent / "up", *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"\nscript/up: {problem}\n")
    for option in ("--nodes N", "--once", "--browser", "--install", "--url URL"):
        assert f"\n  {option} " in done.stderr


def test_the_options_of_fyke_up_are_those_of_the_script() -> None:
    script = (LIB.parent / "up").read_text()
    command = get_command(app).commands["up"]  # type: ignore[attr-defined]
    for param in command.params:
        [option] = param.opts
        if not param.hidden and option != "--help":
            assert f" {option} " in script or f" {option})" in script, option
            assert param.is_flag or f" {option}=*" in script, option
            assert option in script.split("HELP")[1], option


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
