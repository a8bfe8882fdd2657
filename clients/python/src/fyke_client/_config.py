"""Which server is used, with which key."""

from __future__ import annotations

import os

from fyke_client._http import Server

DEFAULT_URL = "http://127.0.0.1:8100"


def server_from(url: str | None, key: str | None, timeout: float) -> Server:
    """The arguments, or the environment where they are None. Raises ``ValueError``."""
    url = os.environ.get("FYKE_URL", DEFAULT_URL) if url is None else url
    key = os.environ.get("FYKE_KEY", "") if key is None else key
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return Server(url.rstrip("/"), headers, timeout)
