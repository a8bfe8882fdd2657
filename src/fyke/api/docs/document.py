"""The OpenAPI documents: one of all operations, and one of each version of the compatible API.

``openapi`` describes the declarations of operations; this adds their keys, the descriptions of
tags, the headers of every answer, and an example of each body. A document is generated at its first
request.

Only the ``COMPLETE`` document has ``Idempotency-Key``. Importers send optional headers with one
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
COMPLETE = "complete"  # all operations, with the headers that importers must not send

_V1_PUBLIC = frozenset({"/api/store", "/api/scraper", "/api/proxy/region"})
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The key as a bearer token."},
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "api-key",
        "description": "The key in the header `api-key`.",
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
        "description": "The id of this request in the server's log; a valid client id is kept.",
        "required": True,
        "schema": {"type": "string"},
        "example": "01KJXSR49GEMBEZZ5FZDPVNBWK",
    },
    "RateLimit": {
        "description": "The remaining requests (`r`), and the seconds until all are available "
        "again (`t`); absent without a limit.",
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
    """The documents of one application, each generated once."""

    def __init__(
        self,
        title: str,
        version: str,
        description: str,
        operations: Sequence[Operation],
    ) -> None:
        self._title, self._version, self._description = title, version, description
        self._operations = operations
        self._documents: dict[str, Document] = {}

    def of(self, version: str = WHOLE) -> Document:
        """The document of ``version``; must not be modified."""
        if version not in self._documents:
            self._documents[version] = self._make(version)
        return self._documents[version]

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
            (operation.method, _CONVERTER.sub("}", operation.path))
            for operation in self._operations
            if operation.public
        }

    def _security(self, path: str, method: str) -> list[Document]:
        # Importers use the first scheme; the published documents of v1 have only api-key.
        schemes: list[Document] = [{"apiKey": []}, {"bearer": []}]
        if path.startswith(V2_PREFIX):
            schemes = [{"bearer": []}, {"apiKey": []}, {"token": []}]
        if (method.upper(), path) not in self._public:
            return schemes
        # In the API a key is optional and shows more; the other public operations ignore it.
        return [{}, *schemes] if path.startswith("/api/") and "openapi" not in path else []

    def _part(self, version: str) -> Document:
        everything = self.of(WHOLE)
        paths = {path: item for path, item in everything["paths"].items() if is_of(path, version)}
        document = {**everything, "paths": paths}
        document["info"] = {
            **everything["info"],
            "title": f"{everything['info']['title']} API {version}",
        }
        used = {tag for _, _, operation in operations_of(document) for tag in operation["tags"]}
        document["tags"] = [tag for tag in everything["tags"] if tag["name"] in used]
        document["components"] = _referenced_components(paths, everything["components"])
        return document


def operations_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Document]]:
    """Path, method in lower case, and operation, in the order of the document."""
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
    parameters = [
        parameter for parameter in operation.get("parameters", ()) if parameter["name"] != HEADER
    ]
    rest = {key: value for key, value in operation.items() if key != "parameters"}
    return rest | {"parameters": parameters} if parameters else rest


def _servers(origin: str) -> list[Document]:
    return [{"url": origin, "description": "This server"}]


def is_of(path: str, version: str) -> bool:
    """Whether ``path`` belongs to ``version`` of the compatible API."""
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


def _referenced_components(paths: Document, components: Document) -> Document:
    """The components that ``paths`` refer to, directly or through others."""
    names: set[str] = set()
    references = _references(paths)
    while references - names:
        names |= references
        references = {
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
    references = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return references.union(*map(_references, node.values()))
