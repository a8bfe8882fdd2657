"""What ``script/up`` does while another one installs, and while Fyke runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SETUP = Path(__file__).parents[3] / "script" / "lib" / "setup.sh"


def bash(script: str, prefix: Path) -> subprocess.Popen[str]:
    """Start a shell that has read setup.sh; ``$1`` is the prefix."""
    return subprocess.Popen(
        ["bash", "-c", f'set -euo pipefail; source "$0"; {script}', SETUP, prefix],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_installation_waits_for_the_first(tmp_path: Path) -> None:
    first = bash(
        'lock_prefix "$1"; echo locked; read -r; echo installed; unlock_prefix; read -r', tmp_path
    )
    assert first.stdin is not None
    assert first.stdout is not None
    assert first.stdout.readline() == "locked\n"
    second = bash('lock_prefix "$1"; echo locked', tmp_path)
    assert second.stderr is not None
    assert second.stderr.readline() == (
        f"Another script/up is installing Fyke into {tmp_path}; waiting until it has finished.\n"
    )
    assert second.poll() is None
    first.stdin.write("\n")
    first.stdin.flush()
    assert second.communicate() == ("locked\n", "")  # the first one runs on, without the lock
    assert first.communicate("\n")[0] == "installed\n"


def test_a_program_of_the_debian_package_is_not_replaced(tmp_path: Path) -> None:
    own = (
        'dpkg() { [[ "$*" == "-S $prefix/.venv/bin/fyke" ]]; }; prefix=$1; refuse_if_packaged "$1"'
    )
    refused = bash(f"{own}; echo not reached", tmp_path)
    output, message = refused.communicate()
    assert (refused.returncode, output) == (1, "")
    assert f"Fyke in {tmp_path} belongs to the Debian package fyke." in message
    assert bash(
        'dpkg() { return 1; }; refuse_if_packaged "$1"; echo goes on', tmp_path
    ).communicate() == ("goes on\n", "")


def test_the_files_of_a_running_fyke_are_not_replaced(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    package = tmp_path / "fyke"
    package.mkdir()
    (package / "supervise.py").write_text("print('runs', flush=True)\ninput()\n")
    install = '_pip() { echo installed; }; _install_program "$1" copy'
    assert bash(install, tmp_path).communicate()[0] == "installed\n"
    with subprocess.Popen(
        [python, "-m", "fyke.supervise"],
        cwd=tmp_path,
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "runs\n"
        refused = bash(install, tmp_path)
        output, message = refused.communicate()
        running.communicate("\n")
    assert (refused.returncode, output) == (1, "")
    assert message.startswith(f"Fyke is running from {tmp_path} (process {running.pid}), and")
    assert bash(install, tmp_path).communicate()[0] == "installed\n"


def test_an_installation_alone_takes_no_options_of_a_start() -> None:
    up = SETUP.parents[1] / "up"
    refused = subprocess.run([up, "--install", "--once"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "--install starts nothing" in refused.stderr
