"""The console as one ASGI application, for every path that is not an operation of the REST API."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from fyke.api.auth import operation_of
from fyke.api.encodings import accepted_encoding
from fyke.api.errors import Refusal
from fyke.api.event_stream import EventStream
from fyke.api.network import Visit, header, limiter_key
from fyke.api.ratelimit import RateShare, TokenBuckets
from fyke.api.transport import PAGE, VISIT
from fyke.console import cookies, error_pages, formats, sign_in_redirect
from fyke.console.cookies import Notices
from fyke.console.cross_site import refuse_cross_site
from fyke.console.forms import PostedForm, read_form
from fyke.console.page import ConsolePage
from fyke.console.statics import PREFETCHED, Statics
from fyke.console.templating import make_environment
from fyke.console.texts import choose_language, use_language
from fyke.console.view import View, ViewContext
from fyke.domain.accounts.refusals import Refusals
from fyke.domain.accounts.sessions import Sessions, SignedInUser
from fyke.errors import (
    ConfirmationNeeded,
    Forbidden,
    FykeError,
    NotFound,
    RateLimited,
    Unauthenticated,
)
from fyke.kit.clock import Clock, SystemClock
from fyke.model.user import Preferences

_COMPRESS_FROM = 1024
THEMES = ("light", "dark")

SidebarCounts = Callable[[SignedInUser], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """``rate_limit``: requests per second of one session, 0 for no limit. ``priced``: whether runs
    cost money.
    """

    master_secret: bytes
    rate_limit: float = 60
    data_folder: str = ""  # shown to the operator
    priced: bool = True


class Console:
    """The pages. Each request first passes the checks of ``_admit``."""

    def __init__(
        self,
        sessions: Sessions,
        refusals: Refusals,
        pages: Sequence[ConsolePage],
        config: ConsoleConfig,
        statics: Statics,
        sidebar_counts: SidebarCounts,
        clock: Clock | None = None,
        share: RateShare | None = None,
    ) -> None:
        """``share``: this server's share of the rate limit, by default all of it."""
        self.pages = tuple(pages)
        self._sessions = sessions
        self._refusals = refusals
        self._sidebar_counts = sidebar_counts
        clock = clock or SystemClock()
        self._context = ViewContext(
            environment=make_environment(statics),
            notices=Notices(config.master_secret),
            clock=clock,
            pages=frozenset(page.path for page in pages if page.method == "GET"),
            prefetched=statics.address(PREFETCHED),
            priced=config.priced,
        )
        burst = max(1, int(config.rate_limit * 2))
        self._requests = TokenBuckets(config.rate_limit, burst, clock, share)
        self._routes = [_PageRoute(page) for page in pages]

    def has(self, path: str) -> bool:
        """Whether a page has this path, with any method."""
        return any(route.path_regex.match(path) for route in self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PAGE] = True
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        visit: Visit = request.scope[VISIT]
        signed_in, session_error = None, None
        if not request.url.path.startswith("/static/"):
            try:
                signed_in = await self._signed_in(request, visit)
            except FykeError as error:
                session_error = error  # raised below, where the language is known
        view = self._view(request, visit, signed_in)
        with use_language(view.language):
            try:
                if session_error:
                    raise session_error
                response = await self._admit(view)
            except Exception as error:
                if signed_in is not None and isinstance(error, Forbidden):
                    operation = operation_of(request.scope)
                    await self._refusals.forbidden(
                        signed_in.caller, visit.address, operation, error
                    )
                response = error_pages.respond(view, error)
        if header(request.scope, b"accept-encoding") and not response.headers.get("set-cookie"):
            _compress(request, response)
        return response

    async def _admit(self, view: View) -> Response:
        """Run the handler after the checks of path, rate, origin, session and role."""
        page = self._find(view)
        if not page.path.startswith("/static/"):
            self._check_rate(view)
        if page.unsafe:
            refuse_cross_site(view.request.scope, view.visit.origin)
        if view.signed_in is None and not page.public:
            return await sign_in_redirect.ask_to_sign_in(view, page, self._sessions)
        if page.operator and not view.caller.runs_installation:
            raise Forbidden("This page is for the operator of the installation")
        if view.signed_in is not None and not page.part:
            view.sidebar_counts = await self._sidebar_counts(view.signed_in)
        if page.unsafe and page.form_bytes:
            view.form = await read_form(view.request, page.form_bytes)
        try:
            response = await page.handler(view)
        except ConfirmationNeeded as needed:
            return sign_in_redirect.ask_to_confirm(view, page, code=needed.code)
        if isinstance(response, EventStream) and not page.public:
            token = cookies.session_token(view.request, view.visit)
            response.end_when(lambda: self._has_ended(token))
        return response

    async def _has_ended(self, token: str) -> bool:
        """Whether the session has ended."""
        try:
            await self._sessions.authenticate(token)
        except Unauthenticated:
            return True
        return False

    def _find(self, view: View) -> ConsolePage:
        """The page of the request's method and path. Stores the path's parameters in the scope."""
        allowed_methods: set[str] = set()
        for route in self._routes:
            match, scope = route.matches(view.request.scope)
            if match is Match.FULL:
                view.request.scope.update(scope)
                view.request.scope["route"] = route
                return route.page
            if match is Match.PARTIAL:
                allowed_methods.add(route.page.method)
        if allowed_methods:
            methods = ", ".join(sorted(allowed_methods))
            raise Refusal(405, f"this address takes {methods}")
        raise NotFound

    def _check_rate(self, view: View) -> None:
        key = view.signed_in.session_id if view.signed_in else limiter_key(view.visit.address)
        wait = self._requests.take(key)
        if wait > 0:
            raise RateLimited(int(wait) + 1)

    async def _signed_in(self, request: Request, visit: Visit) -> SignedInUser | None:
        token = cookies.session_token(request, visit)
        if not token:
            return None
        try:
            return await self._sessions.authenticate(token, visit.address)
        except Unauthenticated:
            return None

    def _view(self, request: Request, visit: Visit, signed_in: SignedInUser | None) -> View:
        chosen = signed_in.preferences if signed_in else Preferences()

        def stored(name: str) -> str:
            return cookies.read(request, visit, name)

        theme = chosen.theme if chosen.theme in THEMES else stored(cookies.THEME)
        zone_name = chosen.time_zone or stored(cookies.ZONE)
        return View(
            request=request,
            visit=visit,
            signed_in=signed_in,
            language=choose_language(
                chosen.language or stored(cookies.LANGUAGE),
                request.headers.get("accept-language", ""),
            ),
            zone=formats.zone_named(zone_name[:64]),
            zone_name=zone_name[:64],
            theme=theme if theme in THEMES else "",
            form=PostedForm(),
            context=self._context,
        )


class _PageRoute(Route):
    """Matches a page's path by Starlette's rules; the endpoint is never called."""

    def __init__(self, page: ConsolePage) -> None:
        super().__init__(page.path, _no_endpoint, methods=[page.method])
        self.page = page


async def _no_endpoint(request: Request) -> Response:
    raise NotImplementedError


def _compress(request: Request, response: Response) -> None:
    """Compress a text response. The caller leaves out those that set a cookie: the size of a
    compressed response with a secret and reflected input reveals the secret (BREACH).
    """
    body = getattr(response, "body", b"")
    if (
        accepted_encoding(request.headers.get("accept-encoding"), ("gzip",)) is None
        or len(body) < _COMPRESS_FROM
        or "content-encoding" in response.headers
        or not response.headers.get("content-type", "").startswith("text/")
    ):
        return
    response.body = gzip.compress(bytes(body), 4, mtime=0)
    response.headers["content-encoding"] = "gzip"
    response.headers["content-length"] = str(len(response.body))
