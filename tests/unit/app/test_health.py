"""The probe of regional proxies: real sockets, no password, cached results."""

from __future__ import annotations

import asyncio
import socket

import pytest

from fyke.app.health import ProxyProbe

pytestmark = pytest.mark.anyio


async def test_proxies_are_probed_once_for_several_callers() -> None:
    accepted: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        free_port = closed.getsockname()[1]
    probe = ProxyProbe(
        {
            "us": f"socks5h://user:secret@127.0.0.1:{port}",
            "DE": f"http://127.0.0.1:{free_port}",
            "FR": "http://[broken",
        }
    )
    de, fr, us = await probe()
    assert (us.region, us.host, us.error) == ("US", f"127.0.0.1:{port}", "")
    assert de.error and de.host == f"127.0.0.1:{free_port}"
    assert "cannot be read" in fr.error
    assert "secret" not in repr((de, fr, us))
    server.close()
    # concurrent and soon following calls share one result
    again = await asyncio.gather(*(probe() for _ in range(5)))
    assert again == [[de, fr, us]] * 5
    assert len(accepted) == 1
    for writer in accepted:
        writer.close()
