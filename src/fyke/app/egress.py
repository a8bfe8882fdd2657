"""The role egress: the proxy."""

from __future__ import annotations

import asyncio
import signal

from fyke.egress.process import serve_egress as serve_egress_process
from fyke.kit.addresses import AddressRules
from fyke.kit.interfaces import own_addresses
from fyke.settings import Settings


async def serve_egress(settings: Settings) -> None:
    """The proxy, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    serving = asyncio.create_task(
        serve_egress_process(
            settings.egress_socket,
            AddressRules(settings.egress_allow, own_addresses()),
            settings.egress_upstreams,
        )
    )
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in (serving, waiting):
        task.cancel()
    await asyncio.gather(serving, waiting, return_exceptions=True)
