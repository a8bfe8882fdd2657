"""New projects, from the starters and the templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.main import app
from fyke.cli.worker import read_archive
from fyke.cli.worker_new import write_project
from fyke.domain.workers.archive import pack
from fyke.domain.workers.project import check_folder, read_project
from fyke.domain.workers.templates import PROJECT_TEMPLATES


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


def test_the_next_command_can_be_copied_whatever_the_folder_is_called(tmp_path: Path) -> None:
    written = CliRunner().invoke(app, ["worker", "new", str(tmp_path / "x y")])
    assert written.stderr.endswith(f"Next: fyke worker run '{tmp_path}/x y'\n")


def test_a_folder_that_cannot_be_made_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, problem in (
        ("", "PATH is empty; name a folder"),
        (str(tmp_path / "file" / "x"), "cannot be made (Not a directory); name another folder"),
    ):
        refused = CliRunner().invoke(app, ["worker", "new", name]).exception
        assert isinstance(refused, CommandFailed) and problem in str(refused)
        assert refused.code is Exit.USAGE
