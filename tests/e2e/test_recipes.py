"""The Workers of the recipes on a platform, made as their pages say, against a copy of the site
that they name, behind two proxies of a region.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.model.worker import Language
from fyke.reasons import HintCode
from support.booted import Booted, booted
from support.commands import Cli
from support.library_templates import TOOLS, skip_without_registry
from support.recipe_site import (
    AUTHORS,
    BORN,
    PAGES,
    PASSWORD,
    QUOTES,
    USER,
    RecipeSite,
    recipe_site,
)

pytestmark = pytest.mark.timeout(900)

RECIPES = Path(__file__).parents[2] / "examples" / "recipes"
PROGRAM = RECIPES.parent / "python" / "upsert.py"
SITE = "http://quotes.toscrape.com/"
REGION = "ZZ"
SECONDS = 420  # of an installation, and of a run
SUCCEEDED, FAILED = 3, 4
AUTHOR_PAGES = {name: (BORN, f"{SITE.rstrip('/')}{path}") for path, name in AUTHORS.items()}
TEXTS = [quote["text"] for quote in QUOTES]


@pytest.fixture(scope="module")
def site() -> Iterator[RecipeSite]:
    with recipe_site() as made:
        yield made


@pytest.fixture(scope="module")
def own(site: RecipeSite) -> Iterator[Cli]:
    """The command line of a platform with a region that leads to the site."""
    with booted(egress_upstreams=json.dumps({REGION: site.upstreams})) as platform:
        yield Cli(platform)


@pytest.fixture(autouse=True)
def _fresh(site: RecipeSite) -> None:
    site.forget()


def push(cli: Cli, recipe: str, folder: Path, template: str = "requests") -> str:
    """Publish a project that was made from a template and the files of a recipe; its slug."""
    skip_without_registry(Language.NODE if template == "crawlee-js" else Language.PYTHON)
    project = folder / recipe
    cli.run("worker", "new", project, "--template", template)
    shutil.copytree(RECIPES / recipe, project, dirs_exist_ok=True)
    pushed = cli.json("worker", "push", project, "--wait", "--timeout-seconds", SECONDS)
    return str(pushed["slug"])


def run(platform: Booted, slug: str, custom: dict[str, Any], status: int = SUCCEEDED) -> str:
    started = platform.start_run(slug, custom, proxy_region=REGION)
    detail = platform.ended(started, SECONDS)
    log = platform.log_text(started)[-3000:]
    assert detail["status"] == status, f"{detail['err_msg']}\n{log}"
    return started


def test_pagination(own: Cli, tmp_path: Path) -> None:
    slug = push(own, "pagination", tmp_path)
    for way in ("link", "number", "api"):
        started = run(own.platform, slug, {"site": SITE, "way": way})
        assert [row["text"] for row in own.platform.rows(started)] == TEXTS
    started = run(own.platform, slug, {"site": SITE, "max_results": 5})
    assert len(own.platform.rows(started)) == 5


def test_login(own: Cli, tmp_path: Path) -> None:
    slug = push(own, "login", tmp_path)
    own.run("secret", "set", slug, "QUOTES_USER", stdin=USER)
    own.run("secret", "set", slug, "QUOTES_PASSWORD", stdin="wrong password")
    refused = run(own.platform, slug, {"url": SITE}, FAILED)
    assert "refused the user name" in own.platform.detail(refused)["err_msg"]
    own.run("secret", "set", slug, "QUOTES_PASSWORD", stdin=PASSWORD)
    rows = own.platform.rows(run(own.platform, slug, {"url": SITE}))
    assert len(rows) == len(QUOTES)
    assert rows[0] == {
        "author": "Author 0",
        "goodreads": "http://goodreads.com/author/Author-0",
    }


def test_refusals(own: Cli, site: RecipeSite, tmp_path: Path) -> None:
    slug = push(own, "blocked", tmp_path)
    custom = {"site": SITE, "pause": 0.01, "pages": PAGES}
    site.refusals = 2
    rows = own.platform.rows(run(own.platform, slug, custom))
    assert [row["text"] for row in rows] == TEXTS
    assert len(site.visitors) == 3
    site.forget(refusals=100)
    ended = run(own.platform, slug, custom, FAILED)
    assert "3 pages in a row were refused: 403" in own.platform.detail(ended)["err_msg"]
    assert own.platform.summary(ended)["hint"]["code"] == HintCode.BLOCKED
    assert len(site.visits) == 15  # five for each page


def test_each_visitor_stays_with_one_proxy(own: Cli, site: RecipeSite, tmp_path: Path) -> None:
    slug = push(own, "proxies", tmp_path)
    run(own.platform, slug, {"site": SITE, "visitors": 12, "pages": 36})
    used: dict[str, set[int]] = {}
    for visitor, _, port in site.visits:
        used.setdefault(visitor, set()).add(port)
    assert len(used) == 12 and len(site.visits) == 36
    assert all(len(ports) == 1 for ports in used.values())
    assert set().union(*used.values()) == set(site.ports)


def test_an_actor(own: Cli, tmp_path: Path) -> None:
    slug = push(own, "from-apify", tmp_path)
    started = run(own.platform, slug, {"startUrls": [{"url": SITE}], "maxItems": 3})
    assert [row["text"] for row in own.platform.rows(started)] == TEXTS[:3]


def test_upsert(own: Cli, site: RecipeSite, tmp_path: Path) -> None:
    slug = push(own, "upsert", tmp_path)
    started = run(own.platform, slug, {"url": SITE})
    rows = {row["author"]: row for row in own.platform.rows(started)}
    names = [quote["author"]["name"] for quote in QUOTES]
    assert {name: row["quotes"] for name, row in rows.items()} == {
        name: names.count(name) for name in names
    }
    assert {row["born"] for row in rows.values()} == {BORN}
    paths = [path for _, path, _ in site.visits]
    assert all(paths.count(path) == 1 for path in AUTHORS)
    database = tmp_path / "authors.db"
    for _ in range(2):
        subprocess.run(
            [sys.executable, PROGRAM, started, database],
            env={**own.platform.environment(), "FYKE_URL": own.platform.url,
                 "FYKE_KEY": own.platform.key},
            check=True,
            timeout=60,
        )  # fmt: skip
    with sqlite3.connect(database) as connection:
        stored = connection.execute("SELECT author, born, quotes FROM authors").fetchall()
    assert sorted(stored) == sorted((row["author"], BORN, row["quotes"]) for row in rows.values())


@pytest.mark.long  # for what is installed
def test_a_scrapy_project(own: Cli, site: RecipeSite, tmp_path: Path) -> None:
    slug = push(own, "scrapy-project", tmp_path, "scrapy")
    site.refusals = 1
    started = run(own.platform, slug, {"arguments": {"site": SITE}})
    assert site.visits[1][1] == site.visits[0][1]  # again
    assert sorted(row["text"] for row in own.platform.rows(started)) == sorted(TEXTS)


@pytest.mark.long
def test_crawlee(own: Cli, site: RecipeSite, tmp_path: Path) -> None:
    slug = push(own, "crawlee", tmp_path, "crawlee")
    site.refusals = 1
    rows = own.platform.rows(run(own.platform, slug, {"url": SITE}))
    found = {row["author"]: (row["born"], row["url"]) for row in rows}
    assert len(rows) == len(AUTHORS)
    assert len(site.visitors) > 1
    assert found == AUTHOR_PAGES


@pytest.mark.long
@pytest.mark.needs(*TOOLS["crawlee-js"])
def test_crawlee_in_node(own: Cli, site: RecipeSite, tmp_path: Path) -> None:
    slug = push(own, "crawlee-js", tmp_path, "crawlee-js")
    site.refusals = 1
    rows = own.platform.rows(run(own.platform, slug, {"url": SITE}))
    found = {row["author"]: (row["born"], row["url"]) for row in rows}
    assert found == AUTHOR_PAGES
    assert len(rows) == len(AUTHORS)
    assert len(site.visitors) > 1


@pytest.mark.long
@pytest.mark.needs(*TOOLS["playwright"])
def test_a_page_that_loads_more_as_one_scrolls(own: Cli, tmp_path: Path) -> None:
    slug = push(own, "scroll", tmp_path, "playwright")
    started = run(own.platform, slug, {"url": f"{SITE}scroll"})
    assert [row["text"] for row in own.platform.rows(started)] == TEXTS


@pytest.mark.long
@pytest.mark.needs(*TOOLS["playwright"])
def test_selenium(own: Cli, tmp_path: Path) -> None:
    slug = push(own, "selenium", tmp_path)
    started = run(own.platform, slug, {"url": f"{SITE}scroll"})
    assert [row["text"] for row in own.platform.rows(started)][:2] == TEXTS[:2]
