"""Handshakes between our own ends and those that are not."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

import pytest

from fyke.kit.certificates import (
    DAY_SECONDS,
    CertifiedKey,
    new_authority,
    new_request,
    new_server,
    sign_client,
    uri_of,
)
from fyke.kit.tls import client_context, server_context

NOW = time.time()
YEAR = 365 * DAY_SECONDS
HOST = "gateway.internal"
AUTHORITY = new_authority("Nodes", NOW, YEAR)
OTHER = new_authority("Nodes", NOW, YEAR)
SERVER = new_server(AUTHORITY, HOST, NOW, YEAR)


def client(
    authority: CertifiedKey = AUTHORITY, now: float = NOW, seconds: float = YEAR
) -> CertifiedKey:
    request = new_request()
    signed = sign_client(authority, request.certificate, "node:n1", now, seconds)
    return CertifiedKey(signed, request.key)


NODE = client()


class Connection:
    """Both ends, and what one has sent to the other."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext, host: str = HOST) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        self.client = client.wrap_bio(to_client, to_server, server_hostname=host)

    def shake_hands(self) -> None:
        """Raise ``ssl.SSLError`` when one end refuses the other."""
        steps: list[Callable[[], object]] = [self.client.do_handshake, self.server.do_handshake]
        for step in [*steps * 2, lambda: self.server.write(b"x"), lambda: self.client.read(1)]:
            try:
                step()
            except ssl.SSLWantReadError:
                continue


def connect(
    server: CertifiedKey = SERVER,
    own: CertifiedKey | None = NODE,
    *,
    authority: CertifiedKey = AUTHORITY,
    host: str = HOST,
) -> Connection:
    connection = Connection(
        server_context(AUTHORITY.certificate, server, ["node/1", "http/1.1"]),
        client_context(authority.certificate, own, ["node/1"]),
        host,
    )
    connection.shake_hands()
    return connection


def test_both_ends_are_known_to_each_other() -> None:
    ends = connect()
    assert ends.server.version() == "TLSv1.3"
    assert ends.server.selected_alpn_protocol() == "node/1"
    certificate = ends.server.getpeercert(binary_form=True)
    assert certificate is not None and uri_of(certificate) == "node:n1"


def test_a_client_without_a_certificate_is_accepted_and_has_none() -> None:
    assert connect(own=None).server.getpeercert(binary_form=True) is None


def test_a_client_accepts_an_expired_server_of_its_authority() -> None:
    expired = new_server(AUTHORITY, HOST, NOW - YEAR, 60)
    assert connect(expired).client.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("server", "own", "host", "problem"),
    [
        (new_server(OTHER, HOST, NOW, YEAR), NODE, HOST, "certificate verify failed"),
        (SERVER, NODE, "other.internal", "Hostname mismatch"),
        (NODE, NODE, HOST, "certificate purpose"),  # a node that poses as a gateway
        (SERVER, client(OTHER), HOST, "certificate verify failed"),
        (SERVER, client(now=NOW - YEAR, seconds=60), HOST, "certificate has expired"),
        (SERVER, SERVER, HOST, "certificate purpose"),
    ],
)
def test_others_are_refused(
    server: CertifiedKey, own: CertifiedKey, host: str, problem: str
) -> None:
    with pytest.raises(ssl.SSLError, match=problem):
        connect(server, own, host=host)


def test_sessions_are_not_resumed() -> None:
    session = connect().client.session
    assert session is None or not session.has_ticket
