"""The pages about the REST API list the routes, the request headers and the errors in use.

Their members are written by ``script/docs``, see ``tests/unit/script``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fyke.api.v1.errors import INTERNAL, INVALID, TABLE, UNKNOWN_PATH
from fyke.api.v2.errors import TABLE_V2
from fyke.api.wire_errors import WireError
from support.app import make_templates, open_app

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parents[3] / "docs" / "reference"
PAGE, PAGE_V2, PAGE_OWN = FOLDER / "api.md", FOLDER / "api-v2.md", FOLDER / "api-fyke.md"
PAGES = (PAGE, PAGE_V2, PAGE_OWN)
SECTION = re.compile(r"^### `([A-Z]+ /\S*)`\n", re.MULTILINE)
ERROR_ROW = re.compile(r"^\| (\d+) \| (\d{3}) \| `([^`]+)` \|", re.MULTILINE)

Document = dict[str, Any]


@pytest.fixture
async def app(tmp_path: Path) -> Any:
    templates, home = tmp_path / "templates", tmp_path / "home"
    templates.mkdir()
    home.mkdir()
    async with open_app(home, make_templates(templates)) as app:
        yield app.asgi()


def routes(app: Any) -> set[str]:
    """Return the routes that the document describes."""
    return {
        f"{method.upper()} {path}"
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }


@pytest.mark.slow
async def test_exactly_the_existing_routes_are_documented_once(app: Any) -> None:
    titles = [title for page in PAGES for title in SECTION.findall(page.read_text("utf-8"))]
    assert sorted(titles) == sorted(routes(app))


async def test_every_request_header_is_documented_once(app: Any) -> None:
    section = re.search(
        r"^## Request headers\n(.*?)^## ", PAGE_V2.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert section is not None
    taken = {
        parameter["name"]
        for operations in app.openapi()["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header"
    }
    named = set(re.findall(r"^\| `([^`]+)` \|", section[1], re.MULTILINE))
    assert {"Idempotency-Key", "If-None-Match", "Last-Event-ID"} <= named
    assert taken - named <= {"Range", "If-Range"}  # of downloads, described with them


@pytest.mark.parametrize(
    ("page", "in_use"),
    [
        (PAGE, {INVALID, UNKNOWN_PATH, INTERNAL, *TABLE.values()}),
        (PAGE_V2, set(TABLE_V2.values())),
    ],
    ids=["v1", "v2"],
)
def test_documented_errors_are_the_real_ones(page: Path, in_use: set[WireError]) -> None:
    rows = {
        WireError(int(status), int(code), text)
        for code, status, text in ERROR_ROW.findall(page.read_text(encoding="utf-8"))
    }
    assert rows == in_use
