"""The files of a new Python Worker without the SDK, and the texts shared by all languages."""

from __future__ import annotations

MAIN = '''\
"""Fetches web pages and stores their titles, one row for each page."""

import html
import os
import re
import urllib.error
import urllib.request

from sdk import CoreSDK

DEFAULT_URLS = [{"url": "https://example.com/"}]
TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


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


def fetch(opener, url):
    """Return the row of one page, with the error when it could not be fetched."""
    row = {"url": url, "status": 0, "title": "", "bytes": 0, "error": ""}
    try:
        with opener.open(url, timeout=30) as response:
            body = response.read()
            row["status"] = response.status
    except urllib.error.HTTPError as error:
        body = error.read()
        row["status"] = error.code
    except (OSError, ValueError) as error:
        row["error"] = str(error)
        return row
    row["bytes"] = len(body)
    found = TITLE.search(body)
    if found:
        row["title"] = " ".join(html.unescape(found[1].decode("utf-8", "replace")).split())
    return row


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    opener = make_opener()
    for item in task.get("urls") or DEFAULT_URLS:
        url = item["url"] if isinstance(item, dict) else item
        row = fetch(opener, url)
        CoreSDK.Result.push_data(row)
        CoreSDK.Log.info(f"{url}: {row['error'] or row['status']} {row['title']}")


if __name__ == "__main__":
    main()
'''

INPUT_SCHEMA = """\
{
  "description": "Fetches web pages and stores their titles.",
  "properties": [
    {
      "name": "urls",
      "title": "URLs",
      "type": "array",
      "editor": "requestList",
      "description": "The pages to fetch.",
      "required": false,
      "default": [{"url": "https://example.com/"}]
    }
  ]
}
"""

OUTPUT_SCHEMA = """\
[
  {"name": "url", "type": "string", "description": "URL"},
  {"name": "status", "type": "integer", "description": "Status"},
  {"name": "title", "type": "string", "description": "Title"},
  {"name": "bytes", "type": "integer", "description": "Bytes"},
  {"name": "error", "type": "string", "description": "Error"}
]
"""

README = """\
# {title}

Fetches web pages and stores one row for each: status, title, size, and the error if there was one.

## Input

| field | meaning |
| --- | --- |
| `urls` | the pages to fetch, each as text or as `{{"url": "https://..."}}` |

## Development

```sh
fyke worker run . --input '{{"urls": ["https://example.com/"]}}'
fyke worker check .
fyke worker push .
```

{about}"""

ABOUT = """\
`main.py` is the Worker. `input_schema.json` defines the fields of its input, `output_schema.json`
the columns of its rows; `requirements.txt` lists its dependencies. The three `sdk` files connect it
to the platform; do not edit them.
"""

REQUIREMENTS = """\
# One package per line, such as selectolax==1.0.2. The packages of the SDK are always installed.
"""


def readme(title: str, about: str) -> str:
    """The text of README.md; ``about`` describes the files."""
    return README.format(title=title, about=about)


def files(title: str) -> dict[str, str]:
    """Return the files of a new project: path to content."""
    return {
        "main.py": MAIN,
        "input_schema.json": INPUT_SCHEMA,
        "output_schema.json": OUTPUT_SCHEMA,
        "README.md": readme(title, ABOUT),
        "requirements.txt": REQUIREMENTS,
    }
