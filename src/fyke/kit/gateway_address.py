"""The address of a gateway as people and settings write it: HOST, HOST:PORT or [IPV6]:PORT."""

from __future__ import annotations

from urllib.parse import urlsplit

DEFAULT_PORT = 8110


def parse_gateway(text: str) -> tuple[str, int]:
    """Host and port to connect to. Raise ``ValueError`` for anything else."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.netloc != text or parts.username is not None:
        raise ValueError("is no address of a gateway")
    return parts.hostname, parts.port or DEFAULT_PORT
