"""The pages that belong to the crawl: around the start URLs, and allowed by the patterns."""

from __future__ import annotations

from urllib.parse import urlsplit

from crawler.urls import Glob, folder, host

HOST, DOMAIN, PREFIX = "host", "domain", "prefix"
STAY_ON = (HOST, DOMAIN, PREFIX)


class Scope:
    """The roots of a crawl, and its patterns."""

    def __init__(self, stay_on: str, include: list[str], exclude: list[str]) -> None:
        self._stay_on = stay_on
        self._include = [Glob(pattern) for pattern in include]
        self._exclude = [Glob(pattern) for pattern in exclude]
        self._roots: set[tuple[str, str]] = set()

    def add_root(self, url: str, path: str | None = None) -> None:
        """Add the pages around ``url`` (below ``path`` instead of its folder)."""
        self._roots.add((self._name(url), self._folder(url, path)))

    def move_root(self, start: str, target: str) -> bool:
        """Add the target of a redirected start URL; return False when it is in scope already.

        The folder stays the same if it contains the target, otherwise it is the target's.
        """
        if self.contains(target):
            return False
        same_folder = folder(target).startswith(folder(start))
        self.add_root(target, folder(start) if same_folder else None)
        return True

    def contains(self, url: str) -> bool:
        """Whether a page is around a root, regardless of the patterns."""
        name, path_prefix = self._name(url), self._folder(url, None)
        if (name, "") in self._roots:
            return True
        if self._stay_on == DOMAIN:
            return any(name.endswith(f".{root}") for root, _ in self._roots)
        return any(name == root and path_prefix.startswith(path) for root, path in self._roots)

    def allows(self, url: str) -> bool:
        """Whether a link to this page is followed."""
        if not self.contains(url) or any(glob.matches(url) for glob in self._exclude):
            return False
        return not self._include or any(glob.matches(url) for glob in self._include)

    def _name(self, url: str) -> str:
        if self._stay_on == DOMAIN:
            return (urlsplit(url).hostname or "").removeprefix("www.")
        return host(url)

    def _folder(self, url: str, path: str | None) -> str:
        if self._stay_on != PREFIX:
            return ""
        return path or folder(url)
