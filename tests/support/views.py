"""A request of the console in the form that its handlers get, without an application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment
from starlette.requests import Request

from fyke.api.network import Visit
from fyke.api.transport import REQUEST_ID
from fyke.console.cookies import Notices
from fyke.console.forms import PostedForm
from fyke.console.statics import package_statics
from fyke.console.templating import make_environment
from fyke.console.texts import ENGLISH
from fyke.console.view import View, ViewContext
from fyke.domain.accounts.sessions import SignedInUser
from fyke.kit.clock import ManualClock

Pairs = Sequence[tuple[str, str]]

VISIT = Visit("192.0.2.1", "http://here:8000")


@cache
def environment() -> Environment:
    """The templates, loaded once."""
    return make_environment(package_statics())


def scope_of(
    method: str, path: str, query: Pairs = (), headers: Mapping[str, str] | None = None
) -> dict[str, object]:
    """An ASGI scope of one HTTP request."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": urlencode(query).encode(),
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in (headers or {}).items()],
        "path_params": {},
        "state": {},
        REQUEST_ID: "01REQUEST",
    }


def view_of(
    path: str = "/",
    *,
    method: str = "GET",
    query: Pairs = (),
    form: Pairs = (),
    headers: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    signed_in: SignedInUser | None = None,
) -> View:
    """A request of a guest, or of a user that is signed in, in English and UTC."""
    scope = scope_of(method, path, query, headers)
    scope["path_params"] = dict(parameters or {})
    return View(
        request=Request(scope),
        visit=VISIT,
        signed_in=signed_in,
        language=ENGLISH,
        zone=ZoneInfo("UTC"),
        zone_name="UTC",
        theme="",
        form=PostedForm(form),
        context=ViewContext(environment(), Notices(b"s" * 32), ManualClock(), frozenset(), ""),
    )
