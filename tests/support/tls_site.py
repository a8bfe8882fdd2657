"""A site with TLS under one name, with a certificate of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.authority import make_certificate

NAME = "site.test"


@dataclass(frozen=True)
class TlsSite:
    """Answers every request with the same body; clients must trust ``certificate``."""

    port: int
    certificate: Path
    requests: list[str]


@asynccontextmanager
async def tls_site(folder: Path, body: bytes) -> AsyncIterator[TlsSite]:
    """Serve for the length of the block. The key and the certificate are written to ``folder``."""
    certificate, key = folder / "site.pem", folder / "site.key"
    make_certificate(certificate, key, [NAME])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    requests: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            requests.append(head.split(b"\r\n")[0].decode())
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ")
            writer.write(b"%d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has closed the connection
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield TlsSite(server.sockets[0].getsockname()[1], certificate, requests)
    finally:
        server.close()
