"""``fyke store``: the catalog of published Workers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.output import data_of

store = group()


class CatalogBrowsers(StrEnum):
    """Whether Workers use one, as a filter."""

    WITH = "with"
    WITHOUT = "without"


LimitOption = Annotated[
    int, typer.Option("--limit", help="Maximum number of results.", min=1, max=100)
]
BrowserOption = Annotated[
    CatalogBrowsers | None,
    typer.Option(
        "--browser", help="Only Workers that may use a browser, or only Workers that use none."
    ),
]


@server_command(store, "list")
def list_workers(
    server: ServerContext, limit: LimitOption = 20, browser: BrowserOption = None
) -> None:
    """The Workers that you can run.

    \b
    Examples:
      fyke store list
      fyke store list --browser with --limit 100
    """
    search(server, "", limit, browser)


@server_command(store, "search")
def search(
    server: ServerContext,
    text: Annotated[str, typer.Argument(help="Part of a title, path or description.")],
    limit: LimitOption = 20,
    browser: BrowserOption = None,
) -> None:
    """Find Workers that you can run.

    \b
    Examples:
      fyke store search crawler
      fyke store search owner/ --limit 100 --json
    """
    results = server.client.search(text, limit, browser=browser or "")
    if server.out.as_json:
        server.out.json([data_of(worker) for worker in results])
        return
    server.out.table(
        ("path", "title", "description"),
        [(worker.path, worker.title, worker.description) for worker in results],
    )
