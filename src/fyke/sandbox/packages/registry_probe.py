"""Asks registries where their files are. Runs inside a sandbox, before any installer.

``python3 -I registry_probe.py FILE``: FILE is a JSON array of ``{"url", "headers"}``, the pages of
one package each. The answer on standard output is an array of the same length: the
``[scheme, host, port]`` of the links on that page, or null when it could not be read. It uses only
the standard library, because a sandbox has nothing else.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import Request, urlopen

ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.npm.install-v1+json, "
    "application/json;q=0.5, text/html;q=0.2"
)
SECONDS = 20
MAX_PAGE = 32 * 2**20
PORTS = {"http": 80, "https": 443}
HREF = re.compile(rb"""<a\s[^>]*?href\s*=\s*["']([^"'#\s]+)""", re.IGNORECASE)


def links(document: Any) -> list[str]:
    """The addresses of files in the JSON of either kind of registry."""
    if not isinstance(document, dict):
        return []
    found = [entry.get("url") for entry in document.get("files") or [] if isinstance(entry, dict)]
    for version in (document.get("versions") or {}).values() if "dist-tags" in document else ():
        found.append((version.get("dist") or {}).get("tarball"))
    return [link for link in found if isinstance(link, str)]


def registry_locations(base: str, addresses: list[str]) -> list[list[Any]]:
    found: dict[tuple[str, str, int], None] = {}
    for address in addresses:
        parts = urlsplit(urljoin(base, address))
        if parts.scheme in PORTS and parts.hostname:
            found[(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])] = None
    return [list(place) for place in found][:20]


def probe_registry(url: str, headers: dict[str, str]) -> list[list[Any]] | None:
    parts = urlsplit(url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        with urlopen(Request(plain, headers={"Accept": ACCEPT, **headers}), timeout=SECONDS) as got:  # noqa: S310
            content = got.read(MAX_PAGE)
        try:
            return registry_locations(plain, links(json.loads(content)))
        except ValueError:
            return registry_locations(plain, [link.decode() for link in HREF.findall(content)])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{parts.hostname}: {error}\n")
        return None


if __name__ == "__main__":
    with open(sys.argv[1]) as ask:  # noqa: PTH123
        print(json.dumps([probe_registry(page["url"], page["headers"]) for page in json.load(ask)]))
