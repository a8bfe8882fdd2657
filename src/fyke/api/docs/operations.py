"""The operations of the documents, Swagger UI and the Postman collection; all are public."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.docs.content import REVALIDATE, Content
from fyke.api.docs.document import COMPLETE, V1, V2, WHOLE, Documents
from fyke.api.docs.postman import collection
from fyke.api.docs.swagger import SwaggerPage
from fyke.api.envelope import encode
from fyke.api.media import Media
from fyke.api.routes import PUBLIC, get
from fyke.wire.fields import Text

_JSON = "application/json"
_MAX_CACHED = 16
_DOCUMENT = Media(
    _JSON,
    {"type": "object", "required": ["openapi"]},
    {"openapi": "3.1.0", "info": {"title": "Fyke", "version": "1"}, "paths": {}},
)
_COLLECTION = Media(_JSON, {"type": "object"}, {"info": {"name": "Fyke"}, "item": []})
_PAGE = Media("text/html", {"type": "string"}, "<!doctype html>")

_public = partial(
    get,
    scope=PUBLIC,
    statuses={304: "It has not changed since the `ETag` in `If-None-Match`."},
    headers={"If-None-Match": "the `ETag` of an earlier answer"},
)


class DocsRoutes:
    """Caches generated documents for each origin, the least recently generated dropped first."""

    tag: ClassVar[str] = "Documents"

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._page = SwaggerPage()
        self._cache: OrderedDict[tuple[str, str], Content] = OrderedDict()

    @_public("/openapi.json", id="getOpenApi", produces=(_DOCUMENT,))
    async def get_openapi(self, call: Call) -> Response:
        """The OpenAPI document of all operations.

        `servers` has the address of the request. `Idempotency-Key` is missing, because importers
        send optional headers with one constant value; the Postman collection has it, switched off.
        """
        return await self._answer(call, WHOLE, self._documents.at)

    @_public("/api/v1/openapi.json", id="getOpenApiV1", produces=(_DOCUMENT,))
    async def get_openapi_v1(self, call: Call) -> Response:
        """The OpenAPI document of version 1."""
        return await self._answer(call, V1, self._documents.at)

    @_public("/api/v2/openapi.json", id="getOpenApiV2", produces=(_DOCUMENT,))
    async def get_openapi_v2(self, call: Call) -> Response:
        """The OpenAPI document of version 2."""
        return await self._answer(call, V2, self._documents.at)

    @_public("/docs/api/postman.json", produces=(_COLLECTION,))
    async def get_postman_collection(self, call: Call) -> Response:
        """A Postman collection (v2.1) of all operations.

        A folder for each version, with one for each group in it. In Postman choose Import, paste
        the address of this route, and set the variable `api_key` to a key.
        """
        return await self._answer(call, "postman", self._collection)

    @_public("/docs/api", produces=(_PAGE,))
    async def get_api_page(self, call: Call) -> Response:
        """Swagger UI.

        `?version=v1` and `?version=v2` show one version. Enter a key with Authorize; "Try it out"
        then sends real requests. The key is not stored.
        """
        return await self._page.page(call.request)

    @get("/docs/api/{digest}/{name}", scope=PUBLIC, documented=False)
    async def get_api_page_file(self, call: Call, digest: Text, name: Text) -> Response:
        """A file of the page, by its digest and its name."""
        return await self._page.asset(call.request, digest, name)

    async def _answer(
        self, call: Call, name: str, make: Callable[[str, str], Mapping[str, Any]]
    ) -> Response:
        """The result of ``make`` for ``name`` and the origin of the request, from the cache."""
        key = name, call.visit.origin
        if key not in self._cache:
            document = await asyncio.to_thread(make, *key)
            self._cache[key] = Content(await asyncio.to_thread(encode, document), _JSON)
            if len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        return await self._cache[key].answer(call.request, REVALIDATE)

    def _collection(self, _name: str, origin: str) -> Mapping[str, Any]:
        return collection(self._documents.at(COMPLETE, origin))
