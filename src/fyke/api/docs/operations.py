"""The routes of the documents, the page and the collection. All are open to anybody."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.decode import Wire, WireText
from fyke.api.docs.content import REVALIDATE, Content
from fyke.api.docs.document import COMPLETE, V1, V2, WHOLE, Documents
from fyke.api.docs.postman import collection
from fyke.api.docs.swagger import SwaggerPage
from fyke.api.documents import Media
from fyke.api.envelope import encode
from fyke.api.operations import Nothing, Operation

_JSON = "application/json"
_KEPT = 16
_FRESH = {304: "It has not changed since the tag in `If-None-Match`."}
_TAGGED = {"If-None-Match": "the `ETag` of an earlier answer"}


class AssetRef(Wire):
    """A file of the page, by its digest and its name."""

    digest: WireText
    name: WireText


class DocsOperations:
    """Whatever is made is kept, for each address that the server is known by."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._page = SwaggerPage()
        self._kept: OrderedDict[tuple[str, str], Content] = OrderedDict()

    def operations(self) -> list[Operation[Any]]:
        collection_media = Media(_JSON, {"type": "object"}, {"info": {"name": "Fyke"}, "item": []})
        return [
            self._document("/openapi.json", "getOpenApi", "all routes", WHOLE),
            self._document("/api/v1/openapi.json", "getOpenApiV1", "version 1", V1),
            self._document("/api/v2/openapi.json", "getOpenApiV2", "version 2", V2),
            Operation(
                "GET",
                "/docs/api/postman.json",
                id="getPostmanCollection",
                tag="Documents",
                summary="A Postman collection (v2.1) of all routes",
                fields=Nothing,
                handler=self._postman,
                produces=(collection_media,),
                statuses=_FRESH,
                headers=_TAGGED,
            ),
            Operation(
                "GET",
                "/docs/api",
                id="getApiPage",
                tag="Documents",
                summary="Swagger UI",
                fields=Nothing,
                handler=self._html,
                produces=(Media("text/html", {"type": "string"}, "<!doctype html>"),),
                statuses=_FRESH,
                headers=_TAGGED,
            ),
            Operation(
                "GET",
                "/docs/api/{digest}/{name}",
                id="getApiPageFile",
                tag="Documents",
                summary="A file of the page",
                fields=AssetRef,
                handler=self._asset,
                path_fields=("digest", "name"),
                documented=False,
            ),
        ]

    def _document(self, path: str, id: str, what: str, version: str) -> Operation[Any]:
        async def handler(call: Call, _wanted: Nothing) -> Response:
            return await self._answer(call, version, self._documents.at)

        example = {"openapi": "3.1.0", "info": {"title": "Fyke", "version": "1"}, "paths": {}}
        return Operation(
            "GET",
            path,
            id=id,
            tag="Documents",
            summary=f"The OpenAPI document of {what}",
            fields=Nothing,
            handler=handler,
            produces=(Media(_JSON, {"type": "object", "required": ["openapi"]}, example),),
            statuses=_FRESH,
            headers=_TAGGED,
        )

    async def _answer(
        self, call: Call, name: str, make: Callable[[str, str], Mapping[str, Any]]
    ) -> Response:
        """What ``make`` says for ``name`` and the address that this caller knows us by."""
        place = name, call.visit.origin
        if place not in self._kept:
            made = await asyncio.to_thread(make, *place)
            self._kept[place] = Content(await asyncio.to_thread(encode, made), _JSON)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return await self._kept[place].answer(call.request, REVALIDATE)

    def _collection(self, _name: str, origin: str) -> Mapping[str, Any]:
        return collection(self._documents.at(COMPLETE, origin))

    async def _postman(self, call: Call, _wanted: Nothing) -> Response:
        return await self._answer(call, "postman", self._collection)

    async def _html(self, call: Call, _wanted: Nothing) -> Response:
        return await self._page.page(call.request)

    async def _asset(self, call: Call, wanted: AssetRef) -> Response:
        return await self._page.asset(call.request, wanted.digest, wanted.name)
