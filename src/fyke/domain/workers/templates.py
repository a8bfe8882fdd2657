"""Projects to begin a Worker with. The command line writes them into a folder, the console hands
them out as archives: both from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fyke.domain.workers import feed_starter, starter
from fyke.domain.workers.archive import ProjectFile, normalise, pack
from fyke.domain.workers.model import Language
from fyke.domain.workers.project import SDK_FILES
from fyke.errors import NotFound

SHIPPED = "website-content-crawler"


@dataclass(frozen=True, slots=True)
class Template:
    """``name`` is what its archive is called; ``title`` and ``text`` are English."""

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
        "json-feed",
        Language.PYTHON,
        "JSON feed",
        "Reads a JSON API page by page and stores its items.",
    ),
    Template(
        SHIPPED,
        Language.PYTHON,
        "Website crawler",
        "The whole crawler that ships with Fyke, to be changed to your needs.",
    ),
)

_WRITTEN: dict[str, Callable[[str], dict[str, str]]] = {
    "page-titles": starter.files,
    "json-feed": feed_starter.files,
}


def new_project(title: str, assets: Path, name: str = "page-titles") -> dict[str, str]:
    """Name to content of a new Python project. ``assets`` is the folder that has ``sdk``."""
    sdk = assets / "sdk" / "python"
    files = {name: (sdk / name).read_text("utf-8") for name in SDK_FILES[Language.PYTHON]}
    return _WRITTEN[name](title) | files


@cache
def template_archive(name: str, assets: Path) -> bytes:
    """The template as a ZIP that can be uploaded as it is. Raise ``NotFound``."""
    template = next((each for each in TEMPLATES if each.name == name), None)
    if template is None:
        raise NotFound
    if name == SHIPPED:
        return pack(assets / "workers" / SHIPPED)
    written = new_project(template.title, assets, name)
    return normalise(_file(path, text.encode()) for path, text in written.items())


def _file(path: str, data: bytes) -> ProjectFile:
    def chunks() -> Iterator[bytes]:
        yield data

    return ProjectFile(path, len(data), executable=False, chunks=chunks)
