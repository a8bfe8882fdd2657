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
    """All requests go through the platform's proxy, the only network access of the sandbox, even
    those to your own machine, which urllib would otherwise send directly.
    """
    os.environ.pop("no_proxy", None)
    os.environ.pop("NO_PROXY", None)
    proxy = f"http://{os.environ['PROXY_AUTH']}@{os.environ['PROXY_DOMAIN']}"
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": proxy, "https": proxy})
    )


def find_items(data, path):
    """Return the list at ``path``, such as data.items; with an empty path ``data`` is the list."""
    for name in filter(None, path.split(".")):
        data = data.get(name) if isinstance(data, dict) else None
    return data if isinstance(data, list) else []


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    opener = make_opener()
    address = task["url"]
    for page in range(1, int(task.get("pages") or 1) + 1):
        url = address.replace("{page}", str(page))
        with opener.open(url, timeout=30) as response:
            data = json.load(response)
        items = find_items(data, task.get("list") or "")
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
      "description": "The page number replaces {page}.",
      "required": true,
      "default": "https://example.com/api/items?page={page}"
    },
    {
      "name": "list",
      "title": "List path",
      "type": "string",
      "editor": "input",
      "description": "Names joined by dots, such as data.items; empty if the response is the list.",
      "required": false,
      "default": ""
    },
    {
      "name": "pages",
      "title": "Pages",
      "type": "integer",
      "editor": "number",
      "description": "The maximum number of pages to read.",
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

| field | meaning |
| --- | --- |
| `url` | the address; the page number replaces `{{page}}` in it |
| `list` | the path of the list of items in the response, such as `data.items` |
| `pages` | the maximum number of pages to read |

The run ends at the first page without items.
"""


def files(title: str) -> dict[str, str]:
    """Return the files of a new project: path to content."""
    return {
        "main.py": MAIN,
        "input_schema.json": INPUT_SCHEMA,
        "README.md": README.format(title=title),
        "requirements.txt": REQUIREMENTS,
    }
