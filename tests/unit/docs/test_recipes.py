"""The pages of the recipes show exactly the code that ``tests/e2e/test_recipes.py`` runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent

import pytest

from fyke.domain.workers.input_schema import parse
from fyke.domain.workers.project import check_folder
from fyke.domain.workers.templates import new_project
from fyke.kit.assets import assets

ROOT = Path(__file__).parents[3]
WORKERS = ROOT / "examples" / "recipes"
DOCS = ROOT / "docs"
TEMPLATES = ROOT / "worker-templates"
PAGES = sorted((DOCS / "recipes").glob("*.md"))
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
PAGE_OF = {  # of each Worker
    "pagination": "pagination",
    "login": "log-in",
    "blocked": "blocked",
    "proxies": "proxies",
    "upsert": "upsert",
    "scrapy-project": "scrapy",
    "crawlee": "crawlee",
    "crawlee-js": "crawlee",
    "scroll": "playwright",
    "selenium": "playwright",
    "from-apify": "from-apify",
}
TEMPLATE_OF = {
    "scrapy-project": "scrapy",
    "crawlee": "crawlee",
    "crawlee-js": "crawlee-js",
    "scroll": "playwright",
}
# declared by the template and named in the text of the page
NOT_SHOWN = {
    "crawlee/requirements.txt",
    "crawlee/fyke.json",
    "crawlee-js/input_schema.json",
    "scroll/requirements.txt",
    "selenium/fyke.json",
}


def blocks(page: Path) -> list[str]:
    return [dedent(code).strip() for _, code in BLOCK.findall(page.read_text("utf-8"))]


def shown_files(worker: str) -> list[Path]:
    paths = sorted(path for path in (WORKERS / worker).rglob("*") if path.is_file())
    return [
        path
        for path in paths
        if path.suffix in (".py", ".js", ".json", ".txt")
        and path.relative_to(WORKERS).as_posix() not in NOT_SHOWN
        and path.stat().st_size
        and "__pycache__" not in path.parts
    ]


def test_every_worker_has_a_page() -> None:
    assert {path.name for path in WORKERS.iterdir()} == set(PAGE_OF)


@pytest.mark.parametrize("worker", PAGE_OF)
def test_a_page_shows_the_files_of_its_worker(worker: str) -> None:
    text = (DOCS / "recipes" / f"{PAGE_OF[worker]}.md").read_text("utf-8")
    shown = [*blocks(DOCS / "recipes" / f"{PAGE_OF[worker]}.md"), *re.findall(r"`([^`\n]+)`", text)]
    files = shown_files(worker)
    assert files
    for path in files:
        assert path.read_text("utf-8").strip() in shown, path.relative_to(ROOT)


def test_the_program_that_loads_a_database_is_shown() -> None:
    program = (ROOT / "examples" / "python" / "upsert.py").read_text("utf-8").strip()
    assert program in blocks(DOCS / "recipes" / "upsert.md")


def test_the_base_of_the_recipes_is_the_template() -> None:
    shown = blocks(DOCS / "recipes" / "requests-and-beautiful-soup.md")
    for name in ("main.py", "requirements.txt"):
        assert (TEMPLATES / "requests" / name).read_text("utf-8").strip() in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_all_other_code_can_be_read(page: Path) -> None:
    for language, code in BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            compile(dedent(code), page.name, "exec")
        elif language == "json":
            json.loads(code)


@pytest.mark.parametrize("worker", PAGE_OF)
def test_a_project_with_the_files_of_a_recipe_has_no_findings(worker: str, tmp_path: Path) -> None:
    files = new_project("Quotes", assets(), TEMPLATE_OF.get(worker, "requests"))
    own = {
        path.relative_to(WORKERS / worker).as_posix(): path.read_text("utf-8")
        for path in (WORKERS / worker).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name, text in (files | own).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    found = {finding.code for finding in check_folder(tmp_path) if finding.severity != "info"}
    assert found <= ({"input_max_results_naming_convention"} if worker == "from-apify" else set())
    assert parse((tmp_path / "input_schema.json").read_text("utf-8")) is not None


def test_every_recipe_is_linked_from_their_index() -> None:
    index = (DOCS / "recipes.md").read_text("utf-8")
    linked = set(re.findall(r"\]\(recipes/([a-z-]+)\.md\)", index))
    assert linked == {page.stem for page in PAGES}
