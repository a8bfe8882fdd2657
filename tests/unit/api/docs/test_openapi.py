"""Operations as OpenAPI: parameters, bodies, envelopes, and the codes of each status."""

from __future__ import annotations

from typing import Any, ClassVar

from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.docs.openapi import describe
from fyke.api.media import Media
from fyke.api.routes import PUBLIC, get, post
from fyke.api.serving import operations_of
from fyke.errors import RunNotFound
from fyke.model.account import Scope
from fyke.wire import v1
from fyke.wire.fields import Name
from fyke.wire.v2.fields import PageRequest

JSON = "application/json"


class Routes:
    tag: ClassVar[str] = "Runs"

    @post("/api/v1/things/{thingId:run}", scope=Scope.RUN, starts=True, errors=(RunNotFound,))
    async def start_thing(self, call: Call, body: v1.RunRef, thing_id: Name) -> v1.RunStarted:
        """Start a thing.

        At once.
        """

    @get("/api/v2/things", scope=PUBLIC, validated=True)
    async def list_things(
        self, call: Call, query: PageRequest
    ) -> v1.RunDetail | v1.RunStarted | None:
        """All things."""

    @post("/api/fyke/things", scope=Scope.WRITE)
    async def make_thing(self, call: Call, body: v1.RunRef) -> None:
        """Make a thing."""

    @post(
        "/api/fyke/files",
        scope=Scope.WRITE,
        consumes=(Media("text/csv", {"type": "string"}, "a,b"),),
        produces=(Media("image/png", {"type": "string"}),),
        statuses={204: "Nothing to say"},
        headers={"x-digest": "of the file"},
    )
    async def put_file(self, call: Call) -> Response:
        """Send a file."""

    @get("/api/v1/thing", scope=Scope.READ)
    async def find_thing(self, call: Call, query: v1.RunRef) -> None:
        """Find a thing."""

    @get("/internal", scope=PUBLIC, documented=False)
    async def internal(self, call: Call) -> None:
        """For monitors."""


PATHS, COMPONENTS = describe(operations_of(Routes()))
START = PATHS["/api/v1/things/{thingId}"]["post"]
LIST = PATHS["/api/v2/things"]["get"]
MAKE = PATHS["/api/fyke/things"]["post"]
FILE = PATHS["/api/fyke/files"]["post"]


def parameters(operation: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [
        (parameter["name"], parameter["in"], parameter["required"])
        for parameter in operation["parameters"]
    ]


def data_of(operation: dict[str, Any]) -> tuple[str, Any]:
    """The name of the envelope, and the schema of its data."""
    schema = operation["responses"]["200"]["content"][JSON]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    return name, COMPONENTS[name]["properties"]["data"]


def test_undocumented_operations_are_omitted() -> None:
    assert list(PATHS) == [
        "/api/v1/things/{thingId}", "/api/v2/things", "/api/fyke/things", "/api/fyke/files",
        "/api/v1/thing",
    ]  # fmt: skip


def test_the_docstring_is_summary_and_description() -> None:
    assert (START["summary"], START["description"]) == ("Start a thing", "At once.")
    assert "description" not in LIST
    assert (START["operationId"], START["tags"]) == ("startThing", ["Runs"])


def test_a_shape_is_the_body_of_a_post_and_the_query_of_a_get() -> None:
    assert parameters(START) == [
        ("thingId", "path", True), ("Idempotency-Key", "header", False),
    ]  # fmt: skip
    body = START["requestBody"]
    assert body["required"] is True
    assert body["content"][JSON]["schema"] == {"$ref": "#/components/schemas/RunRef"}
    assert COMPONENTS["RunRef"]["required"] == ["run_slug"]
    assert parameters(LIST) == [
        ("offset", "query", False), ("limit", "query", False), ("If-None-Match", "header", False),
    ]  # fmt: skip
    assert "requestBody" not in LIST


def test_a_parameter_has_its_default_in_the_schema_and_its_description_outside() -> None:
    [offset] = [parameter for parameter in LIST["parameters"] if parameter["name"] == "offset"]
    assert offset["schema"]["default"] == 1
    [run] = PATHS["/api/v1/thing"]["get"]["parameters"]
    assert (run["name"], run["description"]) == ("run_slug", "id of a run")
    assert "description" not in run["schema"]
    assert "description" not in START["parameters"][0]


def test_a_header_may_have_an_example() -> None:
    assert START["parameters"][1]["example"] == "order-4711"
    assert "example" not in LIST["parameters"][-1]


def test_unknown_members_are_refused_only_under_api_fyke() -> None:
    [only] = describe(operations_of(Routes())[2:3])[0].values()
    assert only == PATHS["/api/fyke/things"]
    own = describe(operations_of(Routes())[2:3])[1]["RunRef"]
    published = describe(operations_of(Routes())[:1])[1]["RunRef"]
    assert own["additionalProperties"] is False
    assert "additionalProperties" not in published


def test_an_envelope_is_named_after_its_data_and_its_version() -> None:
    assert data_of(START) == ("RunStartedResponse", {"$ref": "#/components/schemas/RunStarted"})
    name, data = data_of(LIST)
    assert name == "RunDetailOrRunStartedOrEmptyResponseV2"
    assert data == {
        "anyOf": [
            {"$ref": "#/components/schemas/RunDetail"}, {"$ref": "#/components/schemas/RunStarted"},
            {"type": "null"},
        ]
    }  # fmt: skip
    assert data_of(MAKE) == ("EmptyResponse", {"type": "null"})
    assert "request_id" in COMPONENTS[name]["properties"]
    assert "request_id" not in COMPONENTS["EmptyResponse"]["properties"]


def test_every_code_of_a_status_has_its_text_and_an_example() -> None:
    refused = START["responses"]["401"]
    codes = {"10001", "10002", "20001", "20002"}
    assert {part.split()[0] for part in refused["description"].split("; ")} == codes
    shown = refused["content"][JSON]["examples"]
    assert {str(item["value"]["code"]) for item in shown.values()} == codes
    assert all(set(item["value"]) == {"code", "message", "data"} for item in shown.values())
    second = LIST["responses"]["401"]["content"][JSON]
    assert second["schema"] == {"$ref": "#/components/schemas/FailureV2"}
    assert all("request_id" in example["value"] for example in second["examples"].values())


def test_the_statuses_depend_on_the_declaration() -> None:
    assert "409" in START["responses"], "two starts with one key may meet"
    assert "409" not in MAKE["responses"]
    assert "404" in START["responses"]
    assert "404" not in MAKE["responses"]
    assert {"408", "413", "415"} <= MAKE["responses"].keys()
    assert {"408", "413", "415"} <= FILE["responses"].keys()
    assert not {"408", "413", "415"} & LIST["responses"].keys()
    assert "304" in LIST["responses"]
    assert "304" not in MAKE["responses"]


def test_declared_bodies_replace_the_envelope() -> None:
    csv = {"schema": {"type": "string"}, "example": "a,b"}
    assert FILE["requestBody"] == {"required": True, "content": {"text/csv": csv}}
    assert FILE["responses"]["200"]["content"] == {"image/png": {"schema": {"type": "string"}}}
    assert FILE["responses"]["204"] == {"description": "Nothing to say"}
    [digest] = FILE["parameters"]
    assert (digest["name"], digest["description"]) == ("x-digest", "of the file")
    assert digest["schema"] == {"type": "string"}
