"""New projects, checks and archives, without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.findings import verdict
from fyke.cli.main import app
from fyke.cli.worker import read_archive
from fyke.cli.worker_new import write_project
from fyke.domain.workers.archive import pack
from fyke.domain.workers.project import check_folder, read_project
from fyke.domain.workers.templates import PROJECT_TEMPLATES
from fyke.model.worker import Finding, Severity


@pytest.mark.parametrize(
    ("language", "expected", "remarks"),
    [
        ("python", {"main.py", "requirements.txt", "sdk.py"}, set()),
        ("node", {"main.js", "package.json", "package-lock.json", "sdk.js", "sdk.d.ts"}, set()),
        pytest.param(
            "go",
            {"main.go", "go.mod", "GoSdk/sdk.go"},
            {"go_program_not_built"},
            marks=pytest.mark.needs("go"),
        ),
    ],
)
def test_a_new_project_has_no_findings(
    tmp_path: Path, language: str, expected: set[str], remarks: set[str]
) -> None:
    names = write_project(tmp_path / "price-watch", language)
    assert {"input_schema.json", "output_schema.json", "README.md"} | expected <= set(names)
    assert {finding.code for finding in check_folder(tmp_path / "price-watch")} == remarks
    project = read_project(pack(tmp_path / "price-watch"))
    assert (project.language, project.title) == (language, "Price watch")
    assert name_of(tmp_path / "price-watch") == "price-watch"


def name_of(folder: Path) -> str:
    return read_archive(folder)[1]


def test_an_unknown_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="one of python, node, go") as caught:
        write_project(tmp_path / "x", "ruby")
    assert caught.value.code is Exit.USAGE
    assert not (tmp_path / "x").exists()


def test_an_unknown_template_is_refused_with_the_names(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["worker", "new", str(tmp_path / "x"), "--template", "curl"])
    assert isinstance(answer.exception, CommandFailed)
    assert answer.exception.code is Exit.USAGE
    for template in PROJECT_TEMPLATES:
        assert template.name in str(answer.exception)
    assert not (tmp_path / "x").exists()


def test_a_template_of_another_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="scrapy is a project in python") as caught:
        write_project(tmp_path / "x", "go", "scrapy")
    assert caught.value.code is Exit.USAGE
    assert "main.py" in write_project(tmp_path / "x", "python", "scrapy")


def test_the_templates_are_listed_without_a_path_and_without_a_name(tmp_path: Path) -> None:
    listed = CliRunner().invoke(app, ["worker", "new"]).stdout.splitlines()
    assert [line.split()[:2] for line in listed[1:]] == [
        [template.name, template.language] for template in PROJECT_TEMPLATES
    ]
    found = json.loads(CliRunner().invoke(app, ["worker", "new", "--json"]).stdout)
    assert [item["template"] for item in found] == [each.name for each in PROJECT_TEMPLATES]
    without_path = CliRunner().invoke(app, ["worker", "new", "--template", "scrapy"]).exception
    assert str(without_path).endswith("fyke worker new PATH --template scrapy")
    written = CliRunner().invoke(app, ["worker", "new", str(tmp_path / "a")])
    assert "scrapy" in written.stderr
    assert str(tmp_path / "a" / "main.py") in written.stdout.splitlines()
    named = ["worker", "new", str(tmp_path / "b"), "--template", "cheerio", "--json"]
    created = json.loads(CliRunner().invoke(app, named).stdout)
    assert (created["language"], created["template"]) == ("node", "cheerio")
    assert "examples/two-pages.json" in created["files"]


def test_existing_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("mine")
    with pytest.raises(CommandFailed, match="already exists") as caught:
        write_project(tmp_path, "python")
    assert caught.value.code is Exit.CONFLICT
    assert (tmp_path / "main.py").read_text() == "mine"


def test_check_prints_findings_and_exits_with_1(tmp_path: Path) -> None:
    write_project(tmp_path / "w", "python")
    (tmp_path / "w" / "main.py").write_text("def broken(:\n")
    answer = CliRunner().invoke(app, ["worker", "check", str(tmp_path / "w")])
    assert answer.exit_code == 1
    assert "main.py:1: error: syntax error" in answer.stdout
    assert "[python_syntax]" in answer.stdout
    assert "it cannot be published" in answer.stderr
    answer = CliRunner().invoke(app, ["worker", "check", str(tmp_path / "w"), "--json"])
    assert answer.exit_code == 1
    [finding] = json.loads(answer.stdout)
    assert (finding["file"], finding["line"], finding["severity"]) == ("main.py", 1, "error")


def test_the_verdict_counts_errors_and_warnings() -> None:
    def verdict_of(*severities: Severity) -> str:
        return verdict([Finding(severity, "code", "", 0, "", "") for severity in severities])

    assert verdict_of() == verdict_of("info") == "No problems found."
    assert verdict_of("warning", "info") == "1 warning."
    text = "2 errors and 1 warning; it cannot be published."
    assert verdict_of("error", "warning", "error") == text


def test_an_archive_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "w.zip").write_bytes(b"PK")
    assert read_archive(tmp_path / "w.zip") == (b"PK", "")
    with pytest.raises(CommandFailed) as caught:
        read_archive(tmp_path / "nowhere")
    assert caught.value.code is Exit.NOT_FOUND


@pytest.mark.parametrize(("folder", "reported"), [("Bad Name", True), ("good-name", False)])
def test_a_name_that_differs_from_the_folder_is_reported(
    tmp_path: Path, folder: str, reported: bool
) -> None:
    result = CliRunner().invoke(app, ["worker", "new", str(tmp_path / folder)])
    assert result.exit_code == 0
    assert ("The name of the Worker is bad-name" in result.stderr) is reported
