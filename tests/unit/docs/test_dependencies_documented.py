"""docs/dependencies.md explains exactly the runtime dependencies."""

from __future__ import annotations

import re
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (\S.*) \|$", re.MULTILINE)
PINS = sorted([*ROOT.glob("requirements/*.txt"), *ROOT.glob("bench/peers/*.txt")])
NAME = re.compile(r"[A-Za-z0-9-]+")


def name_of(requirement: str) -> str:
    found = NAME.match(requirement)
    assert found is not None
    return found[0].lower()


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [
        requirement for group in project["optional-dependencies"].values() for requirement in group
    ]
    return {name_of(requirement) for requirement in [*project["dependencies"], *extras]}


def test_every_dependency_is_explained() -> None:
    reasons = dict(ROW.findall((ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")))
    assert set(reasons) == declared()


def test_the_pins_are_found() -> None:
    assert {path.name for path in PINS} >= {"runtime.txt", "bootstrap.txt", "prefect.txt"}


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.name)
def test_every_package_has_one_version_and_its_hashes(path: Path) -> None:
    text = path.read_text("utf-8").replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 0
    for package, *rest in lines:
        assert re.fullmatch(r"[a-z0-9.\[\]-]+==[\w.!+]+", package), package
        hashes = [each for each in rest if each.startswith("--hash=")]
        assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", h) for h in hashes)


def test_vendored_files_are_those_of_their_lists() -> None:
    lists = [*ROOT.glob("src/**/vendor.toml"), *ROOT.glob("tests/**/vendor.toml")]
    assert len(lists) > 4
    for path in lists:
        packages = tomllib.loads(path.read_text("utf-8"))["package"]
        assert all(each["version"] and each["licence"] for each in packages), path
        digests = {Path(f["from"]).name: f["sha256"] for each in packages for f in each["files"]}
        found = {f.name: sha256(f.read_bytes()).hexdigest() for f in path.parent.iterdir()}
        assert digests.items() <= found.items()
        assert found.keys() - digests.keys() <= {"vendor.toml", "__init__.py", "__pycache__"}, path


def test_time_frames_for_updates_are_documented() -> None:
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    section = page.partition("## Updates")[2].partition("\n## ")[0]
    assert re.findall(r"\| (\d+) days \|", section) == ["7", "30", "90"]
    assert "after 180 days at most" in section
