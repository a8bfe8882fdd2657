"""The probe of the regions' proxies: real sockets, no password shown, asked once in a while."""

from __future__ import annotations

import asyncio
import socket

import pytest

from fyke.app.health import ProxyProbe

pytestmark = pytest.mark.anyio


async def test_a_proxy_that_listens_is_healthy_and_one_that_does_not_says_why() -> None:
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
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
    germany, france, america = await probe()
    assert (america.region, america.host, america.error) == ("US", f"127.0.0.1:{port}", "")
    assert germany.error and germany.host == f"127.0.0.1:{free_port}"
    assert "cannot be read" in france.error
    assert "secret" not in repr((germany, france, america))
    server.close()
    # many who look at once, and soon after, share one look
    again = await asyncio.gather(*(probe() for _ in range(5)))
    assert again == [[germany, france, america]] * 5
    assert len(taken) == 1
    for writer in taken:
        writer.close()
