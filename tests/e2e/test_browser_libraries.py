"""Workers with the libraries that published Workers use, each as its documentation says: the same
rows from the same page, whose traffic passes the metered proxy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from fyke_client import FykeAdmin
from support.booted import Booted
from support.javascript_site import LEAST_BYTES, ROWS, JavascriptSite, javascript_site
from support.projects import EMPTY_SCHEMA, python_project
from zoo.bundles import SDK, built, go_project, packed

pytestmark = [
    pytest.mark.needs("bwrap", "chromium", "driver", "node", "npm"),
    pytest.mark.timeout(900),  # some packages are large
]

WORKERS = Path(__file__).parent / "browser_workers"
SUCCEEDED = 3
INSTALL_SECONDS = 600
BUILT = ("pyppeteer",)  # its dependencies are only there as sources
PYTHON = {
    "crawl4ai_connect": "crawl4ai",
    "crawlee_launch": "crawlee[playwright]",
    "drissionpage": "DrissionPage",
    "nodriver_connect": "nodriver",
    "patchright_connect": "patchright",
    "patchright_launch": "patchright",
    "playwright_connect": "playwright",
    "playwright_launch": "playwright",
    "pyppeteer_connect": "pyppeteer",
    "pyppeteer_launch": "pyppeteer",
    "scrapy_connect": "scrapy-playwright",
    "scrapy_launch": "scrapy-playwright",
    "selenium_local": "selenium",
    "selenium_remote": "selenium",
    "zendriver_connect": "zendriver",
    "zendriver_launch": "zendriver",
}
NODE = {
    "crawlee_playwright": ("crawlee", "playwright"),
    "crawlee_puppeteer": ("crawlee", "puppeteer"),
    "patchright_connect": ("patchright",),
    "patchright_launch": ("patchright",),
    "playwright_connect": ("playwright",),
    "playwright_launch": ("playwright",),
    "puppeteer_connect": ("puppeteer",),
    "puppeteer_core_connect": ("puppeteer-core",),
    "puppeteer_launch": ("puppeteer",),
    "selenium_local": ("selenium-webdriver",),
    "selenium_remote": ("selenium-webdriver",),
}
CLOSES, TIMES = "selenium_closes", 25


def cases(names: Iterable[str], *ordinary: str) -> list[object]:
    """The names; all but the ordinary ones only with ``script/test --all``."""
    return [
        name if name in ordinary else pytest.param(name, marks=pytest.mark.long) for name in names
    ]


@pytest.fixture(scope="module")
def site() -> Iterator[JavascriptSite]:
    with javascript_site() as made:
        yield made


def check_rows(
    platform: Booted, site: JavascriptSite, project: bytes, name: str, **given: object
) -> None:
    before = len(site.requests)
    slug = platform.push(project, name.replace("_", "-"))
    if any(word in name for word in BUILT):
        with FykeAdmin(platform.url, platform.key, timeout=60) as client:
            client.allow_builds(slug, allowed=True)
    run = platform.start_run(slug, {"url": site.url, **given}, egress_allow=[site.target])
    detail = platform.ended(run, INSTALL_SECONDS)
    assert detail["status"] == SUCCEEDED, f"{detail['err_msg']}\n{platform.log_text(run)[-3000:]}"
    assert platform.rows(run) == ROWS
    assert site.requests[before:].count("/items.json") == 1
    assert detail["traffic"] >= LEAST_BYTES


@pytest.mark.parametrize("name", cases(PYTHON, "playwright_connect", "selenium_local"))
def test_rows_of_a_python_library(platform: Booted, site: JavascriptSite, name: str) -> None:
    source = (WORKERS / "python" / f"{name}.py").read_text()
    settings = {
        "fyke.json": json.dumps({"install": "build" if name.startswith(BUILT) else "wheels"})
    }
    project = python_project(source, requirements=f"{PYTHON[name]}\n", **settings)
    check_rows(platform, site, project, f"python-{name}")


@pytest.mark.parametrize("name", cases(NODE))
def test_rows_of_a_node_library(platform: Booted, site: JavascriptSite, name: str) -> None:
    package = {"dependencies": dict.fromkeys(NODE[name], "*")}
    files = {path.name: path.read_text() for path in (SDK / "node").glob("*.js")}
    files["main.js"] = (WORKERS / "node" / f"{name}.js").read_text()
    files["package.json"] = json.dumps(package)
    files["input_schema.json"] = json.dumps(EMPTY_SCHEMA)
    check_rows(platform, site, packed(dict(files)), f"node-{name}")


@pytest.mark.needs("go")
@pytest.mark.parametrize("way", cases(["path", "rod", "address", "version"], "path"))
def test_rows_of_a_go_program(platform: Booted, site: JavascriptSite, way: str) -> None:
    """Each way in which chromedp and rod find or start a browser."""
    check_rows(platform, site, go_project(built(WORKERS / "go")), "go-browser", way=way)


@pytest.mark.long
@pytest.mark.parametrize("local", [False, True], ids=["remote", "local"])
def test_closing_the_last_window_counts_as_no_start(platform: Booted, local: bool) -> None:
    """More often than an attempt may start a browser in a minute."""
    source = (WORKERS / "python" / f"{CLOSES}.py").read_text()
    slug = platform.push(python_project(source, requirements="selenium\n"), "selenium-closes")
    run = platform.start_run(slug, {"times": TIMES, "local": local})
    detail = platform.ended(run, INSTALL_SECONDS)
    assert detail["status"] == SUCCEEDED, f"{detail['err_msg']}\n{platform.log_text(run)[-3000:]}"
    assert platform.rows(run) == [{"number": number, "windows": 1} for number in range(TIMES)]


def test_every_worker_is_used() -> None:
    found = {path.stem for path in (WORKERS / "python").glob("*.py")}
    assert found == {*PYTHON, CLOSES}
    assert {path.stem for path in (WORKERS / "node").glob("*.js")} == NODE.keys()
