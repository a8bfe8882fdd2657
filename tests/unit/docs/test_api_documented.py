"""The page about the REST API and the application say the same: routes, fields, errors."""

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
SECTION = re.compile(r"^### `([A-Z]+ /\S*)`\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
ERROR_ROW = re.compile(r"^\| (\d+) \| (\d{3}) \| `([^`]+)` \|", re.MULTILINE)

Document = dict[str, Any]


@pytest.fixture
async def app(tmp_path: Path) -> Any:
    templates, home = tmp_path / "templates", tmp_path / "home"
    templates.mkdir()
    home.mkdir()
    async with open_app(home, make_templates(templates)) as app:
        yield app.asgi()


def sections() -> dict[str, str]:
    """The sections that are written by hand."""
    return dict(SECTION.findall(both_pages()))


def both_pages() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in (PAGE, PAGE_V2))


def plain(text: str) -> str:
    """The text without its fenced blocks, whose marks are no names."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def routes(app: Any) -> set[str]:
    """Return the routes that the document describes."""
    return {
        f"{method.upper()} {path}"
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }


def names_of(schema: Document, components: Document) -> set[str]:
    """The names of an answer's fields and of the fields of the objects in its lists."""
    found: set[str] = set()
    for choice in choices(schema, components):
        for name, field in choice.get("properties", {}).items():
            found |= {name} | names_of(field.get("items", field), components)
    return found


def choices(schema: Document, components: Document) -> list[Document]:
    """The schemas that ``schema`` is one of."""
    if "$ref" in schema:
        return choices(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        return [each for part in schema["anyOf"] for each in choices(part, components)]
    return [schema]


def fields_of(operation: Document, components: Document) -> set[str]:
    """Every name that an operation takes or answers."""
    taken = {p["name"] for p in operation.get("parameters", ()) if p["in"] != "header"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = body.get("schema", {})
    taken |= {name for each in choices(schema, components) for name in each.get("properties", {})}
    answer = operation["responses"]["200"]["content"].get("application/json", {})
    found = names_of(answer.get("schema", {}), components)
    return taken | found - {"code", "message", "data", "request_id"}


async def test_every_route_is_documented_and_no_other(app: Any) -> None:
    generated = dict(SECTION.findall(PAGE_OWN.read_text(encoding="utf-8")))
    assert set(sections()) | set(generated) == routes(app)
    assert not set(sections()) & set(generated)


async def test_every_field_is_named_in_the_section_of_its_operation(app: Any) -> None:
    document = app.openapi()
    written = {title: plain(section) for title, section in sections().items()}
    text = plain(both_pages())
    # What a start answers in sync mode, a run's fields in a list and a page's in an answer have
    # one place of their own; all else stands with its operation.
    shared = {
        "POST /api/v1/scraper/run": text,
        "POST /api/v1/task/run": text,
        "POST /api/v2/workers/{workerId}/runs": text,
        "POST /api/v1/run/list": text,
        # what a run shows, takes and gives is written once for a run by its id, once for the newest
        "GET /api/v2/worker-runs": text,
    }
    again = re.compile(r"/api/v2/.*(runs/last|/rerun)")
    shared |= {title: text for title in written if again.search(title)}
    missing = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            title = f"{method.upper()} {path}"
            if title not in written:  # generated, see tests/unit/script
                continue
            section = shared.get(title, written[title])
            named = set(re.findall(r"`([^`\n]+)`", section))
            for name in fields_of(operation, document["components"]["schemas"]) - named:
                missing.append(f"{title}: {name}")
    assert not missing


async def test_every_request_header_is_documented_in_one_place(app: Any) -> None:
    section = re.search(r"^## Request headers\n(.*?)^## ", both_pages(), re.MULTILINE | re.DOTALL)
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
def test_the_table_of_errors_is_the_one_in_use(page: Path, in_use: set[WireError]) -> None:
    rows = {
        WireError(int(status), int(code), text)
        for code, status, text in ERROR_ROW.findall(page.read_text(encoding="utf-8"))
    }
    assert rows == in_use
