"""Detects from a project whether it uses a browser.

Looked for are the packages of libraries that drive one, and the names of the variables and hosts
where a Worker finds its browser. A hit does not prove that every run uses one, so it never makes a
version refuse to start; ``fyke.json`` can say more, see ``project_file``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fyke.domain.workers.dependency_findings import Import, imported_packages
from fyke.domain.workers.requirements import Requirement
from fyke.domain.workers.schema_report import INFO, WARNING, shortened
from fyke.model.worker import BrowserNeed, Finding, Language

# Packages of PyPI, in their normalised form. Modules are named alike, apart from two.
_PYTHON_PACKAGE_NAMES = """
botasaurus browser-use camoufox crawl4ai drissionpage helium nodriver patchright playwright
playwright-stealth pydoll-python pyppeteer rebrowser-playwright scrapy-playwright scrapy-selenium
selenium selenium-driverless selenium-stealth selenium-wire seleniumbase splinter
undetected-chromedriver undetected-playwright zendriver
"""
_PYTHON_PACKAGES = frozenset(_PYTHON_PACKAGE_NAMES.split())
_PYTHON_MODULES = frozenset(name.replace("-", "_") for name in _PYTHON_PACKAGES) | {
    "pydoll",
    "seleniumwire",
}
_NODE_PACKAGE = re.compile(
    r"(?:@[a-z0-9-]+/)?(?:rebrowser-)?(?:playwright|patchright|puppeteer)(?:-[a-z0-9-]+)?"
    r"|@playwright/test|selenium-webdriver|webdriverio|chrome-remote-interface|chrome-launcher"
)
_GO_PACKAGE = re.compile(
    r"github\.com/(?:chromedp/chromedp|go-rod/rod|playwright-community/playwright-go"
    r"|mxschmitt/playwright-go|tebeka/selenium)\b"
)
_EXTRAS = re.compile(r"crawlee\[[^\]]*\b(?:all|playwright)\b[^\]]*\]")  # with its browser crawlers
# variables and hosts of the browser, and the crawlers of a package that also has others
_NAMES = re.compile(
    r"\b(?:ChromeWs|ChromeHttp|LightpandaDomain|BROWSER_WS|(?:Adaptive)?PlaywrightCrawler"
    r"|PuppeteerCrawler)\b|\b(?:chrome-ws|chrome-http|lightpanda)-inner\."
)
# what no Chromium does, in the words of Playwright and Selenium, apart from videos
_OTHER_BROWSER = re.compile(
    r"\b(?:firefox|webkit)\.(?:launch\w*|connect)\b|\bwebdriver\.(?:Firefox|Safari)\b"
    r"|\b(?:Async)?Camoufox\("
)
_VIDEO = re.compile(r"\brecord_video_(?:dir|size)\b|\brecordVideo\b")
_COMMENT = {
    Language.PYTHON: ("#",),
    Language.NODE: ("//", "*", "/*"),
    Language.GO: ("//", "*", "/*"),
}

Source = tuple[str, str]  # path and text


@dataclass(frozen=True, slots=True)
class Clue:
    """What shows that a project uses a browser; ``line`` is 0 for the whole file."""

    file: str
    line: int
    name: str


def python_clue(
    packages: Iterable[Requirement], imports: Iterable[Import], sources: Iterable[Source]
) -> Clue | None:
    """The first clue in requirements.txt, then in the imports, then in the text."""
    for package in packages:
        if package.name in _PYTHON_PACKAGES or _EXTRAS.match(package.text):
            return Clue("requirements.txt", 0, package.name)
    for file, line, module in imports:
        if module.lower() in _PYTHON_MODULES:
            return Clue(file, line, module)
    return _named(sources, Language.PYTHON, _NAMES)


def node_clue(packages: Iterable[str], sources: list[Source]) -> Clue | None:
    """The same; ``packages`` are the names in package.json."""
    for name in packages:
        if _NODE_PACKAGE.fullmatch(name):
            return Clue("package.json", 0, name)
    for file, line, name in imported_packages(sources):
        if _NODE_PACKAGE.fullmatch(name):
            return Clue(file, line, name)
    return _named(sources, Language.NODE, _NAMES)


def go_clue(sources: list[Source]) -> Clue | None:
    """The first clue in the text; there is none in a compiled program."""
    return _named(sources, Language.GO, _GO_PACKAGE) or _named(sources, Language.GO, _NAMES)


def finding(clue: Clue, declared: BrowserNeed) -> Finding | None:
    """What the author should know about a clue, beside what the project declares."""
    if declared is BrowserNeed.NONE:
        return Finding(
            WARNING,
            "browser_refused",
            clue.file,
            clue.line,
            shortened(f'fyke.json declares "browser": "none", but {clue.name} uses a browser'),
            'its connections will be refused; declare "optional" or "required" if it needs one',
        )
    if declared is not BrowserNeed.UNKNOWN:
        return None
    return Finding(
        INFO,
        "browser_detected",
        clue.file,
        clue.line,
        shortened(f"{clue.name} uses a browser, so each run reserves one"),
        'to change that, declare "browser" in fyke.json: "required" if no run can do without, '
        '"optional" if most can, "none" if all can',
    )


def missing_parts(sources: list[Source], language: Language) -> Iterator[Finding]:
    """What the project names that only other browsers have, or that is not there."""
    if clue := _named(sources, language, _OTHER_BROWSER):
        name = clue.name.rstrip("(")
        message = f"{name} starts another browser than Chromium, and there is none"
        remedy = "use Chromium, such as chromium.launch() or webdriver.Chrome()"
        yield Finding(WARNING, "browser_other", clue.file, clue.line, shortened(message), remedy)
    if clue := _named(sources, language, _VIDEO):
        message = f"{clue.name} records a video of the page, which fails: there is no ffmpeg"
        remedy = "leave it out; take pictures of the page instead"
        yield Finding(WARNING, "browser_no_video", clue.file, clue.line, message, remedy)


def _named(sources: Iterable[Source], language: Language, names: re.Pattern[str]) -> Clue | None:
    """The first of ``names`` outside of comments."""
    for file, text in sources:
        for number, line in enumerate(text.splitlines(), 1):
            found = names.search(line)
            if found and not line.lstrip().startswith(_COMMENT[language]):
                return Clue(file, number, found[0].rstrip("."))
    return None
