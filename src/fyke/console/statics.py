"""Style, behaviour, icons and libraries of the console: files of this package.

All lie below one digest of all of them, so that an address changes when any file does, modules
can name each other relatively, and a browser may keep everything for ever. The style sheets are
served as one file, in the order of their names.
"""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from fyke.api.docs.content import FOREVER, Content
from fyke.errors import NotFound

STYLE = "app.css"
_LEFT_OUT = ("vendor.toml",)


class Statics:
    """The files by path below ``static``, read once."""

    def __init__(self, folder: Traversable | None = None) -> None:
        folder = folder or files(__package__) / "static"
        found = dict(sorted(_walk(folder)))
        sheets = [text for path, text in found.items() if path.startswith("css/")]
        found[STYLE] = b"\n".join(sheets)
        digest = hashlib.sha256()
        for path, text in found.items():
            digest.update(path.encode() + b"\0" + text + b"\0")
        self.digest = digest.hexdigest()[:16]
        self._files = {path: Content(text, _type(path)) for path, text in found.items()}

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
    """The files of this package; every console of a process has the same."""
    return Statics()


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found.extend(_walk(each, f"{prefix}{each.name}/"))
        elif each.name not in _LEFT_OUT:
            found.append((prefix + each.name, each.read_bytes()))
    return found


def _type(path: str) -> str:
    guessed, _ = mimetypes.guess_type(path)
    return {"application/javascript": "text/javascript"}.get(guessed or "", guessed or "text/plain")


@cache
def icon_shape(name: str) -> str:
    """The drawing inside an icon's ``svg`` element. Raise ``FileNotFoundError`` for no icon."""
    text = (files(__package__) / "icons" / "lucide" / f"{name}.svg").read_text(encoding="utf-8")
    return " ".join(text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")].split())
