"""Declarations of operations: their scopes, ids, texts and shapes."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from fyke.api.call import Call
from fyke.api.routes import PUBLIC, DeclarationError, Json, delete, get, operation, post, put
from fyke.api.serving import operations_of
from fyke.domain.accounts.scopes import Scope
from fyke.errors import RunNotFound
from fyke.wire import v1
from fyke.wire.fields import Name


class Routes:
    tag: ClassVar[str] = "Runs"

    @get("/things/{thingId:run}", scope=PUBLIC, tag="Public", errors=(RunNotFound,))
    async def get_thing(self, call: Call, thing_id: Name) -> v1.RunDetail | None:
        """A thing,
        in two lines.

        More of it.
        """

    @post("/things", scope=Scope.WRITE)
    @put("/things", scope=frozenset({Scope.WRITE, Scope.RUN}), id="putThing")
    async def create_thing_v1(self, call: Call, body: v1.RunRef) -> Json[v1.RunStarted]:
        """Make a thing."""
        return Json(v1.RunStarted(body.run_slug))

    @delete("/things", scope=Scope.ADMIN)
    async def remove_things(self, call: Call) -> None:
        """Remove all things."""


def test_the_declaration_determines_the_scopes() -> None:
    operations = operations_of(Routes())
    assert [(item.method, item.public, sorted(item.declaration.scopes)) for item in operations] == [
        ("GET", True, ["read"]),
        ("POST", False, ["write"]),
        ("PUT", False, ["run", "write"]),
        ("DELETE", False, ["admin"]),
    ]


def test_id_texts_and_shapes_come_from_the_function() -> None:
    operations = operations_of(Routes())
    assert [item.id for item in operations] == [
        "getThing",
        "createThingV1",
        "putThing",
        "removeThings",
    ]
    assert [item.tag for item in operations] == ["Public", "Runs", "Runs", "Runs"]
    assert operations[0].texts == ("A thing, in two lines", "More of it.")
    body, started = ("body", v1.RunRef), (v1.RunStarted,)
    assert [item.input_argument for item in operations] == [None, body, body, None]
    assert [item.answer_shapes for item in operations] == [(v1.RunDetail,), started, started, ()]
    assert [member.names for member in operations[0].path_members] == [("thingId",)]


@pytest.mark.parametrize("declare", [get, post, put, delete])
def test_an_operation_without_a_scope_is_an_error(declare: Any) -> None:
    with pytest.raises(TypeError, match="scope"):
        declare("/api/fyke/forgotten")


@pytest.mark.parametrize("scope", [None, "", "read", True, frozenset(), frozenset({"read"}), ()])
def test_an_invalid_scope_is_an_error(scope: Any) -> None:
    with pytest.raises(DeclarationError, match="/api/fyke/forgotten"):
        get("/api/fyke/forgotten", scope=scope)


def test_an_unknown_method_is_an_error() -> None:
    with pytest.raises(DeclarationError, match="HEAD"):
        operation("HEAD", "/x", scope=Scope.READ)


def test_an_operation_without_tag_or_docstring_is_an_error() -> None:
    class Silent:
        @get("/x", scope=Scope.READ, tag="Runs")
        async def x(self, call: Call) -> None: ...

    class Untagged:
        @get("/x", scope=Scope.READ)
        async def x(self, call: Call) -> None:
            """Something."""

    for owner in (Silent(), Untagged()):
        with pytest.raises(DeclarationError, match="tag and a docstring"):
            operations_of(owner)
