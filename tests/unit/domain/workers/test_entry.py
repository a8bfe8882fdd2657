"""The entry point of a project: the usual files, or the script that package.json names."""

from __future__ import annotations

import json

import pytest

from fyke.domain.workers.entry import EntryPoint, find, node_entry
from fyke.model.worker import Language


def entries(*files: str, package: str = "") -> list[EntryPoint]:
    return find(frozenset(files).__contains__, lambda: package)


@pytest.mark.parametrize(
    ("file", "language"),
    [
        ("main.py", Language.PYTHON),
        ("main.js", Language.NODE),
        ("main", Language.GO),
        ("main.go", Language.GO),
        ("index.js", Language.NODE),
    ],
)
def test_the_entry_file_determines_the_language(file: str, language: Language) -> None:
    assert entries(file, "README.md") == [EntryPoint(language, file)]


def test_other_entry_files_count_only_without_a_usual_one() -> None:
    assert [entry.file for entry in entries("main.py", "main.js", "main")] == [
        "main.py", "main.js", "main"
    ]  # fmt: skip
    assert [entry.file for entry in entries("main", "main.go", "index.js")] == ["main"]
    assert [entry.file for entry in entries("main.go", "index.js")] == ["main.go"]
    assert entries("app.py", "src/main.py") == []


@pytest.mark.parametrize(
    ("main", "file"),
    [
        ("src/app.js", "src/app.js"),
        ("./app.mjs", "app.mjs"),
        ("lib/a.b-c/run.cjs", "lib/a.b-c/run.cjs"),
        ("gone.js", "index.js"),
        ("src", "index.js"),
        ("../app.mjs", "index.js"),
        ("/app.mjs", "index.js"),
        ("src//app.js", "index.js"),
        ("app.mjs; rm", "index.js"),
        ("x" * 260 + ".js", "index.js"),
        (["app.mjs"], "index.js"),
        (None, "index.js"),
    ],
)
def test_package_json_may_name_a_script_inside_the_project(main: object, file: str) -> None:
    files = {"package.json", "index.js", "src/app.js", "app.mjs", "lib/a.b-c/run.cjs",
             "../app.mjs", "/app.mjs", "src//app.js", "src", "x" * 260 + ".js"}  # fmt: skip
    text = json.dumps({"main": main})
    assert entries(*files, package=text) == [EntryPoint(Language.NODE, file)]


@pytest.mark.parametrize("text", ["", "{", "[]", '"main"', "{}", "[" * 100_000])
def test_index_js_is_used_without_a_main_in_package_json(text: str) -> None:
    assert [entry.file for entry in entries("package.json", "index.js", package=text)] == [
        "index.js"
    ]
    assert entries("package.json", package=text) == []


def test_main_js_takes_precedence_over_package_json() -> None:
    def fail_if_read() -> str:
        raise AssertionError("package.json need not be read")

    assert node_entry({"main.js", "package.json", "app.js"}.__contains__, fail_if_read) == "main.js"
    assert node_entry({"index.js"}.__contains__, fail_if_read) == "index.js"
