"""The Debian package that deploy/debian/build makes of these files, as dpkg sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fyke import __version__

ROOT = Path(__file__).parents[2]
DEBIAN_VERSION = __version__.replace("rc", "~rc")

pytestmark = [pytest.mark.long, pytest.mark.needs("dpkg"), pytest.mark.timeout(600)]


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=100).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    build = [ROOT / "deploy" / "debian" / "build", folder]
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix}
    done = subprocess.run(build, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    [file] = folder.glob(f"fyke_{DEBIAN_VERSION}_*.deb")
    return file


def test_it_names_what_it_needs(package: Path) -> None:
    field = {
        name: output("dpkg-deb", "-f", package, name).strip() for name in ("Depends", "Version")
    }
    assert field["Version"] == DEBIAN_VERSION
    series = output("/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    assert f"python3 (>= {series.strip()}~), python3 (<< 3." in field["Depends"]
    assert {"bubblewrap", "passwd"} <= {*field["Depends"].split(", ")}


def test_its_files_are_the_program_its_units_and_its_user(package: Path) -> None:
    listed = output("dpkg-deb", "--contents", package).splitlines()
    rows = [line.split(None, 5) for line in listed]
    assert {row[1] for row in rows} == {"root/root"}
    assert [
        row
        for row in rows
        if set(row[0][1:]) & set("sStT") or (row[0][8] == "w" and row[0][0] != "l")
    ] == []
    names = {row[5].partition(" -> ")[0].removeprefix(".") for row in rows}
    assert {
        "/usr/bin/fyke",
        "/usr/lib/systemd/system/fyke.service",
        "/usr/lib/systemd/system/fyke-node.service",
        "/usr/lib/sysusers.d/fyke.conf",
        "/usr/share/doc/fyke/copyright",
    } <= names
    outside = ("/opt/", "/usr/", "/opt", "/usr", "/")
    assert [
        name for name in names if not name.startswith(outside[:2]) and name not in outside
    ] == []


def test_the_program_runs_from_another_folder_and_names_none_of_the_build(
    package: Path, tmp_path: Path
) -> None:
    output("dpkg-deb", "-x", package, tmp_path)
    program = tmp_path / "opt" / "fyke" / ".venv" / "bin" / "fyke"
    assert output(program, "--version").startswith(f"fyke {__version__},")
    found = subprocess.run(
        ["grep", "-rlI", "-e", str(package.parent), "-e", str(ROOT), tmp_path / "opt"],
        capture_output=True,
        text=True,
    )
    assert found.stdout == ""


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_its_scripts_are_those_of_the_recipe_and_valid(package: Path, name: str) -> None:
    script = output("dpkg-deb", "-I", package, name)
    assert script == (ROOT / "deploy" / "debian" / name).read_text()
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
