"""Templates of Worker projects: the command line writes them to a folder, the console offers them
as archives.

Those with a library are folders of plain files below ``worker-templates``: a project without the
SDK, in whose ``README.md`` only ``{{title}}`` is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fyke.domain.workers import feed_starter, go_build, starter, starter_go, starter_node
from fyke.domain.workers.archive import ProjectFile, normalise, pack
from fyke.errors import NotFound
from fyke.model.worker import Language

FOLDER = "worker-templates"  # among the assets
TITLE = "{{title}}"
_SOURCES = frozenset({".py", ".js", ".ts", ".go", ".mod"})
_NOT_WRITTEN = frozenset({"__pycache__", "node_modules"})  # the tests of a template leave them


@dataclass(frozen=True, slots=True)
class Template:
    """``name`` is also the name of the archive; ``title`` and ``text`` are in English."""

    name: str
    language: Language
    title: str
    text: str


TEMPLATES = (
    Template(
        "page-titles",
        Language.PYTHON,
        "Page titles",
        "The smallest useful Worker: fetches pages and stores a row for each.",
    ),
    Template(
        "page-titles-node",
        Language.NODE,
        "Page titles in Node.js",
        "The same Worker in JavaScript; nothing is installed for it.",
    ),
    Template(
        "page-titles-go",
        Language.GO,
        "Page titles in Go",
        "The same Worker in Go, as source; building it needs only Go.",
    ),
    Template(
        "json-feed",
        Language.PYTHON,
        "JSON feed",
        "Reads a JSON API page by page and stores its items.",
    ),
    Template(
        "website-content-crawler",
        Language.PYTHON,
        "Website crawler",
        "The complete crawler that ships with Fyke, ready to adapt.",
    ),
    Template(
        "page-screenshot",
        Language.PYTHON,
        "Screenshots of pages",
        "The Worker with a browser that ships with Fyke; it needs no library.",
    ),
    Template(
        "httpx",
        Language.PYTHON,
        "Quotes with httpx",
        "Fetches pages with httpx and reads them with selectolax.",
    ),
    Template(
        "requests",
        Language.PYTHON,
        "Quotes with Requests",
        "Fetches pages with Requests and reads them with Beautiful Soup.",
    ),
    Template(
        "scrapy",
        Language.PYTHON,
        "Quotes with Scrapy",
        "A Scrapy spider that follows links and stores its items.",
    ),
    Template(
        "crawlee",
        Language.PYTHON,
        "Quotes with Crawlee",
        "A crawler with Crawlee: it follows links and repeats requests that fail.",
    ),
    Template(
        "playwright",
        Language.PYTHON,
        "Quotes with Playwright",
        "Opens pages that need JavaScript in a browser, with Playwright.",
    ),
    Template(
        "cheerio",
        Language.NODE,
        "Quotes with Cheerio",
        "Fetches pages and reads them with Cheerio.",
    ),
    Template(
        "crawlee-js",
        Language.NODE,
        "Quotes with Crawlee in Node.js",
        "The same crawler in JavaScript; it reads pages with Cheerio.",
    ),
    Template(
        "puppeteer",
        Language.NODE,
        "Quotes with Puppeteer",
        "Opens pages that need JavaScript in a browser, with Puppeteer.",
    ),
    Template(
        "go-colly",
        Language.GO,
        "Quotes with Colly",
        "A collector with Colly that follows links; building it downloads modules.",
    ),
)

DEFAULT_TEMPLATES = {
    Language.PYTHON: "page-titles",
    Language.NODE: "page-titles-node",
    Language.GO: "page-titles-go",
}

_WRITTEN: dict[str, Callable[[str], dict[str, str]]] = {
    "page-titles": starter.files,
    "page-titles-node": starter_node.files,
    "page-titles-go": lambda title: starter_go.files(title, go_build.BY_HAND),
    "json-feed": feed_starter.files,
}
_SHIPPED = ("website-content-crawler", "page-screenshot")

# those of which ``new_project`` makes a project
PROJECT_TEMPLATES = tuple(template for template in TEMPLATES if template.name not in _SHIPPED)


def new_project(title: str, assets: Path, name: str = "page-titles") -> dict[str, str]:
    """Return the files of a new project: path to content. ``assets``: the folder with ``sdk``."""
    [language] = {template.language for template in PROJECT_TEMPLATES if template.name == name}
    written = _WRITTEN.get(name)
    own = written(title) if written else _files_of(assets / FOLDER / name, title)
    sdk = assets / "sdk" / language.value
    shared = {
        path.relative_to(sdk).as_posix(): path.read_text("utf-8")
        for path in sorted(sdk.rglob("*"))
        if path.suffix in _SOURCES
    }
    return own | {path: text for path, text in shared.items() if path not in own}


def _files_of(folder: Path, title: str) -> dict[str, str]:
    """The files of a template with a library, the entry first."""
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _NOT_WRITTEN & set(path.relative_to(folder).parts)
    ]
    paths.sort(key=lambda path: path.stem != "main")
    files = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}
    return files | {"README.md": files["README.md"].replace(TITLE, title)}


@cache
def template_archive(name: str, assets: Path) -> bytes:
    """Return the template as a ZIP for upload. Raise ``NotFound``."""
    template = next((item for item in TEMPLATES if item.name == name), None)
    if template is None:
        raise NotFound
    if name in _SHIPPED:
        return pack(assets / "workers" / name)
    written = new_project(template.title, assets, name)
    return normalise(_file(path, text.encode()) for path, text in written.items())


def _file(path: str, data: bytes) -> ProjectFile:
    def chunks() -> Iterator[bytes]:
        yield data

    return ProjectFile(path, len(data), executable=False, chunks=chunks)
