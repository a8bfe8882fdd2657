"""The callback address of a start."""

from __future__ import annotations

import re

from fyke.errors import InvalidRequest

_URL = re.compile(r"https?://\S+", re.IGNORECASE)


def read_callback(url: str, *, required: bool = False) -> str:
    """The callback address without surrounding spaces, ``""`` for none.

    Only its syntax is checked here, before anything is looked up; the domain decides whether it may
    be called. Raises ``InvalidRequest``.
    """
    url = url.strip()
    if not url and required:
        raise InvalidRequest("callback_url is required")
    if url and not _URL.fullmatch(url):
        raise InvalidRequest("callback_url must be an absolute http or https URL")
    return url
