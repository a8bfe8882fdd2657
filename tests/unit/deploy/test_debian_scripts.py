"""The scripts of the Debian package, in a folder instead of the root of a machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FILES = Path(__file__).parents[3] / "deploy" / "debian"


def run(name: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the package; /opt/fyke and /run/systemd/system are below ``folder``, where
    ``systemctl`` writes its words to ``asked``.
    """
    text = (FILES / name).read_text()
    for path in ("/opt/fyke", "/run/systemd/system"):
        text = text.replace(path, f"{folder}{path}")
    systemctl = f'systemctl() {{ echo "$*" >>{folder}/asked; }}\n'
    return subprocess.run(
        ["sh", "-c", systemctl + text, name, *words], capture_output=True, text=True, timeout=60
    )


def test_a_program_of_script_up_is_not_overwritten(tmp_path: Path) -> None:
    assert run("preinst", tmp_path, "install").returncode == 0
    (tmp_path / "opt/fyke/.venv").mkdir(parents=True)
    refused = run("preinst", tmp_path, "install")
    assert refused.returncode == 1
    assert "script/up has installed Fyke in" in refused.stderr
    assert (
        run("preinst", tmp_path, "install", "0.1.0").returncode == 0
    )  # it was removed, not purged
    assert run("preinst", tmp_path, "upgrade", "0.1.0").returncode == 0


@pytest.mark.parametrize("words", [("abort-upgrade", "0.2.0"), ("abort-remove",)])
def test_after_a_failure_the_units_run_again(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert run("postinst", tmp_path, *words).returncode == 0
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line for line in asked if line.startswith("start ")] == [
        "start fyke.service",
        "start fyke-node.service",
    ]


def test_a_fyke_that_was_started_by_hand_is_not_removed(tmp_path: Path) -> None:
    python = tmp_path / "opt/fyke/.venv/bin/python3"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    package = tmp_path / "fyke"
    package.mkdir()
    (package / "supervise.py").write_text("print('runs', flush=True)\ninput()\n")
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
        refused = run("prerm", tmp_path, "remove")
        running.communicate("\n")
    assert refused.returncode == 1
    assert f"(process {running.pid})" in refused.stderr
    assert run("prerm", tmp_path, "remove").returncode == 0
