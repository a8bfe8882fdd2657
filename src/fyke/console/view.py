"""The argument of a page's handler: one admitted request, its visitor, and ways to respond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from jinja2 import Environment
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from fyke.api.errors import request_id
from fyke.api.network import Visit
from fyke.console import cookies, formats
from fyke.console.cookies import Notice, Notices, Tone
from fyke.console.forms import PostedForm
from fyke.console.guide import help_for
from fyke.console.navigation import groups_for
from fyke.console.templating import render, render_block
from fyke.console.texts import ConsoleLanguage
from fyke.domain.accounts.sessions import SignedInUser
from fyke.errors import MissingKey
from fyke.kit.clock import Clock
from fyke.model.account import Caller, Role

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# features of browsers that no page uses; copying to the clipboard stays possible
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "publickey-credentials-get",
        "screen-wake-lock",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)
PAGE_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "permissions-policy": PERMISSIONS_POLICY,
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    # the check of cross_site.py needs the origin of forms
    "referrer-policy": "same-origin",
    "vary": "cookie, accept-language, hx-request",
}


@dataclass(frozen=True, slots=True)
class ViewContext:
    """The parts that all views share."""

    environment: Environment
    notices: Notices
    clock: Clock
    pages: frozenset[str]  # paths without parameters that can be opened
    prefetched: str  # address of the rules by which browsers fetch pages ahead
    priced: bool = True  # False: no prices are set, so amounts of zero are left out


@dataclass(slots=True)
class View:
    """One admitted request.

    ``zone`` and ``language`` are the visitor's. A handler returns ``page``, ``part``,
    ``page_or_part``, ``go`` or another response.
    """

    request: Request
    visit: Visit
    signed_in: SignedInUser | None
    language: ConsoleLanguage
    zone: tzinfo
    zone_name: str
    theme: str
    form: PostedForm
    context: ViewContext
    sidebar_counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def caller(self) -> Caller:
        """The signed-in caller. Raise ``MissingKey`` on a public page without a session."""
        if self.signed_in is None:
            raise MissingKey
        return self.signed_in.caller

    @property
    def may_edit(self) -> bool:
        return self.signed_in is not None and self.signed_in.caller.role is not Role.VIEWER

    @property
    def query(self) -> QueryParams:
        return self.request.query_params

    @property
    def path(self) -> str:
        return str(self.request.url.path)

    @property
    def address(self) -> str:
        """Path and query of the request."""
        query = self.request.url.query
        return f"{self.path}?{query}" if query else self.path

    @property
    def single_keys(self) -> bool:
        """Whether shortcuts of a single key are on in this browser."""
        return cookies.read(self.request, self.visit, cookies.KEYS) != "off"

    def param(self, name: str) -> str:
        """A parameter of the path."""
        return str(self.request.path_params[name])

    @property
    def wants_part(self) -> bool:
        """Whether htmx requests a part of the page."""
        headers = self.request.headers
        return (
            headers.get("hx-request") == "true"
            and headers.get("hx-request-type") != "full"
            and headers.get("hx-history-restore-request") != "true"
        )

    def page(
        self,
        template: str,
        /,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """The whole page."""
        notice = self.context.notices.take(self.request, self.visit)
        text = render(self.context.environment, template, self._values(values, notice))
        # browsers that can fetch the page of a tab while it is pressed, before the click
        rules = {"speculation-rules": f'"{self.context.prefetched}"'}
        response = self._html(text, status, rules | dict(headers or {}))
        if cookies.read(self.request, self.visit, cookies.NOTICE):
            self.context.notices.drop(response, self.visit)
        return response

    def part(
        self,
        template: str,
        block: str,
        /,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """One block of the page."""
        return self._html(self.text_of(template, block, **values), status, headers)

    def text_of(self, template: str, block: str, /, **values: Any) -> str:
        """The block as text, for event streams."""
        return render_block(self.context.environment, template, block, self._values(values, None))

    def page_or_part(
        self, template: str, block: str, /, *, status: int = 200, **values: Any
    ) -> Response:
        """The block when htmx requests a part, the whole page otherwise."""
        if self.wants_part:
            return self.part(template, block, status=status, **values)
        return self.page(template, status=status, **values)

    def go(self, address: str, notice: str = "", tone: Tone = "good") -> Response:
        """Redirect to a page of the console after an action, with a notice for that page."""
        if self.request.headers.get("hx-request") == "true":
            response = Response(status_code=200, headers={"hx-redirect": address})
        else:
            response = Response(status_code=303, headers={"location": address})
        if notice:
            self.context.notices.put(response, self.visit, Notice(notice, tone))
        return response

    def _html(self, text: str, status: int, headers: Mapping[str, str] | None) -> Response:
        return Response(
            text,
            status_code=status,
            media_type="text/html",
            headers={**PAGE_HEADERS, **(headers or {})},
        )

    def _values(self, values: Mapping[str, Any], notice: Notice | None) -> dict[str, Any]:
        signed_in = self.signed_in
        return {
            "view": self,
            "caller": signed_in.caller if signed_in else None,
            "user": signed_in.user if signed_in else None,
            "preferences": signed_in.preferences if signed_in else None,
            "may_edit": self.may_edit,
            "help": help_for(self.path),
            "groups": list(groups_for(signed_in.caller, self.context.pages)) if signed_in else [],
            "sidebar_counts": self.sidebar_counts,
            "notice": notice,
            "priced": self.context.priced,
            "now": self.context.clock.now_ms(),
            "zone": self.zone,
            "request_id": request_id(self.request),
            "zone_cookie": cookies.name_of(self.visit, cookies.ZONE),
            "moment": lambda ms: formats.moment(ms, self.zone),
            "short_moment": lambda ms: formats.short_moment(
                ms, self.zone, self.context.clock.now_ms()
            ),
            "day": lambda ms: formats.day(ms, self.zone),
            "clock": lambda ms: formats.clock(ms, self.zone),
            "ago": lambda ms: formats.ago(ms, self.context.clock.now_ms()),
            **values,
        }


def own_address(text: str) -> str:
    """``text`` when it is a path of this server, otherwise "/". It prevents open redirects."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text or len(text) > 2000:
        return "/"
    return text if text.isprintable() and ":" not in text.partition("?")[0] else "/"
