"""Finds the hosts of a registry's files. Runs inside a sandbox, before any installer.

``python3 -I registry_probe.py FILE``: FILE is a JSON array of ``{"url", "headers"}``, each the page
of one package. It prints an array of the same length: the ``[scheme, host, port]`` of the links on
each page, none when the registry has no such page, or null when the registry did not answer. It
uses only the standard library, because a sandbox has nothing else.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterable
from typing import Any
from urllib.error import HTTPError
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
    """The addresses of files in the JSON of a Python index or an npm registry."""
    if not isinstance(document, dict):
        return []
    addresses = [entry.get("url") for entry in _objects(document.get("files"))]
    if "dist-tags" in document:
        versions = _objects(document.get("versions"))
        addresses += [
            dist.get("tarball") for dist in _objects([version.get("dist") for version in versions])
        ]
    return [link for link in addresses if isinstance(link, str)]


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a JSON array or object; none in anything else."""
    members = value.values() if isinstance(value, dict) else value
    return (
        [member for member in members if isinstance(member, dict)]
        if isinstance(members, Iterable)
        else []
    )


def registry_locations(base: str, addresses: list[str]) -> list[list[Any]]:
    """The distinct ``[scheme, host, port]`` of valid addresses, at most 20."""
    locations: dict[tuple[str, str, int], None] = {}
    for address in addresses:
        with contextlib.suppress(ValueError):
            parts = urlsplit(urljoin(base, address))
            if parts.scheme in PORTS and parts.hostname:
                locations[(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])] = None
    return [list(location) for location in locations][:20]


def probe_registry(url: str, headers: dict[str, str]) -> list[list[Any]] | None:
    parts = urlsplit(url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        request = Request(plain, headers={"Accept": ACCEPT, **headers})  # noqa: S310
        with urlopen(request, timeout=SECONDS) as response:  # noqa: S310
            content = response.read(MAX_PAGE)
        try:
            addresses = links(json.loads(content))
        except (ValueError, RecursionError):
            addresses = [link.decode("utf-8", "replace") for link in HREF.findall(content)]
        return registry_locations(plain, addresses)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{parts.hostname}: {error}\n")
        refused = isinstance(error, HTTPError) and 400 <= error.code < 500 and error.code != 429
        return [] if refused else None


if __name__ == "__main__":
    with open(sys.argv[1]) as file:  # noqa: PTH123
        print(
            json.dumps([probe_registry(page["url"], page["headers"]) for page in json.load(file)])
        )
