"""Workers whose runs leave out images, media and fonts, with interception of their own on top."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.booted import Booted
from support.javascript_site import ROWS, JavascriptSite
from support.pictured_site import pictured_site
from support.projects import EMPTY_SCHEMA, python_project
from zoo.bundles import SDK, packed

pytestmark = [
    pytest.mark.needs("bwrap", "chromium", "driver", "node", "npm"),
    pytest.mark.timeout(900),  # some packages are large
]
WORKERS = Path(__file__).parent / "browser_workers"
BLOCK = ["images", "media", "fonts"]
LOADED = {"/", "/items.json", "/style.css"}
SUCCEEDED = 3

ROUTE = '    page.route("**/*", lambda route: route.continue_())\n    page.goto(url)\n'
INTERCEPTION = """  await page.setRequestInterception(true);
  page.on("request", (request) => request.continue());
  await page.goto(url);
"""


@pytest.fixture
def site() -> Iterator[JavascriptSite]:
    with pictured_site() as made:
        yield made


def python_worker(name: str, package: str, old: str = "", new: str = "") -> bytes:
    source = (WORKERS / "python" / f"{name}.py").read_text()
    assert old in source
    return python_project(source.replace(old, new or old), requirements=f"{package}\n")


def node_worker(name: str, package: str, old: str, new: str) -> bytes:
    source = (WORKERS / "node" / f"{name}.js").read_text()
    assert old in source
    files = {path.name: path.read_text() for path in (SDK / "node").glob("*.js")}
    files["main.js"] = source.replace(old, new)
    files["package.json"] = json.dumps({"dependencies": {package: "*"}})
    files["input_schema.json"] = json.dumps(EMPTY_SCHEMA)
    return packed(dict(files))


PROJECTS = {
    "route": lambda: python_worker(
        "playwright_connect", "playwright", "    page.goto(url)\n", ROUTE
    ),
    "launched": lambda: python_worker(
        "playwright_launch", "playwright", "    page.goto(url)\n", ROUTE
    ),
    "interception": lambda: node_worker(
        "puppeteer_core_connect", "puppeteer-core", "  await page.goto(url);\n", INTERCEPTION
    ),
    "selenium": lambda: python_worker("selenium_remote", "selenium"),
}


@pytest.mark.parametrize(
    "name", ["route", *(pytest.param(name, marks=pytest.mark.long) for name in [*PROJECTS][1:])]
)
def test_a_worker_gets_its_rows_without_what_its_run_leaves_out(
    platform: Booted, site: JavascriptSite, name: str
) -> None:
    slug = platform.push(PROJECTS[name](), f"blocked-{name}")
    run = platform.start_run(
        slug, {"url": site.url}, egress_allow=[site.target], browser_block=BLOCK
    )
    detail = platform.ended(run, 600)
    log = platform.log_text(run)
    assert detail["status"] == SUCCEEDED, f"{detail['err_msg']}\n{log[-3000:]}"
    assert platform.rows(run) == ROWS
    assert set(site.requests) - {"/favicon.ico"} == LOADED
    assert "The run does not load images, media, fonts" in log
    shown = platform.read(f"/api/fyke/runs/{run}/browser")
    assert shown["block"] == BLOCK
    blocked = {item["type"]: item["blocked"] for item in shown["requests"] if item["blocked"]}
    assert blocked == {"image": 2, "media": 1, "font": 1}
