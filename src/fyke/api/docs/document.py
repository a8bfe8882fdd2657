"""The OpenAPI documents: one for all routes, one for each version of the compatible API.

``openapi`` describes what the routes declare; this adds which keys an operation takes, what its tag
is about, the headers of every answer, and an example of each body. A document is made at its first
request.

``Idempotency-Key`` is only in the ``COMPLETE`` document. Importers send optional headers with one
constant value, so every start after the first would be answered with the first run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from fyke.api.docs.examples import Examples
from fyke.api.docs.openapi import describe
from fyke.api.docs.tags import TAGS
from fyke.api.envelope import V2_PREFIX
from fyke.api.serving import Operation
from fyke.domain.runs.start_keys import HEADER

Document = dict[str, Any]

WHOLE, V1, V2 = "", "v1", "v2"
COMPLETE = "complete"  # the whole document with the headers that importers must not send

_V1_PUBLIC = frozenset({"/api/store", "/api/scraper", "/api/proxy/region"})
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The key as a bearer token."},
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "api-key",
        "description": "The key in a header of its own.",
    },
    "token": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "The key in the address, for clients that cannot send headers. "
        "Prefer a header: addresses end up in logs.",
    },
}
_CONVERTER = re.compile(r":[a-z]+}")
_HEADERS = {
    "RequestId": {
        "description": "Names this request in the log of the server; sent back as it was given.",
        "required": True,
        "schema": {"type": "string"},
        "example": "01KJXSR49GEMBEZZ5FZDPVNBWK",
    },
    "RateLimit": {
        "description": "What is left of the limit (`r`) and the seconds until it is whole (`t`); "
        "absent where nothing is limited.",
        "schema": {"type": "string"},
        "example": '"default";r=119;t=1',
    },
    "RetryAfter": {
        "description": "Seconds to wait before the next try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
        "example": 1,
    },
}


class Documents:
    """The documents of one application, each made once."""

    def __init__(
        self,
        title: str,
        version: str,
        description: str,
        operations: Sequence[Operation],
    ) -> None:
        self._title, self._version, self._description = title, version, description
        self._operations = operations
        self._made: dict[str, Document] = {}

    def of(self, version: str = WHOLE) -> Document:
        """The document of ``version``; not to be changed."""
        if version not in self._made:
            self._made[version] = self._make(version)
        return self._made[version]

    def at(self, version: str, origin: str) -> Document:
        """The document for a client that reached the server at ``origin``."""
        return {**self.of(version), "servers": _servers(origin)}

    def _make(self, version: str) -> Document:
        if version == COMPLETE:
            return self._complete()
        if version == WHOLE:
            return _without_start_keys(self.of(COMPLETE))
        return self._part(version)

    def _complete(self) -> Document:
        paths, schemas = describe(self._operations)
        info = {"title": self._title, "description": self._description, "version": self._version}
        components = {"schemas": schemas, "securitySchemes": _SCHEMES, "headers": _HEADERS}
        document: Document = {"openapi": "3.1.0", "info": info, "paths": paths}
        document |= {"components": components, "servers": _servers("/")}
        examples = Examples(schemas)
        for path, method, operation in operations_of(document):
            operation["security"] = self._security(path, method)
            _describe_headers(operation)
            examples.add(operation)
        used = {tag for _, _, operation in operations_of(document) for tag in operation["tags"]}
        document["tags"] = [
            {"name": name, "description": TAGS.get(name, name)}
            for name in (*TAGS, *sorted(used - TAGS.keys()))
            if name in used
        ]
        return document

    @cached_property
    def _public(self) -> set[tuple[str, str]]:
        return {
            (each.method, _CONVERTER.sub("}", each.path))
            for each in self._operations
            if each.public
        }

    def _security(self, path: str, method: str) -> list[Document]:
        # Importers set up the first one: in v1 the published documents know api-key alone.
        ways: list[Document] = [{"apiKey": []}, {"bearer": []}]
        if path.startswith(V2_PREFIX):
            ways = [{"bearer": []}, {"apiKey": []}, {"token": []}]
        if (method.upper(), path) not in self._public:
            return ways
        # A key may be sent to these, and shows more; the others do not look at it at all.
        return [{}, *ways] if path.startswith("/api/") and "openapi" not in path else []

    def _part(self, version: str) -> Document:
        whole = self.of(WHOLE)
        paths = {path: item for path, item in whole["paths"].items() if is_of(path, version)}
        document = {**whole, "paths": paths}
        document["info"] = {**whole["info"], "title": f"{whole['info']['title']} API {version}"}
        used = {tag for _, _, operation in operations_of(document) for tag in operation["tags"]}
        document["tags"] = [tag for tag in whole["tags"] if tag["name"] in used]
        document["components"] = _reached(paths, whole["components"])
        return document


def operations_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Document]]:
    """Path, method in small letters, and operation, in the order of the document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _without_start_keys(document: Document) -> Document:
    """``document`` without the parameter ``Idempotency-Key``; the rest is shared, not copied."""
    paths = {
        path: {method: _without_start_key(operation) for method, operation in item.items()}
        for path, item in document["paths"].items()
    }
    return {**document, "paths": paths}


def _without_start_key(operation: Document) -> Document:
    left = [each for each in operation.get("parameters", ()) if each["name"] != HEADER]
    rest = {key: value for key, value in operation.items() if key != "parameters"}
    return rest | {"parameters": left} if left else rest


def _servers(origin: str) -> list[Document]:
    return [{"url": origin, "description": "This server"}]


def is_of(path: str, version: str) -> bool:
    """Whether ``path`` is a route of the compatible API's ``version``."""
    if path.endswith("/openapi.json"):
        return False
    return path.startswith(f"/api/{version}/") or (version == V1 and path in _V1_PUBLIC)


def _describe_headers(operation: Document) -> None:
    for status, answer in operation["responses"].items():
        headers = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
        headers["RateLimit"] = {"$ref": "#/components/headers/RateLimit"}
        if status == "429":
            headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
        answer["headers"] = headers | answer.get("headers", {})


def _reached(paths: Document, components: Document) -> Document:
    """The components that ``paths`` refer to, even through one another."""
    names: set[str] = set()
    found = _references(paths)
    while found - names:
        names |= found
        found = {
            reference
            for name in names
            for reference in _references(components["schemas"].get(name.rpartition("/")[2], {}))
        }
    schemas = {
        name: schema
        for name, schema in components["schemas"].items()
        if f"#/components/schemas/{name}" in names
    }
    return {**components, "schemas": schemas}


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own.union(*map(_references, node.values()))
