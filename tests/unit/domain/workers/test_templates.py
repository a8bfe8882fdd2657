"""Templates with a library: valid projects of thirty lines, in which only the title is replaced."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from fyke.domain.workers.archive import pack
from fyke.domain.workers.input_schema import parse
from fyke.domain.workers.input_values import validate_input
from fyke.domain.workers.project import read_project
from fyke.domain.workers.templates import (
    FOLDER,
    PROJECT_TEMPLATES,
    TITLE,
    Template,
    new_project,
    template_archive,
)
from fyke.kit.assets import assets
from fyke.model.worker import Language

FOLDERS = assets() / FOLDER
NAMES = sorted(folder.name for folder in FOLDERS.iterdir())
WITH_A_LIBRARY = [template for template in PROJECT_TEMPLATES if template.name in NAMES]
ENTRY = {Language.PYTHON: "main.py", Language.NODE: "main.js", Language.GO: "main.go"}
TEST = {Language.PYTHON: "test_main.py", Language.NODE: "main.test.js", Language.GO: "main_test.go"}
PACKAGES = {
    Language.PYTHON: "requirements.txt",
    Language.NODE: "package.json",
    Language.GO: "go.mod",
}
MAX_LINES = 30

library_template = pytest.mark.parametrize("template", WITH_A_LIBRARY, ids=lambda each: each.name)


def lines_of_code(source: str) -> int:
    """The lines with a word, apart from comments and docstrings."""
    source = re.sub(r'^\s*""".*?"""$', "", source, flags=re.MULTILINE | re.DOTALL)
    lines = (line.strip() for line in source.splitlines())
    return sum(1 for line in lines if re.search(r"\w", line) and not line.startswith(("#", "//")))


def test_every_folder_is_a_template() -> None:
    assert sorted(template.name for template in WITH_A_LIBRARY) == NAMES
    assert len(NAMES) == 9


def test_code_is_counted_without_comments() -> None:
    assert lines_of_code('"""A\nB."""\n\nx = 1  # one\n# two\n') == 1
    assert lines_of_code("// A\nfunc main() {\n\tf()\n}\n") == 2


@library_template
def test_only_the_title_is_replaced(template: Template) -> None:
    files = new_project("Price watch", assets(), template.name)
    folder = FOLDERS / template.name
    own = {path: text for path, text in files.items() if (folder / path).exists()}
    changed = {path for path, text in own.items() if text != (folder / path).read_text("utf-8")}
    assert changed == {"README.md"}
    assert files["README.md"].startswith("# Price watch\n")
    assert not any(TITLE in text for text in files.values())
    assert next(iter(files)) == ENTRY[template.language]
    sdk = {path for path in files if path not in own}
    assert sdk
    assert all(path.startswith(("sdk", "GoSdk/")) for path in sdk)


@library_template
def test_the_entry_has_thirty_lines(template: Template) -> None:
    files = new_project("x", assets(), template.name)
    assert lines_of_code(files[ENTRY[template.language]]) <= MAX_LINES


@library_template
def test_the_project_has_a_test_examples_and_declared_sites(template: Template) -> None:
    files = new_project("x", assets(), template.name)
    assert TEST[template.language] in files
    egress = json.loads(files["fyke.json"])["egress"]
    schema = parse(files["input_schema.json"])
    examples = [json.loads(text) for path, text in files.items() if path.startswith("examples/")]
    assert examples
    for example in examples:
        validate_input(schema, example)
        assert all(example["url"].startswith(f"https://{site}/") for site in egress)
        assert f'"{example["url"]}"' in files[ENTRY[template.language]]  # what no input means
    row = {column["name"] for column in json.loads(files["output_schema.json"])}
    assert all(re.search(rf"\b{name}\b", files[ENTRY[template.language]]) for name in row)


@library_template
def test_a_publication_has_no_warnings(template: Template) -> None:
    project = read_project(template_archive(template.name, assets()))
    expected = ["go_program_not_built"] if template.language is Language.GO else []
    found = [finding.code for finding in project.findings if finding.severity != "info"]
    assert found == expected
    assert (project.language, project.title) == (template.language, template.title)


@library_template
def test_the_versions_have_bounds_and_name_no_registry(template: Template) -> None:
    text = new_project("x", assets(), template.name)[PACKAGES[template.language]]
    assert "://" not in text
    if template.language is Language.PYTHON:
        for line in text.splitlines():
            assert re.fullmatch(r"[a-z0-9-]+(\[[a-z]+\])?>=[\d.]+,<[\d.]+", line), line
    elif template.language is Language.NODE:
        versions = json.loads(text)["dependencies"].values()
        assert versions
        assert all(re.fullmatch(r"\^?\d+\.\d+\.\d+(-rc\.\d+)?", item) for item in versions)


def test_python_files_can_be_read() -> None:
    parsed = [ast.parse(path.read_text("utf-8")) for path in FOLDERS.glob("*/*.py")]
    assert len(parsed) >= 4 and all(tree.body for tree in parsed)


def test_what_tests_of_a_template_leave_is_not_written(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER / "httpx"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "main.pyc").write_bytes(b"\xff")
    (folder / "README.md").write_text(f"# {TITLE}\n")
    (folder / "main.py").write_text("")
    assert list(new_project("x", tmp_path, "httpx")) == ["main.py", "README.md"]


@pytest.mark.parametrize("template", PROJECT_TEMPLATES, ids=lambda each: each.name)
def test_a_project_is_what_its_archive_has(template: Template, tmp_path: Path) -> None:
    for name, text in new_project(template.title, assets(), template.name).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    assert pack(tmp_path) == template_archive(template.name, assets())
