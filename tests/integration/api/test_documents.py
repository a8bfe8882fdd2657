"""The OpenAPI documents, their page and the Postman collection: correct and complete."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from fyke.api.docs.document import operations_of
from fyke.api.docs.tags import TAGS
from support.api import Api, public_routes
from support.app import App

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
CONVERTER = re.compile(r":[a-z]+}")
DOCUMENTS = ["/openapi.json", "/api/v1/openapi.json", "/api/v2/openapi.json"]

URN = "urn:fyke:document"

Object = dict[str, Any]


@pytest.fixture
async def document(api: Api) -> Object:
    content: Object = (await api.http.get("/openapi.json")).json()
    return content


class Schemas:
    """The components of a document, for validating values."""

    def __init__(self, document: Object) -> None:
        components = _absolute({"components": document["components"]})
        self._registry = jsonschema_rs.Registry([(URN, components)])

    def faults(self, schema: Object, value: Any) -> list[str]:
        """Return the parts of ``value`` that do not match ``schema``."""
        checks = jsonschema_rs.Draft202012Validator(_absolute(schema), registry=self._registry)
        return [error.message for error in checks.iter_errors(value)]


def _absolute(schema: Object) -> Object:
    absolute: Object = json.loads(
        json.dumps(schema).replace('"#/components/', f'"{URN}#/components/')
    )
    return absolute


def bodies(operation: Object) -> Iterator[tuple[str, Object]]:
    """Every request and response body of an operation, with its location."""
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        yield f"request {kind}", media
    for status, answer in operation["responses"].items():
        for kind, media in answer.get("content", {}).items():
            yield f"{status} {kind}", media


def examples(media: Object) -> list[Any]:
    if "example" in media:
        return [media["example"]]
    return [example["value"] for example in media.get("examples", {}).values()]


async def test_every_example_matches_its_schema(document: Object) -> None:
    faults, checked, schemas = [], 0, Schemas(document)
    for path, method, operation in operations_of(document):
        for parameter in operation.get("parameters", ()):
            for fault in schemas.faults(parameter["schema"], parameter["example"]):
                faults.append(f"{method} {path} {parameter['name']}: {fault}")
        for place, media in bodies(operation):
            assert examples(media), (method, path, place)
            for example in examples(media):
                checked += 1
                for fault in schemas.faults(media["schema"], example):
                    faults.append(f"{method} {path} {place}: {fault}")
    assert not faults, "\n".join(faults)
    assert checked > 800


async def test_every_operation_has_a_summary_and_its_authentication(
    app: App, document: Object
) -> None:
    public = {(m, CONVERTER.sub("}", path)) for m, path in public_routes(app.asgi())}
    ids = []
    for path, method, operation in operations_of(document):
        ids.append(operation["operationId"])
        assert operation["summary"]
        assert operation["tags"][0] in TAGS
        free = not operation["security"] or {} in operation["security"]
        assert free == ((method.upper(), path) in public), (method, path)
        schemes = {name for scheme in operation["security"] for name in scheme}
        if not free:
            assert {"bearer", "apiKey"} <= schemes
            assert ("token" in schemes) == path.startswith("/api/v2/")
    assert len(ids) == len(set(ids))
    assert [tag["name"] for tag in document["tags"]] == [t for t in TAGS if t in _used(document)]


def _used(document: Object) -> set[str]:
    return {tag for _, _, operation in operations_of(document) for tag in operation["tags"]}


async def test_an_importer_of_v1_uses_the_header_api_key(api: Api) -> None:
    """Postman uses the first scheme of an operation, and the guide of v1 names ``api-key``."""
    document = (await api.http.get("/api/v1/openapi.json")).json()
    first = {
        next(name for scheme in operation["security"] for name in scheme)
        for _, _, operation in operations_of(document)
        if operation["security"]
    }
    assert first == {"apiKey"}
    assert document["components"]["securitySchemes"]["apiKey"]["name"] == "api-key"


async def test_every_error_response_lists_all_of_its_codes(document: Object) -> None:
    for path, method, operation in operations_of(document):
        for status, answer in operation["responses"].items():
            assert "X-Request-Id" in answer["headers"]
            assert ("Retry-After" in answer["headers"]) >= (status == "429")
            if int(status) < 400 or "content" not in answer:
                continue
            codes = set(re.findall(r"\b[0-9]{4,5}\b", answer["description"]))
            shown = {
                str(example["code"]) for example in examples(answer["content"]["application/json"])
            }
            assert shown <= codes, (method, path, status)
            assert shown


async def test_every_path_parameter_is_described_once(document: Object) -> None:
    for path, method, operation in operations_of(document):
        described = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"]
        assert sorted(described) == sorted(re.findall(r"{([^}]+)}", path)), (method, path)


@pytest.mark.slow
@pytest.mark.parametrize("path", DOCUMENTS)
async def test_every_reference_has_a_target_and_every_component_is_used(
    api: Api, path: str
) -> None:
    text = (await api.http.get(path)).text
    for name in set(re.findall(r'"#/components/(schemas/[^"]+)"', text)):
        assert f'"{name.removeprefix("schemas/")}":' in text
    if path == "/openapi.json":
        return
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert used == set((await api.http.get(path)).json()["components"]["schemas"])


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_importers_are_not_offered_the_start_key(app: App, api: Api, path: str) -> None:
    """Postman and Swagger UI fill in optional headers: every start would return the first run."""
    served = (await api.http.get(path)).json()
    for _, _, operation in operations_of(served):
        for parameter in operation.get("parameters", ()):
            assert parameter["name"].lower() != "idempotency-key"
    starting = [
        operation["operationId"]
        for _, _, operation in operations_of(app.asgi().openapi())
        if any(item["name"] == "Idempotency-Key" for item in operation.get("parameters", ()))
    ]
    assert len(starting) >= 9, "the complete document still describes the header"


async def test_the_collection_has_the_start_key_switched_off(api: Api) -> None:
    collection = (await api.http.get("/docs/api/postman.json")).json()
    headers = [
        header
        for folder in collection["item"]
        for group in folder["item"]
        for item in group["item"]
        for header in item["request"]["header"]
        if header["key"] == "Idempotency-Key"
    ]
    assert len(headers) >= 9
    assert all(header["disabled"] for header in headers)


async def test_each_version_has_a_document_of_its_own(api: Api) -> None:
    whole, v1, v2 = [(await api.http.get(path)).json() for path in DOCUMENTS]
    assert len(list(operations_of(v1))) == 13
    assert len(list(operations_of(v2))) >= 39
    assert all(path.startswith("/api/v2/") for path in v2["paths"])
    assert {**v1["paths"], **v2["paths"]}.items() <= whole["paths"].items()
    for document in (whole, v1, v2):
        assert document["openapi"].startswith("3.1.")
        assert document["servers"][0]["url"] == "http://127.0.0.1:8100"


async def test_the_document_has_the_requested_origin_as_server(app: App) -> None:
    from support.api import client

    async with client(app.asgi(public_url="https://fyke.example/scraping/")) as http:
        document = (await http.get("/openapi.json")).json()
        assert document["servers"][0]["url"] == "https://fyke.example/scraping"
        text = (await http.get("/docs/api/postman.json")).text
        assert "https://fyke.example/scraping" in text


@pytest.mark.parametrize("path", [*DOCUMENTS, "/docs/api", "/docs/api/postman.json"])
async def test_unchanged_documents_are_not_sent_again(api: Api, path: str) -> None:
    first = await api.http.get(path, headers={"accept-encoding": "identity"})
    assert (first.status_code, first.headers["cache-control"]) == (200, "public, no-cache")
    assert first.headers["access-control-allow-origin"] == "*"
    repeated = await api.http.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (repeated.status_code, repeated.content) == (304, b"")
    other = await api.http.get(path, headers={"if-none-match": '"something else"'})
    assert other.status_code == 200
    async with api.http.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
        packed = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == first.content


async def test_the_page_loads_nothing_from_other_hosts(api: Api) -> None:
    page = await api.http.get("/docs/api")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
    assert not re.search(r"https?:|//", page.text.replace("</", ""))
    assert "<script>" not in page.text
    files = re.findall(r'(?:src|href)="(api/[0-9a-f]{16}/[^"]+)"', page.text)
    assert len(files) == 4
    for name in files:
        answer = await api.http.get(f"/docs/{name}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        assert answer.headers["content-type"].startswith(kind)
        outdated = re.sub("[0-9a-f]{16}", "0" * 16, name)
        assert (await api.http.get(f"/docs/{outdated}")).status_code == 404
    assert (await api.http.get("/docs/api/0123456789abcdef/vendor.toml")).status_code == 404


def test_the_files_of_the_page_are_the_published_ones() -> None:
    completed = subprocess.run([sys.executable, ROOT / "script" / "vendor", "--check"], check=False)
    assert completed.returncode == 0
