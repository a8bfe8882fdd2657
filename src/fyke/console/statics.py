"""Style sheets, scripts, the font and libraries of the console: files of this package.

Their addresses contain one digest of all files, so that browsers can cache them without expiry and
modules can import each other by relative paths. The style sheets are served as one file, in the
order of their names. Comments of our files are not served: they are 4 kB of what a first visit
transfers.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from fyke.api.docs.content import FOREVER, Content
from fyke.errors import NotFound

STYLE = "app.css"
PREFETCHED = "tabs.speculationrules"
_EXCLUDED = ("vendor.toml",)
_MEDIA_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "speculationrules": "application/speculationrules+json",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}

# In scripts only those on lines of their own: a text may contain the signs of a comment.
_COMMENTS = {
    "css/": re.compile(rb" */\*[^*]*(?:\*(?!/)[^*]*)*\*/"),
    "js/": re.compile(rb"^ *(?://[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*\*/)\n", re.MULTILINE),
}


class Statics:
    """The files by path below ``static``, read once."""

    def __init__(self, folder: Traversable | None = None) -> None:
        folder = folder or files(__package__) / "static"
        files_by_path = dict(sorted(_walk(folder)))
        sheets = [data for path, data in files_by_path.items() if path.startswith("css/")]
        files_by_path[STYLE] = b"\n".join(sheets)
        digest = hashlib.sha256()
        for path, data in files_by_path.items():
            digest.update(path.encode() + b"\0" + data + b"\0")
        self.digest = digest.hexdigest()[:16]
        self._files = {
            path: Content(data, _media_type(path)) for path, data in files_by_path.items()
        }

    def address(self, path: str) -> str:
        """The path of a file; raise ``KeyError`` for an unknown name."""
        if path not in self._files:
            raise KeyError(f"there is no static file {path}")
        return f"/static/{self.digest}/{path}"

    async def answer(self, request: Request, digest: str, path: str) -> Response:
        """One of the files; raise ``NotFound`` for any other name or digest."""
        content = self._files.get(path)
        if content is None or digest != self.digest:
            raise NotFound
        return await content.answer(request, FOREVER)


@cache
def package_statics() -> Statics:
    """The files of this package, read once in a process."""
    return Statics()


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    files_below: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            files_below.extend(_walk(entry, f"{prefix}{entry.name}/"))
        elif entry.name not in _EXCLUDED:
            files_below.append((prefix + entry.name, _served(prefix, entry.read_bytes())))
    return files_below


def _served(prefix: str, data: bytes) -> bytes:
    comment = _COMMENTS.get(prefix)
    return comment.sub(b"", data) if comment else data


def _media_type(path: str) -> str:
    return _MEDIA_TYPES.get(path.rpartition(".")[2], "text/plain")


@cache
def icon_shape(name: str) -> str:
    """The content of an icon's ``svg`` element. Raise ``FileNotFoundError`` for an unknown name."""
    text = (files(__package__) / "icons" / "lucide" / f"{name}.svg").read_text(encoding="utf-8")
    return " ".join(text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")].split())
