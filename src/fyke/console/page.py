"""What a page is: declared once, with who may see it. Nothing opens without a session unless its
method and path stand, letter for letter, in ``PUBLIC``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from fyke.console.view import View

Handler = Callable[["View"], Awaitable[Response]]

FORM_BYTES = 2**20

PUBLIC: frozenset[tuple[str, str]] = frozenset(
    {
        ("GET", "/static/{digest}/{path:path}"),
        ("GET", "/favicon.ico"),
        ("GET", "/login"),
        ("POST", "/login"),
        ("GET", "/setup"),
        ("POST", "/setup"),
        ("GET", "/invite"),
        ("POST", "/invite"),
        ("GET", "/reset"),
        ("POST", "/reset"),
        ("GET", "/shared/{token}"),
        ("GET", "/docs"),
        ("GET", "/docs/{page}"),
        ("GET", "/docs/{page}.md"),
        ("GET", "/llms.txt"),
    }
)


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """What one method and path shows or does.

    ``area`` is the path of the entry in the side bar that it belongs to. ``operator``: only for
    the account that runs this installation. ``form_bytes`` bounds the form of an unsafe method,
    which is read before the handler runs; 0 leaves the body to the handler, which must bound it
    itself. ``part``: never a whole page, only a piece of one or a file. ``excluded``: fields of its
    form that no page may contain, not even while the user signs in again.
    """

    method: str
    path: str
    handler: Handler
    area: str = ""
    operator: bool = False
    form_bytes: int = FORM_BYTES
    part: bool = False
    excluded: frozenset[str] = frozenset()

    @property
    def public(self) -> bool:
        return (self.method, self.path) in PUBLIC

    @property
    def unsafe(self) -> bool:
        """Whether it changes something, so that other sites must be kept from sending it."""
        return self.method not in ("GET", "HEAD")
