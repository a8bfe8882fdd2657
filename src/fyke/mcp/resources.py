"""Resources: the schemas of Workers and the runs of the account, for programs that show them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

from fyke.mcp import calls, hidden
from fyke.mcp.calls import segment
from fyke.mcp.run_tools import DEFAULT_TOKENS, read_rows
from fyke.mcp.session import McpSession
from fyke.mcp.tool import ToolRefused
from fyke.mcp.worker_tools import description_of

LISTED = 20  # Workers, and runs
JSON = "application/json"
TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class ListedResource:
    uri: str
    name: str
    description: str
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """``template``: a URI with one part ``{id}``."""

    template: str
    name: str
    description: str
    read: Callable[[McpSession, str], Awaitable[str]]
    media_type: str = JSON

    def id_in(self, uri: str) -> str | None:
        """The part of ``uri`` that is the id, if it is of this kind."""
        before, after = map(re.escape, self.template.split("{id}"))
        found = re.fullmatch(f"{before}([^?#]+?){after}", uri)
        return unquote(found[1]) if found else None


async def _schema(session: McpSession, worker: str) -> str:
    path = f"/api/v2/workers/{segment(worker)}/input-schema"
    answer = await calls.read(session, path)
    return _json(answer["input_schema"])


async def _worker(session: McpSession, worker: str) -> str:
    return _json(await description_of(session, worker))


async def _run(session: McpSession, run: str) -> str:
    return _json(await hidden.summary(session, run))


async def _rows(session: McpSession, run: str) -> str:
    answer = await read_rows(session, {"run": run, "max_tokens": DEFAULT_TOKENS})
    return "\n".join(answer.parts)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


KINDS = (
    ResourceKind(
        "fyke://workers/{id}/schema", "Input schema", "the input schema of a Worker", _schema
    ),
    ResourceKind(
        "fyke://workers/{id}", "Worker", "the fields and an example input of a Worker", _worker
    ),
    ResourceKind("fyke://runs/{id}/rows", "Rows", "the first rows of a run", _rows, TEXT),
    ResourceKind("fyke://runs/{id}", "Run", "state, figures and error of a run", _run),
)


async def listed_resources(session: McpSession) -> list[ListedResource]:
    """The account's Workers and its last runs."""
    workers = await calls.read(session, "/api/v2/workers", limit=LISTED)
    runs = await calls.read(session, "/api/v2/worker-runs", limit=LISTED)
    return [_of_worker(worker) for worker in workers["list"]] + [
        ListedResource(
            f"fyke://runs/{run['slug']}",
            f"Run {run['slug']}",
            f"{run['scraper_title']}: {run['status']}, {run['results']} rows",
        )
        for run in runs["list"]
    ]


def _of_worker(worker: dict[str, Any]) -> ListedResource:
    path = worker["path"]
    return ListedResource(
        f"fyke://workers/{path}/schema", f"Input schema of {path}", worker["title"]
    )


async def read_resource(session: McpSession, uri: str) -> tuple[str, str]:
    """The text of a resource, and its media type. Raises ``ToolRefused``."""
    for kind in KINDS:
        found = kind.id_in(uri)
        if found is not None:
            return await kind.read(session, found), kind.media_type
    raise ToolRefused(f"{uri} is not a resource of Fyke")
