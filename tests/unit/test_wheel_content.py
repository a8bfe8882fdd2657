"""The files of the wheel: the program and its assets, no tests and no repository."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files() -> set[PurePosixPath]:
    builder = WheelBuilder(str(ROOT))
    return {PurePosixPath(file.distribution_path) for file in builder.recurse_included_files()}


def test_the_wheel_contains_the_program_and_its_assets(files: set[PurePosixPath]) -> None:
    assert {path.parts[0] for path in files} == {"fyke", "fyke_client"}
    assert PurePosixPath("fyke_client/py.typed") in files
    wanted = ["cli/entry.py", "console/templates/base.html", "assets/workers", "assets/sdk"]
    wanted += ["assets/worker-templates/scrapy/test_main.py", "assets/docs/how-to/console.md"]
    wanted += ["assets/docs/recipes.md", "assets/docs/recipes/pagination.md"]
    for each in map(PurePosixPath("fyke").joinpath, wanted):
        assert any(path == each or each in path.parents for path in files), each


def test_the_wheel_contains_no_tests_and_no_repository(files: set[PurePosixPath]) -> None:
    unwanted = {"tests", "test", ".git", ".github", "bench", "node_modules", "__pycache__"}
    assert [path for path in files if unwanted & set(path.parts)] == []
    named = [path for path in files if path.name.startswith(("test_", "conftest", ".git"))]
    templates = PurePosixPath("fyke/assets/worker-templates")  # a new project has a test
    assert [path for path in named if templates not in path.parents] == []


def test_the_wheel_contains_no_screenshots(files: set[PurePosixPath]) -> None:
    assert [path for path in files if path.suffix == ".webp"] == []


def test_the_client_is_a_wheel_of_its_own_without_the_program() -> None:
    builder = WheelBuilder(str(ROOT / "clients" / "python"))
    files = {PurePosixPath(file.distribution_path) for file in builder.recurse_included_files()}
    assert {path.parts[0] for path in files} == {"fyke_client"}
    assert {"py.typed", "__init__.py", "errors.py"} <= {path.name for path in files}
