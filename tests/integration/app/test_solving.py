"""Requirements that uv cannot resolve, from a folder of packages instead of a registry."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from fyke.app.solving import solve, solve_folder
from fyke.domain.workers.requirements import parse
from support import package_index


def metadata(name: str, version: str) -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def add_wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{info}/METADATA", metadata(name, version))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        wheel.writestr(f"{info}/RECORD", "")


def add_source(folder: Path, name: str, version: str) -> None:
    content = metadata(name, version).encode()
    with tarfile.open(folder / f"{name}-{version}.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    add_wheel(folder, "shelfware", "1.0")
    add_source(folder, "rawware", "1.0")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def test_requirements_with_wheels_have_no_findings(packages: Path) -> None:
    assert solve(parse("shelfware==1.0\n"), builds=False) == []


@pytest.mark.parametrize("line", ["shelfware==7.0", "rawware==1.0", "nowhere>=1"])
def test_requirements_without_a_version_or_a_wheel_are_reported(packages: Path, line: str) -> None:
    [finding] = solve(parse(line), builds=False)
    assert (finding.code, finding.severity, finding.file) == (
        "requirements_unsolvable",
        "warning",
        "requirements.txt",
    )
    assert line.partition("=")[0].rstrip(">") in finding.message


def test_an_unreachable_registry_is_reported(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    [finding] = solve(parse("shelfware==1.0"), builds=False)
    assert finding.code == "requirements_not_checked"


def test_the_index_that_does_not_have_a_package_or_asks_for_a_login_is_named(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    with package_index.served() as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace("://", "://me:hunter2@"))
        [finding] = solve(parse("nowhere>=1"), builds=False)
        assert finding.code == "requirements_unsolvable"
        assert f"cannot be resolved here, with {index.url}: " in finding.message
        index.login = "user:pass-word"
        [finding] = solve(parse("nowhere>=2"), builds=False)
        assert finding.code == "requirements_not_checked"
        assert "hunter2" not in finding.message


def test_a_project_with_only_the_base_packages_asks_no_registry(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "absent"))
    project = tmp_path / "project"
    project.mkdir()
    assert solve_folder(project) == []
    (project / "main.py").write_text("print(1)\n")
    (project / "requirements.txt").write_text("grpcio>=1.80.0\nprotobuf\n")
    assert solve_folder(project) == []


def test_the_requirements_of_a_folder_are_resolved(packages: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "main.py").write_text("print(1)\n")
    (project / "requirements.txt").write_text("# ours\nrawware==1.0\n")
    assert [item.code for item in solve_folder(project)] == ["requirements_unsolvable"]
