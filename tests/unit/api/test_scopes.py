"""The scopes of all operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fyke.domain.accounts.scopes import ALL_SCOPES, Scope, read_scopes, scope_text
from fyke.errors import InvalidRequest
from support.api import operations
from support.app import make_templates, open_app

pytestmark = pytest.mark.anyio

# Their input does not fit into a query; they change nothing.
READ_WITH_POST = {
    "/api/v1/account/info",
    "/api/v1/run/detail",
    "/api/v1/run/last/log",
    "/api/v1/run/list",
    "/api/v1/run/result/export",
    "/api/v1/run/result/list",
    "/api/fyke/alerts/rules/preview",
    "/api/fyke/hidden-texts",
    "/api/fyke/workers/{slug}/normalise",
    "/api/fyke/workers/{slug}/import",
    "/api/fyke/workers/{slug}/snippet",
}


@pytest.fixture
async def declared(tmp_path: Path) -> list[Any]:
    templates, home = tmp_path / "templates", tmp_path / "home"
    templates.mkdir()
    home.mkdir()
    async with open_app(home, make_templates(templates)) as app:
        return operations(app.asgi())


async def test_every_operation_names_its_scopes(declared: list[Any]) -> None:
    assert len(declared) > 180
    assert all(item.scopes and item.scopes <= ALL_SCOPES for item in declared)


async def test_the_read_scope_allows_no_changes(declared: list[Any]) -> None:
    only_reading = {
        item.path for item in declared if item.method != "GET" and item.scopes == {Scope.READ}
    }
    assert only_reading == READ_WITH_POST


async def test_public_operations_need_only_the_read_scope(declared: list[Any]) -> None:
    public = [item for item in declared if item.public]
    assert public
    assert all(item.scopes == {Scope.READ} and item.method == "GET" for item in public)


def test_scopes_are_parsed_and_formatted() -> None:
    assert read_scopes(["Read", " run "]) == {Scope.READ, Scope.RUN}
    assert read_scopes([]) == ALL_SCOPES
    assert scope_text(ALL_SCOPES) == "read run write admin"
    with pytest.raises(
        InvalidRequest, match=r"^scopes: unknown scope 'all'; use one or more of read"
    ):
        read_scopes(["all"])
