"""Workers with several versions, for the pages of the store and of a Worker."""

from __future__ import annotations

import json
from typing import Any

from fyke.domain.workers.page import PageChange
from fyke.model.worker import VersionState
from support.app import App
from support.projects import python_project

README = """\
# Shop prices

Reads the price lists of shops and stores **one row for each product**.

## Input

| field | what |
| --- | --- |
| `urls` | the shops to read |
| `currency` | what to convert prices into |

1. Pages are fetched in the order given.
2. A page that fails is tried `3` times.

```python
for url in task["urls"]:
    push(read(url))
```

> Prices are those of the moment; see [the terms](https://example.org/terms).
"""
CHANGELOG = """\
# Changes

## 1.0.3

- Reads the currency from the page.

## 1.0.2

- Tries a page that fails again.
"""
FIELDS: list[dict[str, Any]] = [
    {"name": "urls", "title": "Shops", "type": "array", "editor": "requestList", "required": True},
    {"name": "max_results", "title": "Rows", "type": "integer", "editor": "number", "default": 20},
]
COLUMNS = [
    {"name": "url", "type": "string", "description": "Address"},
    {"name": "title", "type": "string", "description": "Title"},
    {"name": "price", "type": "number", "description": "Price"},
]
MAIN = '''\
"""Reads prices."""

from sdk import CoreSDK


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    for item in task["urls"]:
        CoreSDK.Result.push_data({"url": item["url"], "price": 1})


main()
'''
SINGLE_VERSIONS = (
    ("maps-places", "Places on maps", "Names, addresses and ratings of places near a point.", 5),
    ("news-watch", "News watch", "New articles of the sites you name, once an hour.", 6),
    ("job-board", "Job board", "Open positions with place, pay and date.", 7),
)


async def add_versions(app: App) -> str:
    """Publish a few workers, one of them with several versions; return its path."""
    workers = app.services.workers
    for name, title, description, category in SINGLE_VERSIONS:
        worker = await app.publish(name, caller=app.other)
        page = PageChange(title, description, (category,))
        await workers.change_page(app.other, worker.id, page)
    for n, (fields, main, files) in enumerate(_history()):
        schema = {"description": "Reads prices of shops.", "properties": fields}
        files = {**files, "input_schema.json": json.dumps(schema, indent=2)}
        project = python_project(main, output=COLUMNS[: 2 + n], **files)
        worker, _, _ = await workers.publish(
            app.owner, project, name="shop-prices", title="Shop prices", public=True
        )
    page = PageChange(
        description="Reads the price lists of shops: one row for each product, with the price as "
        "a number, its currency and the moment when it was seen.",
        categories=(3, 1),
    )
    await workers.change_page(app.owner, worker.id, page)
    await workers.set_state(
        app.owner, worker.id, "v1.0.1", VersionState.DEPRECATED, "it misses prices behind a click"
    )
    await app.services.catalog.mark(app.owner, worker.id, favourite=True)
    return worker.path


def _history() -> list[tuple[list[dict[str, Any]], str, dict[str, str]]]:
    files = {"README.md": README, "CHANGELOG.md": CHANGELOG}
    retry = MAIN.replace('task["urls"]', 'task["urls"] * 3')
    currency = {"name": "currency", "type": "string", "editor": "select", "options": ["EUR", "USD"]}
    changed_fields = [FIELDS[0], FIELDS[1] | {"default": 50}, currency]
    egress = ["shop.example", "*.prices-of-many-shops.example", "10.0.0.1:443"]
    last_files = files | {"fyke.json": json.dumps({"egress": egress, "install": "build"})}
    return [(FIELDS, MAIN, {}), (FIELDS, retry, files), (changed_fields, retry, last_files)]
