"""Builds of Go projects with the user's Go toolchain."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fyke.cli.errors import CommandFailed
from fyke.cli.go_project import built_program
from fyke.cli.main import app
from fyke.cli.worker import read_archive
from fyke.cli.worker_new import write_project
from fyke.domain.workers.elf import inspect_program
from fyke.domain.workers.project import read_project

pytestmark = pytest.mark.needs("go")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_project(tmp_path / "w", "go")
    return tmp_path / "w"


def test_the_program_is_built_outside_the_folder(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    (folder / "main").write_text("an old one")
    archive, _ = read_archive(folder)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert inspect_program(opened.read("main")[: 64 * 1024]) == ("", False)
    assert (folder / "main").read_text() == "an old one"
    (folder / "main").unlink()
    assert sorted(folder.rglob("*")) == before
    assert read_project(archive).findings == []


def test_the_same_source_has_the_same_digest(folder: Path) -> None:
    first, second = (read_project(read_archive(folder)[0]).digest for _ in range(2))
    assert first == second


def test_compiler_output_is_reported(folder: Path) -> None:
    (folder / "main.go").write_text("package main\nfunc main() { broken() }\n")
    with pytest.raises(CommandFailed, match=r"main.go:2:15: undefined: broken"):
        read_archive(folder)
    answer = CliRunner().invoke(app, ["worker", "check", str(folder)])
    assert answer.exit_code == 1


def test_goarch_sets_the_architecture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    monkeypatch.setenv("GOARCH", "riscv64")
    with built_program(folder) as program:
        problem, _ = inspect_program(program["main"].read_bytes()[: 64 * 1024])
    assert problem.startswith("main is built for another processor (number 243), not for")


def test_without_go_only_the_source_is_packed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    archive, _ = read_archive(folder)
    assert {finding.code for finding in read_project(archive).findings} == {"go_program_not_built"}


def test_other_languages_are_not_built(tmp_path: Path) -> None:
    with built_program(tmp_path) as program:
        assert program == {}
