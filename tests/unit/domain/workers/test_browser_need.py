"""What shows that a project uses a browser, and what its author learns of it."""

from __future__ import annotations

import pytest

from fyke.domain.workers.browser_need import (
    Clue,
    finding,
    go_clue,
    missing_parts,
    node_clue,
    python_clue,
)
from fyke.domain.workers.requirements import parse
from fyke.model.worker import BrowserNeed, Language


@pytest.mark.parametrize(
    ("requirements", "found"),
    [
        ("requests\nplaywright==1.49.0\n", "playwright"),
        ("DrissionPage>=4", "drissionpage"),
        ("undetected_chromedriver", "undetected-chromedriver"),
        ("crawlee[beautifulsoup,playwright]", "crawlee"),
        ("crawlee[all]", "crawlee"),
        ("crawlee[httpx]", None),
        ("crawlee", None),
        ("playwrightish\nselenium-page-factory\n", None),
        ("requests\nbeautifulsoup4\n", None),
    ],
)
def test_packages_of_python_that_drive_a_browser_are_found(
    requirements: str, found: str | None
) -> None:
    clue = python_clue(parse(requirements), [], [])
    assert clue == (Clue("requirements.txt", 0, found) if found else None)


@pytest.mark.parametrize("module", ["playwright", "seleniumwire", "DrissionPage", "pydoll"])
def test_imported_modules_are_found_with_their_line(module: str) -> None:
    imports = [("main.py", 1, "json"), ("main.py", 7, module)]
    assert python_clue([], imports, []) == Clue("main.py", 7, module)
    assert python_clue([], imports[:1], []) is None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('ws = os.environ["ChromeWs"]', "ChromeWs"),
        ("url = os.getenv('BROWSER_WS')", "BROWSER_WS"),
        ('ws = "ws://u:p@chrome-ws-inner.coreclaw.com"', "chrome-ws-inner"),
        ("from crawlee.crawlers import PlaywrightCrawler", "PlaywrightCrawler"),
        ('key = os.environ["LightpandaDomain"]', "LightpandaDomain"),
        ("# not with ChromeWs", None),
        ("MyChromeWsHelper()", None),
        ("BROWSER_WSS = 1", None),
    ],
)
def test_names_in_the_text_are_found_outside_of_comments(line: str, name: str | None) -> None:
    clue = python_clue([], [], [("a.py", "x = 1\n"), ("b.py", f"\n    {line}\n")])
    assert clue == (Clue("b.py", 2, name) if name else None)


@pytest.mark.parametrize(
    ("package", "found"),
    [
        ("puppeteer", True),
        ("puppeteer-core", True),
        ("playwright-extra", True),
        ("@crawlee/playwright", True),
        ("@playwright/test", True),
        ("rebrowser-puppeteer-core", True),
        ("selenium-webdriver", True),
        ("my-puppeteer", False),
        ("crawlee", False),
        ("cheerio", False),
    ],
)
def test_packages_of_node_are_found_in_their_file_and_in_imports(package: str, found: bool) -> None:
    assert node_clue(["axios", package], []) == (
        Clue("package.json", 0, package) if found else None
    )
    source = f"// require('puppeteer')\nconst x = require('{package}/lib/a');\n"
    assert node_clue([], [("main.js", source)]) == (Clue("main.js", 2, package) if found else None)


def test_browser_crawlers_of_node_are_found_by_their_name() -> None:
    lines = ["import { CheerioCrawler,", "  PuppeteerCrawler } from 'crawlee';"]
    clue = node_clue(["crawlee"], [("main.js", "\n".join(lines))])
    assert clue == Clue("main.js", 2, "PuppeteerCrawler")
    assert node_clue(["crawlee"], [("main.js", lines[0])]) is None


def test_packages_and_names_are_found_in_go() -> None:
    imports = 'import (\n\t"os"\n\t"github.com/chromedp/chromedp/kb"\n)\n'
    assert go_clue([("main.go", imports)]) == Clue("main.go", 3, "github.com/chromedp/chromedp")
    names = 'package main\n// ChromeWs\nvar ws = os.Getenv("ChromeWs")\n'
    assert go_clue([("main.go", names)]) == Clue("main.go", 3, "ChromeWs")
    assert go_clue([("main.go", 'import "github.com/chromedp/chromedpx"')]) is None


def test_a_clue_is_no_problem_unless_the_project_declares_that_it_uses_none() -> None:
    clue = Clue("main.py", 3, "playwright")
    detected = finding(clue, BrowserNeed.UNKNOWN)
    assert detected is not None
    assert (detected.severity, detected.code) == ("info", "browser_detected")
    assert (detected.file, detected.line) == ("main.py", 3)
    assert "playwright uses a browser" in detected.message
    assert all(f'"{need}"' in detected.remedy for need in ("required", "optional", "none"))
    refused = finding(clue, BrowserNeed.NONE)
    assert refused is not None
    assert (refused.severity, refused.code) == ("warning", "browser_refused")
    assert finding(clue, BrowserNeed.OPTIONAL) is finding(clue, BrowserNeed.REQUIRED) is None


@pytest.mark.parametrize(
    ("language", "line", "name"),
    [
        (Language.PYTHON, "browser = p.firefox.launch()", "firefox.launch"),
        (
            Language.NODE,
            "await webkit.launchPersistentContext(d)",
            "webkit.launchPersistentContext",
        ),
        (Language.PYTHON, "driver = webdriver.Firefox()", "webdriver.Firefox"),
        (Language.PYTHON, "with Camoufox(headless=True) as b:", "Camoufox"),
    ],
)
def test_other_browsers_are_named(language: Language, line: str, name: str) -> None:
    [found] = missing_parts([("main", f"x\n{line}\n")], language)
    assert (found.code, found.file, found.line) == ("browser_other", "main", 2)
    assert found.message == f"{name} starts another browser than Chromium, and there is none"


def test_videos_are_named() -> None:
    source = ("a.js", "newContext({ recordVideo: { dir } })")
    [found] = missing_parts([source], Language.NODE)
    assert (found.code, found.line) == ("browser_no_video", 1)


@pytest.mark.parametrize(
    "line", ["# p.firefox.launch()", "chromium.launch()", "from playwright import firefox_like"]
)
def test_chromium_and_comments_are_no_other_browser(line: str) -> None:
    assert list(missing_parts([("main.py", line)], Language.PYTHON)) == []
