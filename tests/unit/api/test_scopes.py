"""Each operation asks a key for the scopes that it needs, and a new one is not forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fyke.api.operations import PUBLIC
from fyke.api.scopes import LISTED, scopes_of
from fyke.domain.accounts.scopes import read_scopes, scope_text
from fyke.errors import InvalidRequest
from fyke.model.account import ALL_SCOPES, Scope
from support.house import make_templates, open_house

pytestmark = pytest.mark.anyio


@pytest.fixture
async def routes(tmp_path: Path) -> set[str]:
    templates, home = tmp_path / "templates", tmp_path / "home"
    templates.mkdir()
    home.mkdir()
    async with open_house(home, make_templates(templates)) as house:
        app: Any = house.app()
        return {f"{method} {route.path}" for route in app.routes for method in route.methods}


async def test_whatever_changes_something_stands_in_the_table(routes: set[str]) -> None:
    changing = {route for route in routes if route.split()[0] not in ("GET", "HEAD", "OPTIONS")}
    aliases = {route for route in changing if "/last/" in route}
    assert sorted(changing - LISTED.keys() - aliases) == [], "add these to api/scopes.py"
    assert sorted(LISTED.keys() - routes) == []


async def test_what_is_not_in_the_table_asks_for_everything() -> None:
    assert scopes_of("POST", "/api/fyke/forgotten") == ALL_SCOPES
    assert scopes_of("GET", "/api/fyke/forgotten") == {Scope.READ}


async def test_nothing_public_asks_for_more_than_reading() -> None:
    assert {scope for one in PUBLIC for scope in scopes_of(*one)} == {Scope.READ}


def test_scopes_are_read_and_written_as_words() -> None:
    assert read_scopes(["Read", " run "]) == {Scope.READ, Scope.RUN}
    assert read_scopes([]) == ALL_SCOPES
    assert scope_text(ALL_SCOPES) == "read run write admin"
    with pytest.raises(InvalidRequest, match=r"^scopes: there is no scope 'all'; use some of read"):
        read_scopes(["all"])
