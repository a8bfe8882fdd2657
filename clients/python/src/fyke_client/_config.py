"""Which server is used, with which key."""

from __future__ import annotations

import os
import re

from fyke_client._http import Server

DEFAULT_URL = "http://127.0.0.1:8100"

_KEY = re.compile(r"[\x21-\x7e]+")


def server_from(url: str | None, key: str | None, timeout: float) -> Server:
    """The arguments, or the environment where they are None. Raises ``ValueError``, which does not
    contain the values: they may be secret.
    """
    url = os.environ.get("FYKE_URL") or DEFAULT_URL if url is None else url
    key = (os.environ.get("FYKE_KEY", "") if key is None else key).strip()
    if "@" in url:
        raise ValueError("the URL of a server must not contain a user and a password")
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("the URL of a server must start with http:// or https://")
    if key and not _KEY.fullmatch(key):
        raise ValueError("the key contains spaces or other characters that no key has")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return Server(url.rstrip("/"), headers, timeout)
