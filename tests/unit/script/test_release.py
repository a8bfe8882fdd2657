"""What ``script/release`` refuses to build. The files that it builds are in ``tests/e2e``."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CHANGES = """# Changelog

## Unreleased

## 0.2.0 - 2031-05-06

### Added

- A line.

## 0.1.0 - 2031-01-02

The first one.
"""
FILES = {
    "src/fyke/__init__.py": '"""Fyke."""\n\n__version__ = "0.2.0"\n',
    "clients/python/src/fyke_client/__init__.py": '__version__ = "0.2.0"\n',
    "clients/javascript/package.json": '{\n  "name": "@fyke/client",\n  "version": "0.2.0",\n}\n',
    "pyproject.toml": '[project]\ndynamic = ["version"]\n',
    "clients/python/pyproject.toml": '[project]\ndynamic = ["version"]\n',
    "CHANGELOG.md": CHANGES,
    "tests/data/releases/0.2.0/state.sqlite.sql": "-- tables\n",
    ".gitignore": "dist/\n",
    "dist/kept/file": "so that a folder for the files of the release is not empty\n",
}

pytestmark = [pytest.mark.slow, pytest.mark.needs("git")]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with the files that the script reads before it builds, all of them for 0.2.0."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "script" / "lib").mkdir(parents=True)
    for name in ("script/release", "script/lib/setup.sh"):
        shutil.copy(ROOT / name, tmp_path / name)
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(clone: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "-C", clone, *identity, *arguments], check=True, timeout=60)


def release(clone: Path, *options: str, tags: tuple[str, ...] = ("v0.2.0",)) -> str:
    """Commit everything with these tags; return why nothing is built. The last check before the
    build is that of the folder, which is not empty.
    """
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Release 0.2.0")
    for tag in tags:
        git(clone, "tag", tag)
    return build(clone, *options)


def build(clone: Path, *options: str) -> str:
    command = [str(clone / "script" / "release"), "--out", str(clone / "dist" / "kept"), *options]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(clone: Path) -> None:
        text = (clone / name).read_text()
        assert old in text
        (clone / name).write_text(text.replace(old, new, 1))

    return change


def test_what_agrees_is_built(clone: Path) -> None:
    assert "is not empty. Remove it" in release(clone)
    assert "is not empty. Remove it" in build(clone, "--draft")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            replace("src/fyke/__init__.py", "0.2.0", "0.3.0"),
            "fyke_client/__init__.py has the version 0.2.0, src/fyke/__init__.py has 0.3.0",
        ),
        (
            replace("clients/javascript/package.json", "0.2.0", "0.1.0"),
            "package.json has the version 0.1.0, src/fyke/__init__.py has 0.2.0",
        ),
        (
            replace("pyproject.toml", 'dynamic = ["version"]', 'version = "0.2.0"'),
            'pyproject.toml must say dynamic = ["version"]',
        ),
        (
            replace("CHANGELOG.md", "0.2.0 - 2031-05-06", "0.2.0 - soon"),
            'does not begin with the sections "Unreleased" and "0.2.0 - DATE"',
        ),
        (
            replace("CHANGELOG.md", "## Unreleased\n\n", ""),
            'does not begin with the sections "Unreleased" and "0.2.0 - DATE"',
        ),
        (
            replace("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n## 0.3.0 - 2031-06-07\n"),
            'does not begin with the sections "Unreleased" and "0.2.0 - DATE"',
        ),
        (
            replace("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- Later.\n"),
            'has changes under "Unreleased", which would be in no release',
        ),
        (
            replace("CHANGELOG.md", "### Added\n\n- A line.\n", ""),
            "CHANGELOG.md says nothing about 0.2.0",
        ),
        (
            lambda clone: shutil.rmtree(clone / "tests"),
            "tests/data/releases has no database of 0.2.0",
        ),
    ],
)
def test_what_disagrees_is_refused(
    clone: Path, change: Callable[[Path], None], message: str
) -> None:
    change(clone)
    assert message in release(clone)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ((), "HEAD has no tag v0.2.0. Check out that tag"),
        (("0.2.0",), "HEAD has no tag v0.2.0. Check out that tag"),
        (("v0.1.0",), "HEAD has the tag v0.1.0, but src/fyke/__init__.py has the version 0.2.0"),
        (("v0.2.0", "v0.3.0"), "HEAD has the tag v0.3.0, but"),
    ],
)
def test_the_tag_has_to_be_that_of_the_version(
    clone: Path, tags: tuple[str, ...], message: str
) -> None:
    assert message in release(clone, tags=tags)


def test_a_clone_with_changes_gives_no_release_but_a_draft(clone: Path) -> None:
    release(clone)
    (clone / "new").touch()
    replace("CHANGELOG.md", "A line", "Another line")(clone)
    message = build(clone)
    assert "These files are changed or new" in message
    assert " M CHANGELOG.md\n?? new\n" in message
    assert "is not empty. Remove it" in build(clone, "--draft")
    git(clone, "checkout", "--quiet", "CHANGELOG.md")
    (clone / "new").unlink()
    assert "is not empty. Remove it" in build(clone)
