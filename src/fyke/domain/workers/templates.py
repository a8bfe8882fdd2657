"""Templates of Worker projects: the command line writes them to a folder, the console offers them
as archives.
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

_SOURCES = frozenset({".py", ".js", ".ts", ".go", ".mod"})


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


def new_project(title: str, assets: Path, name: str = "page-titles") -> dict[str, str]:
    """Return the files of a new project: path to content. ``assets``: the folder with ``sdk``."""
    [language] = {template.language for template in TEMPLATES if template.name == name}
    sdk = assets / "sdk" / language.value
    files = {
        path.relative_to(sdk).as_posix(): path.read_text("utf-8")
        for path in sorted(sdk.rglob("*"))
        if path.suffix in _SOURCES
    }
    return _WRITTEN[name](title) | files


@cache
def template_archive(name: str, assets: Path) -> bytes:
    """Return the template as a ZIP for upload. Raise ``NotFound``."""
    template = next((item for item in TEMPLATES if item.name == name), None)
    if template is None:
        raise NotFound
    if name not in _WRITTEN:  # it ships with Fyke
        return pack(assets / "workers" / name)
    written = new_project(template.title, assets, name)
    return normalise(_file(path, text.encode()) for path, text in written.items())


def _file(path: str, data: bytes) -> ProjectFile:
    def chunks() -> Iterator[bytes]:
        yield data

    return ProjectFile(path, len(data), executable=False, chunks=chunks)
