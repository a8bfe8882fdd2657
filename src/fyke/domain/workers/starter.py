"""The files of a new Python Worker, beside the SDK: small enough to read, useful enough to keep.

What is the same in every language is here too.
"""

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
    """All requests go through the platform's proxy, the only network access of the sandbox: also
    those to your own machine, for which urllib would otherwise use none.
    """
    os.environ.pop("no_proxy", None)
    os.environ.pop("NO_PROXY", None)
    proxy = f"http://{os.environ['PROXY_AUTH']}@{os.environ['PROXY_DOMAIN']}"
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": proxy, "https": proxy})
    )


def fetch(opener, url):
    """One row: what the page answered, or why it did not."""
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

| field | what |
| --- | --- |
| `urls` | the pages to fetch, as `{{"url": "https://..."}}` |

## Working on it

```sh
fyke worker run . --input '{{"urls": [{{"url": "https://example.com/"}}]}}'
fyke worker check .
fyke worker push .
```

{about}"""

ABOUT = """\
`main.py` is the Worker. `input_schema.json` says what it asks for, `output_schema.json` which
columns it pushes, `requirements.txt` what it needs from the package index. The three `sdk` files
are its way to the platform; leave them as they are.
"""

REQUIREMENTS = """\
# One package a line, such as selectolax==1.0.2. The SDK's own packages are always there.
"""


def readme(title: str, about: str) -> str:
    """The text of README.md; ``about`` says which file is for what."""
    return README.format(title=title, about=about)


def files(title: str) -> dict[str, str]:
    """Name to content."""
    return {
        "main.py": MAIN,
        "input_schema.json": INPUT_SCHEMA,
        "output_schema.json": OUTPUT_SCHEMA,
        "README.md": readme(title, ABOUT),
        "requirements.txt": REQUIREMENTS,
    }
