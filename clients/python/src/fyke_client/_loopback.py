"""HTTP requests to a server on this machine, by ``http.client``.

Importing ``httpx2`` and making its client costs more CPU time than a whole command. On this machine
its proxies, certificates and compression are not needed.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Mapping
from http.client import HTTPConnection
from urllib.parse import urlsplit

from fyke_client._requests import Response
from fyke_client.errors import Unreachable


class LoopbackHttp:
    """Sends requests to ``http://HOST[:PORT]``, each on a connection of its own.

    Raises ``OSError``, ``HTTPException`` or, for a header that cannot be sent, ``ValueError``;
    ``Unreachable`` if it cannot connect.
    """

    def __init__(self, base_url: str) -> None:
        self._url = urlsplit(base_url)

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Response:
        """Send a request; ``timeout``: seconds without progress."""
        connection = HTTPConnection(self._url.hostname or "", self._url.port, timeout=timeout)
        with contextlib.closing(connection):
            try:
                connection.connect()
            except TimeoutError:
                raise
            except OSError as error:
                raise Unreachable(f"cannot be reached: {error}", sent=False) from error
            # A server that refuses a body may answer and close while it is sent.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body or None, dict(headers))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Response(response.status, names, response.read())


def is_loopback(base_url: str) -> bool:
    """Whether the host is this machine, as an address or as localhost."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_plain(base_url: str) -> bool:
    """Whether ``LoopbackHttp`` can reach the server: plain HTTP, an address and a port."""
    url = urlsplit(base_url)
    if url.scheme != "http" or url.username is not None or url.path or url.query or url.fragment:
        return False
    try:
        return is_loopback(base_url) and url.port != 0
    except ValueError:  # of the port
        return False
