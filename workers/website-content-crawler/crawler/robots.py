"""The rules of robots.txt, read by Protego and applied as in RFC 9309."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

MAX_DELAY = 60.0  # seconds; the maximum for Crawl-delay
MAX_BYTES = 512 * 1024

_COMPATIBLE = re.compile(r"compatible;\s*([A-Za-z0-9_-]+)")
_FIRST = re.compile(r"[A-Za-z0-9_-]+")


@dataclass
class Rules:
    """The rules of one origin. ``blocked`` is the reason why all pages are forbidden, or ""."""

    parsed: Any = None
    agent: str = "*"
    blocked: str = ""
    delay: float | None = None
    sitemaps: list[str] = field(default_factory=list)

    def allows(self, url: str) -> bool:
        if self.blocked:
            return False
        return self.parsed is None or bool(self.parsed.can_fetch(url, self.agent))


def product(user_agent: str) -> str:
    """The name of this user agent in robots.txt."""
    found = _COMPATIBLE.search(user_agent)
    if found:
        return found[1]
    first = _FIRST.match(user_agent)
    return first[0] if first else "*"


def parse(body: bytes, content_type: str, user_agent: str) -> Rules:
    """Parse a robots.txt. A web page instead of it has no rules."""
    if "html" in content_type or body.lstrip()[:1] == b"<":
        return Rules()
    from protego import Protego

    agent = product(user_agent)
    parsed = Protego.parse(body[:MAX_BYTES].decode("utf-8", "replace"))
    delay = parsed.crawl_delay(agent)
    return Rules(
        parsed=parsed,
        agent=agent,
        delay=None if delay is None else min(max(float(delay), 0.0), MAX_DELAY),
        sitemaps=list(parsed.sitemaps)[:50],
    )


def absent(status: int | None, error: str) -> Rules:
    """The rules without a robots.txt: after 4xx all pages are allowed; after 429, 5xx or without a
    response none is.
    """
    if status is not None and 400 <= status < 500 and status != 429:
        return Rules()
    return Rules(blocked=f"robots.txt could not be read: {error or f'HTTP {status}'}")
