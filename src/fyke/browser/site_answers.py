"""The HTTP statuses that sites have answered a browser with."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from fyke.kit.hostports import MAX_NAME, parse_host
from fyke.model.browser import OTHER_HOSTS
from fyke.model.statuses import MAX_STATUSES, OTHER_STATUS, is_status

MAX_BYTES = 12 * 1024  # in a report, which must fit in one message
_SITE_BYTES = 6  # beside the name of a site
_STATUS_BYTES = 20  # of a status and its number
_MAX_AUTHORITY = MAX_NAME + 64  # characters, with a port


class SiteAnswers:
    """Counts by host and status, of as many as fit in ``MAX_BYTES``; the others together."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = {}
        self._room = MAX_BYTES

    def add(self, host: str, status: int) -> None:
        """A site has answered; a status that HTTP does not have is ignored."""
        if not is_status(status):
            return
        counts = self._counts.get(host)
        if counts is None:
            size = len(host) + _SITE_BYTES + _STATUS_BYTES
            if host != OTHER_HOSTS and self._room < size:
                self.add(OTHER_HOSTS, status)
                return
            self._room -= size
            counts = self._counts[host] = {}
        name = str(status)
        if name not in counts and counts:
            if len(counts.keys() - {OTHER_STATUS}) >= MAX_STATUSES or self._room < _STATUS_BYTES:
                name = OTHER_STATUS
            if name not in counts:
                self._room -= _STATUS_BYTES
        counts[name] = counts.get(name, 0) + 1

    def read(self) -> dict[str, dict[str, int]]:
        """A copy of the counts."""
        return {host: dict(counts) for host, counts in self._counts.items()}


def host_of(url: str) -> str:
    """The host of a URL as the proxy names it; ``OTHER_HOSTS`` if there is none."""
    authority = url.partition("://")[2][:_MAX_AUTHORITY].partition("/")[0]
    return _host_of(authority)


@lru_cache(maxsize=256)
def _host_of(authority: str) -> str:
    try:
        return str(parse_host(urlsplit(f"//{authority}").hostname or ""))
    except ValueError:
        return OTHER_HOSTS
