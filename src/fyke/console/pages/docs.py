"""The documentation of the API: an index, a page per operation with a playground, Markdown."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp

from fyke.console.api_client import ApiClient
from fyke.console.docs import as_markdown
from fyke.console.docs.playground import PlaygroundCall, PlaygroundRequest, send_request
from fyke.console.docs.prefill import OwnObjects, Prefill, filled
from fyke.console.docs.reference import OperationPage, Reference, read
from fyke.console.page import ConsolePage
from fyke.console.view import View
from fyke.errors import FykeError, InvalidRequest, NotFound

AREA = "/docs"


@dataclass(slots=True)
class DocsPages:
    """``api``: the application to document and to call."""

    api: ApiClient
    prefill: Prefill
    _reference: Reference | None = None

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/docs", self.index, area=AREA),
            ConsolePage("GET", "/llms.txt", self.llms, part=True),
            ConsolePage("GET", "/docs/{page}.md", self.markdown, part=True),
            ConsolePage("GET", "/docs/{page}", self.show, area=AREA),
            ConsolePage("POST", "/docs/{page}/try", self.attempt, area=AREA, form_bytes=2 * 2**20),
        ]

    async def index(self, view: View) -> Response:
        return view.page(
            "docs/index.html",
            area=AREA,
            reference=await self._read(),
            versions=as_markdown.VERSIONS,
        )

    async def llms(self, view: View) -> Response:
        return _markdown(as_markdown.index_markdown(await self._read(), view.visit.origin))

    async def markdown(self, view: View) -> Response:
        page = await self._find(view.param("page"))
        return _markdown(as_markdown.operation_markdown(page, view.visit.origin))

    async def show(self, view: View) -> Response:
        page = filled(await self._find(view.param("page")), await self._own(view))
        values = {
            (parameter.place, parameter.name): parameter.example for parameter in page.parameters
        }
        return await self._page(view, page, PlaygroundRequest(values, page.body))

    async def attempt(self, view: View) -> Response:
        page = await self._find(view.param("page"))
        request = PlaygroundRequest(
            {
                (parameter.place, parameter.name): view.form.get(
                    f"{parameter.place}.{parameter.name}"
                )
                for parameter in page.parameters
            },
            view.form.get("body").replace("\r\n", "\n"),
        )
        host = view.request.headers.get("host", "")
        if not page.playable:
            raise InvalidRequest("This operation takes a file; it cannot be tried from here")
        try:
            call = await send_request(self._app(), page, request, view.caller, host)
        except InvalidRequest as error:
            return await self._page(view, page, request, fault=error.message)
        return await self._page(view, page, request, call=call)

    async def _page(
        self,
        view: View,
        page: OperationPage,
        request: PlaygroundRequest,
        *,
        call: PlaygroundCall | None = None,
        fault: str = "",
    ) -> Response:
        return view.page_or_part(
            "docs/operation.html",
            "trial",
            area=AREA,
            reference=await self._read(),
            page=page,
            request=request,
            call=call,
            answer=_pretty(call) if call else "",
            fault=fault,
            versions=as_markdown.VERSIONS,
            curl=as_markdown.curl(page, view.visit.origin),
        )

    async def _own(self, view: View) -> OwnObjects:
        if view.signed_in is None:
            return OwnObjects()
        try:
            return await self.prefill.own(view.caller)
        except FykeError:
            return OwnObjects()  # the page works with the samples too

    async def _find(self, name: str) -> OperationPage:
        page = (await self._read()).by_id.get(name)
        if page is None:
            raise NotFound
        return page

    async def _read(self) -> Reference:
        if self._reference is None:
            self._reference = await asyncio.to_thread(lambda: read(self.api.document()))
        return self._reference

    def _app(self) -> ASGIApp:
        return self.api.app


def _markdown(text: str) -> Response:
    return Response(text, media_type="text/markdown", headers={"cache-control": "no-cache"})


def _pretty(call: PlaygroundCall) -> str:
    """Indented JSON when the text is valid JSON, else the text."""
    try:
        return json.dumps(json.loads(call.body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return call.text
