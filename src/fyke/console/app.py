"""Puts the console together: one ASGI application that answers every path the REST API leaves."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route, compile_path
from starlette.types import Receive, Scope, Send

from fyke.api.errors import Refusal
from fyke.api.event_stream import EventStream
from fyke.api.network import Visit, header, limiter_key
from fyke.api.ratelimit import TokenBuckets
from fyke.api.transport import PAGE, VISIT
from fyke.console import cookies, error_pages, formats, sign_in_redirect
from fyke.console.cookies import Notices
from fyke.console.cross_site import refuse_foreign
from fyke.console.forms import PostedForm, read_form
from fyke.console.page import ConsolePage
from fyke.console.statics import Statics
from fyke.console.templating import make_environment
from fyke.console.texts import choose, speak
from fyke.console.view import View, ViewContext
from fyke.domain.accounts.sessions import Sessions, SignedInUser
from fyke.errors import Forbidden, FykeError, NotFound, RateLimited, Unauthenticated
from fyke.kit.clock import Clock, SystemClock

_COMPRESS_FROM = 1024
THEMES = ("light", "dark")

SidebarCounts = Callable[[SignedInUser], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """Plain values. ``rate_limit`` is requests a second of one session, 0 = no limit."""

    master_secret: bytes
    rate_limit: float = 60
    data_folder: str = ""  # shown to the operator


class Console:
    """The pages; each request first passes the checks of limit, origin, session and role."""

    def __init__(
        self,
        sessions: Sessions,
        pages: Sequence[ConsolePage],
        config: ConsoleConfig,
        statics: Statics,
        sidebar_counts: SidebarCounts,
        clock: Clock | None = None,
    ) -> None:
        self.pages = tuple(pages)
        self._sessions = sessions
        self._sidebar_counts = sidebar_counts
        clock = clock or SystemClock()
        self._around = ViewContext(
            environment=make_environment(statics),
            notices=Notices(config.master_secret),
            clock=clock,
            pages=frozenset(page.path for page in pages if page.method == "GET"),
        )
        burst = max(1, int(config.rate_limit * 2))
        self._requests = TokenBuckets(config.rate_limit, burst, clock)
        self._routes = [_PageRoute(page) for page in pages]

    def has(self, path: str) -> bool:
        """Whether the path leads to a page, with some method."""
        return any(route.path_regex.match(path) for route in self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PAGE] = True
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        visit: Visit = request.scope[VISIT]
        still = request.url.path.startswith("/static/")
        signed_in, trouble = None, None
        try:
            signed_in = None if still else await self._whose(request, visit)
        except FykeError as error:
            trouble = error  # shown as a page, in the visitor's language where it is known
        view = self._view(request, visit, signed_in)
        with speak(view.language):
            try:
                if trouble:
                    raise trouble
                response = await self._admit(view)
            except Exception as error:
                response = error_pages.respond(view, error)
        if header(request.scope, b"accept-encoding") and not response.headers.get("set-cookie"):
            _compress(request, response)
        return response

    async def _admit(self, view: View) -> Response:
        """Page, limit, origin, session, role, form: in this order."""
        page = self._find(view)
        if not page.path.startswith("/static/"):
            self._spend(view)
        if page.unsafe:
            refuse_foreign(view.request.scope, view.visit.origin)
        if view.signed_in is None and not page.public:
            return await sign_in_redirect.ask_to_sign_in(view, page)
        if page.operator and not view.caller.operator:
            raise Forbidden("This page is for the operator of the installation")
        if view.signed_in is not None and not page.part:
            view.sidebar_counts = await self._sidebar_counts(view.signed_in)
        if page.unsafe and page.form_bytes:
            view.form = await read_form(view.request, page.form_bytes)
        response = await page.handler(view)
        if isinstance(response, EventStream) and not page.public:
            token = cookies.session_token(view.request, view.visit)
            response.end_when(lambda: self._is_over(token))
        return response

    async def _is_over(self, token: str) -> bool:
        """Whether the session has ended; its streams then stop."""
        try:
            await self._sessions.authenticate(token)
        except Unauthenticated:
            return True
        return False

    def _find(self, view: View) -> ConsolePage:
        """The page of the request's method and path; the path's parameters go into the scope."""
        other: set[str] = set()
        for route in self._routes:
            match, scope = route.matches(view.request.scope)
            if match is Match.FULL:
                view.request.scope.update(scope)
                view.request.scope["route"] = route
                return route.page
            if match is Match.PARTIAL:
                other.add(route.page.method)
        if other:
            raise Refusal(405, f"this address takes {', '.join(sorted(other))}")
        raise NotFound

    def _spend(self, view: View) -> None:
        key = view.signed_in.session_id if view.signed_in else limiter_key(view.visit.address)
        wait = self._requests.take(key)
        if wait > 0:
            raise RateLimited(int(wait) + 1)

    async def _whose(self, request: Request, visit: Visit) -> SignedInUser | None:
        token = cookies.session_token(request, visit)
        if not token:
            return None
        try:
            return await self._sessions.authenticate(token, visit.address)
        except Unauthenticated:
            return None

    def _view(self, request: Request, visit: Visit, signed_in: SignedInUser | None) -> View:
        own = signed_in.preferences if signed_in else None
        sent = request.cookies
        theme = own.theme if own and own.theme in THEMES else sent.get(cookies.THEME, "")
        zone_name = (own.time_zone if own else "") or sent.get(cookies.ZONE, "")
        return View(
            request=request,
            visit=visit,
            signed_in=signed_in,
            language=choose(
                (own.language if own else "") or sent.get(cookies.LANGUAGE, ""),
                request.headers.get("accept-language", ""),
            ),
            zone=formats.zone_named(zone_name[:64]),
            zone_name=zone_name[:64],
            theme=theme if theme in THEMES else "",
            form=PostedForm(),
            around=self._around,
        )


class _PageRoute(Route):
    """A page's path as Starlette's routes compile it; the endpoint is never called."""

    def __init__(self, page: ConsolePage) -> None:
        super().__init__(page.path, _no_endpoint, methods=[page.method])
        self.page = page
        self.path_regex, self.path_format, self.param_convertors = compile_path(page.path)


async def _no_endpoint(request: Request) -> Response:
    raise NotImplementedError


def _compress(request: Request, response: Response) -> None:
    """Smaller pages for slow lines. An answer that sets a cookie stays as it is, so that the size
    of a page never depends on a secret and on what a stranger made us repeat.
    """
    body = getattr(response, "body", b"")
    if (
        "gzip" not in request.headers.get("accept-encoding", "")
        or len(body) < _COMPRESS_FROM
        or "content-encoding" in response.headers
        or not response.headers.get("content-type", "").startswith("text/")
    ):
        return
    response.body = gzip.compress(bytes(body), 4, mtime=0)
    response.headers["content-encoding"] = "gzip"
    response.headers["content-length"] = str(len(response.body))
