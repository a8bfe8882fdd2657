"""The files of a new Python Worker that reads a JSON API page by page."""

from __future__ import annotations

from fyke.domain.workers.starter import REQUIREMENTS

MAIN = '''\
"""Reads a JSON API page by page and stores its items, one row for each."""

import json
import os
import urllib.request

from sdk import CoreSDK


def make_opener():
    """All requests go through the platform's proxy, the only network access of the sandbox: also
    those to your own machine, for which urllib would otherwise use none.
    """
    os.environ.pop("no_proxy", None)
    os.environ.pop("NO_PROXY", None)
    proxy = f"http://{os.environ['PROXY_AUTH']}@{os.environ['PROXY_DOMAIN']}"
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": proxy, "https": proxy})
    )


def items_of(answer, path):
    """The list below ``path`` (such as data.items), or the answer itself when that is a list."""
    for name in filter(None, path.split(".")):
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer if isinstance(answer, list) else []


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    opener = make_opener()
    address = task["url"]
    for page in range(1, int(task.get("pages") or 1) + 1):
        url = address.replace("{page}", str(page))
        with opener.open(url, timeout=30) as response:
            answer = json.load(response)
        items = items_of(answer, task.get("list") or "")
        CoreSDK.Log.info(f"{url}: {len(items)} items")
        for item in items:
            CoreSDK.Result.push_data(item if isinstance(item, dict) else {"value": item})
        if not items or "{page}" not in address:
            break


if __name__ == "__main__":
    main()
'''

INPUT_SCHEMA = """\
{
  "description": "Reads a JSON API and stores its items.",
  "properties": [
    {
      "name": "url",
      "title": "Address",
      "type": "string",
      "editor": "input",
      "description": "Where {page} stands, the number of the page is put.",
      "required": true,
      "default": "https://example.com/api/items?page={page}"
    },
    {
      "name": "list",
      "title": "Where the list is",
      "type": "string",
      "editor": "input",
      "description": "Names with dots between them, such as data.items; empty: the answer itself.",
      "required": false,
      "default": ""
    },
    {
      "name": "pages",
      "title": "Pages",
      "type": "integer",
      "editor": "number",
      "description": "The most pages to read.",
      "required": false,
      "default": 10
    }
  ]
}
"""

README = """\
# {title}

Reads a JSON API page by page and stores its items, one row for each.

## Input

| field | what |
| --- | --- |
| `url` | the address; `{{page}}` in it becomes the number of the page |
| `list` | where the list of items is in the answer, such as `data.items` |
| `pages` | the most pages to read |

It ends at the first page without items.
"""


def files(title: str) -> dict[str, str]:
    """Name to content."""
    return {
        "main.py": MAIN,
        "input_schema.json": INPUT_SCHEMA,
        "README.md": README.format(title=title),
        "requirements.txt": REQUIREMENTS,
    }
