"""Which pages belong to the crawl: near the start URLs, and allowed by the patterns."""

from __future__ import annotations

from urllib.parse import urlsplit

from crawler.urls import Glob, folder, host

HOST, DOMAIN, PREFIX = "host", "domain", "prefix"
STAY_ON = (HOST, DOMAIN, PREFIX)


class Scope:
    """The roots of a crawl and the patterns on top of them."""

    def __init__(self, stay_on: str, include: list[str], exclude: list[str]) -> None:
        self._stay_on = stay_on
        self._include = [Glob(pattern) for pattern in include]
        self._exclude = [Glob(pattern) for pattern in exclude]
        self._roots: set[tuple[str, str]] = set()

    def add_root(self, url: str, path: str | None = None) -> None:
        """Let the crawl reach what lies around ``url`` (under ``path`` instead of its folder)."""
        self._roots.add((self._name(url), self._under(url, path)))

    def move_root(self, start: str, target: str) -> bool:
        """A start URL leads elsewhere: follow it to another host. True when that is new.

        The folder stays the same there if the target lies in it, else it is the target's.
        """
        if self.near(target):
            return False
        same_folder = folder(target).startswith(folder(start))
        self.add_root(target, folder(start) if same_folder else None)
        return True

    def near(self, url: str) -> bool:
        """Whether a page lies around a root, whatever the patterns say."""
        name, under = self._name(url), self._under(url, None)
        if (name, "") in self._roots:
            return True
        if self._stay_on == DOMAIN:
            return any(name.endswith(f".{root}") for root, _ in self._roots)
        return any(name == root and under.startswith(path) for root, path in self._roots)

    def allows(self, url: str) -> bool:
        """Whether a link to this page is followed."""
        if not self.near(url) or any(glob.matches(url) for glob in self._exclude):
            return False
        return not self._include or any(glob.matches(url) for glob in self._include)

    def _name(self, url: str) -> str:
        if self._stay_on == DOMAIN:
            return (urlsplit(url).hostname or "").removeprefix("www.")
        return host(url)

    def _under(self, url: str, path: str | None) -> str:
        if self._stay_on != PREFIX:
            return ""
        return path or folder(url)
