"""The files that script/release builds, and the platform that its wheel installs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from fyke import __version__
from support.booted import booted

ROOT = Path(__file__).parents[2]
OMITTED = (".git", ".venv", "uv", "node_modules", "dist", "__pycache__", ".*_cache", ".hypothesis")
WHEEL = f"fyke-{__version__}-py3-none-any.whl"
REQUIREMENTS = f"fyke-{__version__}-requirements.txt"

pytestmark = [pytest.mark.long, pytest.mark.needs("git", "npm"), pytest.mark.timeout(600)]


def git(clone: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "-C", clone, *identity, *arguments], check=True, timeout=60)


def release(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [clone / "script" / "release", *arguments]
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with these files, whose commit is the release of this version."""
    folder = tmp_path_factory.mktemp("clone") / "fyke"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*OMITTED), symlinks=True)
    changes = folder / "CHANGELOG.md"
    heading = f"## {__version__} - 2031-05-06"
    text = re.sub(r"(?m)^## .*\d{4}-\d\d-\d\d$", "## 0.0.1 - 2026-01-01", changes.read_text())
    changes.write_text(text.replace("## Unreleased", f"## Unreleased\n\n{heading}", 1))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Release")
    return folder


@pytest.fixture(scope="module")
def built(clone: Path) -> Path:
    git(clone, "tag", f"v{__version__}")
    done = release(clone)
    assert done.returncode == 0, done.stderr
    return clone / "dist" / __version__


def test_a_commit_without_the_tag_is_no_release(clone: Path) -> None:
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "Later")
    done = release(clone)
    git(clone, "reset", "--quiet", "--hard", "HEAD~1")
    assert done.returncode == 1
    assert f"HEAD has no tag v{__version__}" in done.stderr
    assert not (clone / "dist").exists()


def test_a_release_has_its_files_and_their_checksums(built: Path) -> None:
    names = {path.name for path in built.iterdir()}
    version = __version__
    assert names == {
        *(WHEEL, REQUIREMENTS, f"fyke-{version}.tar.gz", f"fyke-{version}-deploy.tar.gz"),
        *(f"fyke_client-{version}-py3-none-any.whl", f"fyke_client-{version}.tar.gz"),
        *(f"fyke-client-{version}.tgz", f"fyke-{version}.cdx.json", "NOTES.md", "SHA256SUMS"),
    }
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=built, check=True)
    assert len((built / "SHA256SUMS").read_text().splitlines()) == len(names) - 1
    with tarfile.open(built / f"fyke-{version}.tar.gz") as source:
        found = set(source.getnames())
    needed = {"script/up", "requirements/runtime.txt", "old-migrations/env.py", "sdk/python/sdk.py"}
    needed |= {"script/lib/setup.sh", "script/lib/nodes.sh", "deploy/container/podman-options"}
    needed |= {f"requirements/{name}.txt" for name in ("bootstrap", "build")}
    assert {f"fyke-{version}/{name}" for name in needed} <= found  # and so the container's recipe
    assert f"fyke-{version}/deploy/container/Containerfile" in found
    assert len((built / "NOTES.md").read_text()) > 0
    assert "0.0.1" not in (built / "NOTES.md").read_text()


def test_the_list_of_packages_has_each_of_them(built: Path) -> None:
    listed = json.loads((built / f"fyke-{__version__}.cdx.json").read_text())
    root = listed["metadata"]["component"]
    assert (root["name"], root["version"]) == ("fyke", __version__)
    found = {
        (re.sub(r"[-_.]+", "-", part["name"].lower()), part["version"])
        for part in listed["components"]
    }
    pins = (built / REQUIREMENTS).read_text()
    needed = re.findall(r"^([a-z0-9-]+)==(\S+) \\$", pins, re.M)  # on every machine
    assert len(needed) > 40
    assert set(needed) <= found <= set(re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==(\S+)", pins, re.M))


def test_the_wheel_gives_the_platform(built: Path) -> None:
    with booted(start=False) as platform:  # a folder that the service user can enter
        tools = platform.folder / "tools"
        place = {"UV_TOOL_DIR": str(tools), "UV_TOOL_BIN_DIR": str(platform.folder / "bin")}
        uv = str(Path(sys.prefix) / "bin" / "uv")
        command = [uv, "tool", "install", "--python", "/usr/bin/python3", "--constraints"]
        subprocess.run(
            [*command, built / REQUIREMENTS, built / WHEEL],
            env={**os.environ, **place},
            check=True,
            timeout=300,
        )
        fyke = platform.folder / "bin" / "fyke"
        job = [fyke, "up", "--tour", "--once", "--port", "0"]
        environment = platform.environment() | {"PYTHONPATH": ""}
        done = subprocess.run(job, env=environment, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "The whole job is done: 12 rows, in both exports." in done.stdout
