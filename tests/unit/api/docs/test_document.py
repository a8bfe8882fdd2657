"""The OpenAPI documents: security, headers, tags and references."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from fyke.api.call import Call
from fyke.api.docs.document import COMPLETE, V1, V2, WHOLE, Documents, is_of, operations_of
from fyke.api.routes import PUBLIC, get, post
from fyke.api.serving import operations_of as operations_declared_by
from fyke.model.account import Scope
from fyke.wire import v1
from fyke.wire.v2.fields import PageRequest

KEY, BEARER, TOKEN = {"apiKey": []}, {"bearer": []}, {"token": []}  # security schemes


class Routes:
    tag: ClassVar[str] = "Runs"

    @post("/api/v1/things", scope=Scope.RUN, starts=True)
    async def start_thing(self, call: Call, body: v1.RunRef) -> v1.RunStarted:
        """Start a thing."""

    @get("/api/v2/things/{thingId:run}", scope=Scope.READ, tag="Results")
    async def get_thing(self, call: Call, thing_id: str) -> v1.RunDetail:
        """One thing."""

    @get("/api/store", scope=PUBLIC, tag="Public")
    async def list_store(self, call: Call, query: PageRequest) -> None:
        """All Workers."""

    @get("/api/v2/openapi.json", scope=PUBLIC, tag="Novelties")
    async def own_document(self, call: Call) -> None:
        """The document."""

    @get("/healthz", scope=PUBLIC, tag="Health")
    async def health(self, call: Call) -> None:
        """Whether the server is healthy."""


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents("Fyke", "1.2", "About it.", operations_declared_by(Routes()))


def security(document: Any) -> dict[str, Any]:
    return {path: operation["security"] for path, _, operation in operations_of(document)}


def test_the_security_of_an_operation_depends_on_its_version(
    documents: Documents,
) -> None:
    schemes = security(documents.of())
    assert schemes["/api/v1/things"] == [KEY, BEARER]
    assert schemes["/api/v2/things/{thingId}"] == [BEARER, KEY, TOKEN]


def test_a_key_is_optional_for_public_operations_of_the_api(documents: Documents) -> None:
    schemes = security(documents.of())
    assert schemes["/api/store"] == [{}, KEY, BEARER]
    assert schemes["/healthz"] == []
    assert schemes["/api/v2/openapi.json"] == []


def test_the_start_key_is_in_the_complete_document_only(documents: Documents) -> None:
    """Importers send optional headers with one constant value."""
    [complete, imported] = (
        documents.of(version)["paths"]["/api/v1/things"]["post"] for version in (COMPLETE, WHOLE)
    )
    assert [parameter["name"] for parameter in complete["parameters"]] == ["Idempotency-Key"]
    assert "parameters" not in imported
    assert imported["requestBody"] == complete["requestBody"]
    query = documents.of()["paths"]["/api/store"]["get"]["parameters"]
    assert [item["name"] for item in query] == ["offset", "limit"]


def test_a_version_document_has_its_paths_tags_and_referenced_schemas(documents: Documents) -> None:
    first, second = documents.of(V1), documents.of(V2)
    assert list(first["paths"]) == ["/api/v1/things", "/api/store"]
    assert list(second["paths"]) == ["/api/v2/things/{thingId}"]
    assert [tag["name"] for tag in first["tags"]] == ["Public", "Runs"]
    assert (first["info"]["title"], first["info"]["version"]) == ("Fyke API v1", "1.2")
    schemas = first["components"]["schemas"]
    assert {"RunRef", "RunStarted", "RunStartedResponse", "Failure"} <= schemas.keys()
    assert not {"RunDetail", "FailureV2"} & schemas.keys()
    assert "RunDetail" in second["components"]["schemas"], "through its envelope"
    assert first["components"]["securitySchemes"] == second["components"]["securitySchemes"]


def test_unknown_tags_follow_those_in_the_order_of_the_page(
    documents: Documents,
) -> None:
    names = [tag["name"] for tag in documents.of()["tags"]]
    assert names == ["Public", "Runs", "Results", "Health", "Novelties"]
    assert documents.of()["tags"][-1]["description"] == "Novelties"


def test_every_answer_has_its_headers(documents: Documents) -> None:
    for _path, _method, operation in operations_of(documents.of()):
        for status, answer in operation["responses"].items():
            assert {"X-Request-Id", "RateLimit"} <= answer["headers"].keys()
            assert ("Retry-After" in answer["headers"]) == (status == "429")


def test_a_document_is_cached_and_has_the_requested_server(documents: Documents) -> None:
    assert documents.of(V1) is documents.of(V1)
    document = documents.at(V1, "https://here.example")
    assert document["servers"] == [{"url": "https://here.example", "description": "This server"}]
    assert documents.of(V1)["servers"][0]["url"] == "/", "the cached document is unchanged"


@pytest.mark.parametrize(
    ("path", "versions"),
    [
        ("/api/v1/run/detail", {V1}),
        ("/api/store", {V1}),
        ("/api/v2/worker-runs", {V2}),
        ("/api/v1/openapi.json", set()),
        ("/api/fyke/runs", set()),
        ("/api/v10/x", set()),
    ],
)
def test_a_path_belongs_to_at_most_one_version(path: str, versions: set[str]) -> None:
    assert {version for version in (V1, V2) if is_of(path, version)} == versions
