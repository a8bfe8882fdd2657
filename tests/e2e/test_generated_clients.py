"""Clients generated from the served documents by two generators work, without any warning."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support import language_versions
from support.booted import Booted
from support.projects import python_project

HERE = Path(__file__).parent / "generated_clients"
CLIENT = Path(__file__).parents[2] / "clients" / "javascript"
DOCUMENTS = {
    "v1": "/api/v1/openapi.json",
    "v2": "/api/v2/openapi.json",
    "own": "/openapi.json",
}
URLS = ["https://a.example/", "https://b.example/"]
READER = """
from sdk import CoreSDK

for number, url in enumerate(CoreSDK.Parameter.get_input_json_dict()["urls"]):
    CoreSDK.Result.push_data({"url": url, "number": number})
"""
SCHEMA = {
    "description": "Pages to read",
    "properties": [
        {"name": "urls", "title": "Pages", "type": "array", "editor": "stringList",
         "required": True, "default": ["https://a.example/"], "description": "Addresses"},
    ],
}  # fmt: skip

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def run(*command: str | Path, folder: Path) -> str:
    """Run a command in ``folder``, with the programs in its folder on PATH; return its output."""
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    return language_versions.run(*command, folder=folder, PATH=path)


@pytest.fixture(scope="module")
def documents(platform: Booted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the documents of the platform."""
    folder = tmp_path_factory.mktemp("documents")
    for name, path in DOCUMENTS.items():
        text = httpx2.get(platform.url + path).raise_for_status().text
        (folder / f"{name}.json").write_text(text)
    return folder


@pytest.fixture(scope="module")
def arguments(platform: Booted) -> list[str]:
    """The arguments of both programs: address, key, worker, input."""
    worker = platform.push(python_project(READER, schema=SCHEMA), "generated-reader")
    return [platform.url, platform.key, worker, json.dumps({"urls": URLS})]


def check(output: str) -> None:
    """Check that both versions read the rows that the Worker stored."""
    answers: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    assert len(answers) == 2
    for answer in answers:
        rows = [(row["url"], row["number"]) for row in answer["rows"]]
        assert sorted(rows) == [(url, number) for number, url in enumerate(URLS)]
        assert (answer["state"], answer["results"]) == ("succeeded", len(URLS))


@pytest.fixture(scope="module", params=language_versions.PYTHON)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the generator, which needs an older Typer than Fyke."""
    folder = tmp_path_factory.mktemp("generator")
    return language_versions.new_environment(folder, request.param, HERE / "requirements.txt")


def test_the_generated_python_client_works(
    python: Path, documents: Path, arguments: list[str], tmp_path: Path
) -> None:
    options = ["--meta", "none", "--config", HERE / "generator.yaml", "--fail-on-warning"]
    for name, operations in _operations(documents).items():
        source = documents / f"{name}.json"
        command = ["generate", "--path", source, "--output-path", name, *options]
        output = run(python, "-m", "openapi_python_client", *command, folder=tmp_path)
        assert "WARNING" not in output and "Unable" not in output, output
        made = {path.stem for path in (tmp_path / name / "api").glob("*/*.py")} - {"__init__"}
        assert len(made) == operations
    shutil.copy(HERE / "run.py", tmp_path)
    check(run(python, "run.py", *arguments, folder=tmp_path))


@pytest.fixture(scope="module")
def typescript() -> Path:
    """A folder with TypeScript, its generator and the program that uses the generated client."""
    files = ("package.json", "package-lock.json", "tsconfig.json", "run.ts")
    folder, installed = language_versions.kept_folder(*(HERE / name for name in files))
    for name in files:
        shutil.copy(HERE / name, folder)
    if not installed:
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
        (folder / "installed").touch()
    return folder


@pytest.mark.needs("node", "npm")
def test_the_types_of_our_javascript_client_are_those_of_its_code(typescript: Path) -> None:
    tsc = typescript / "node_modules" / ".bin" / "tsc"
    assert run(tsc, "--project", CLIENT / "tests" / "types" / "tsconfig.json", folder=CLIENT) == ""


@pytest.mark.needs("node", "npm")
def test_the_generated_typescript_client_works(
    typescript: Path, documents: Path, arguments: list[str]
) -> None:
    folder, programs = typescript, typescript / "node_modules" / ".bin"
    for name, operations in _operations(documents).items():
        command = ["--default-non-nullable=false", "--output", f"{name}.d.ts"]
        output = run(
            programs / "openapi-typescript", documents / f"{name}.json", *command, folder=folder
        )
        assert "warn" not in output.lower(), output
        text = (folder / f"{name}.d.ts").read_text()
        made = text.partition("export interface operations {")[2].count("\n    }")
        assert made == operations
    run(programs / "tsc", "--project", "tsconfig.json", folder=folder)
    for version in language_versions.NODE:
        node = language_versions.node_of(version)
        check(run(node, "out/run.js", *arguments, folder=folder))


def _operations(documents: Path) -> dict[str, int]:
    """The number of operations in each document."""
    return {
        name: sum(
            len(item)
            for item in json.loads((documents / f"{name}.json").read_text())["paths"].values()
        )
        for name in DOCUMENTS
    }
