"""The declaration of a page and who may open it. Every page requires a session, except the exact
methods and paths in ``PUBLIC``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from fyke.console.forms import PostedForm
    from fyke.console.view import View

Handler = Callable[["View"], Awaitable[Response]]

FORM_BYTES = 2**20

PUBLIC: frozenset[tuple[str, str]] = frozenset(
    {
        ("GET", "/static/{digest}/{path:path}"),
        ("GET", "/favicon.ico"),
        ("GET", "/login"),
        ("POST", "/login"),
        ("POST", "/login/code"),
        ("GET", "/setup"),
        ("POST", "/setup"),
        ("GET", "/invite"),
        ("POST", "/invite"),
        ("GET", "/reset"),
        ("POST", "/reset"),
        ("GET", "/confirm-address"),
        ("POST", "/confirm-address"),
        ("GET", "/shared/{token:path}"),
        ("GET", "/docs"),
        ("GET", "/docs/{page}"),
        ("GET", "/docs/{page}.md"),
        ("GET", "/llms.txt"),
        ("GET", "/guide"),
        ("GET", "/guide/{page:path}"),
    }
)


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """One method and path of the console.

    ``area`` is the path of its entry in the sidebar. ``operator``: only for the owners and the
    members of the account that runs this installation. ``form_bytes`` limits the form of an unsafe
    method, which is read before the handler runs; 0 leaves the body to the handler, which must
    limit it itself. ``part``: a fragment or a file, never a whole page. ``excluded``: fields of the
    form, such as passwords, that are dropped when the user has to sign in again; ``excludes`` names
    more of them for a form that was sent.
    """

    method: str
    path: str
    handler: Handler
    area: str = ""
    operator: bool = False
    form_bytes: int = FORM_BYTES
    part: bool = False
    excluded: frozenset[str] = frozenset()
    excludes: Callable[[PostedForm], frozenset[str]] | None = None

    def excluded_of(self, form: PostedForm) -> frozenset[str]:
        """The fields of ``form`` that are dropped."""
        return self.excluded | self.excludes(form) if self.excludes else self.excluded

    @property
    def public(self) -> bool:
        return (self.method, self.path) in PUBLIC

    @property
    def unsafe(self) -> bool:
        """Whether the method changes data, so that requests from other sites are refused."""
        return self.method not in ("GET", "HEAD")
