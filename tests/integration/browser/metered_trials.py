"""The traffic of a browser to a site in another network, counted by the meter and on the wire."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from fyke.contracts.egress import EgressGrant
from fyke.egress.local import LocalEgress
from integration.browser.browsers import browser_setup, open_page
from support.authority import make_certificate
from support.captured_site import SIZES
from support.captured_trials import far_process
from support.cdp import Cdp
from support.egress import ATTEMPT, SECRET, listener, until
from support.internal_addresses import PUBLIC
from support.packets import Capture

PORT, TLS_PORT = 8000, 8443
EXPECTED = 2 * (sum(SIZES) + 7 * len(SIZES))  # bytes of answers that the page reads


async def metered(folder: Path, program: str) -> dict[str, Any]:
    make_certificate(folder / "site.pem", folder / "site.key", [PUBLIC])
    origin = await far_process(
        "support.captured_site", PUBLIC, str(PORT), str(TLS_PORT), str(folder)
    )
    assert origin.stdin is not None and origin.stdout is not None
    capture, egress, own = Capture("near"), LocalEgress(), listener()
    await egress.open([own], EgressGrant(ATTEMPT, SECRET, ""))
    async with browser_setup("launcher", program) as setup:
        found = await setup.open()
        await egress.add_listener(ATTEMPT, found.sandbox.proxy, passwordless=True)
        arguments = ["--ignore-certificate-errors"]
        cdp = await found.connect(await found.start(program=program, arguments=arguments))
        title = await _read(cdp)
        await found.close()  # its connections end
    metered = await egress.close(ATTEMPT)

    def on_wire() -> list[int]:
        ports = PORT, TLS_PORT
        up = sum(capture.payload(to_port=port) for port in ports)
        return [up, sum(capture.payload(from_port=port) for port in ports)]

    with suppress(TimeoutError):  # packets are captured later than bytes are received
        await until(lambda: on_wire() >= [metered.up, metered.down])
    origin.stdin.close()
    accepted = int(await origin.stdout.read())
    await origin.wait()
    result = {
        "title": title,
        "expected": f"read {EXPECTED}",
        "connections": [metered.connections, accepted],
        "metered": [metered.up, metered.down],
        "wire": on_wire(),
        "dropped": capture.dropped(),
    }
    capture.close()
    await egress.stop()
    own.close()
    return result


async def _read(cdp: Cdp) -> str:
    """Open the page and wait until it has read everything."""
    session = await open_page(cdp, f"http://{PUBLIC}:{PORT}/")
    async with asyncio.timeout(60):
        while True:
            title = str(await cdp.evaluate(session, "document.title"))
            if title != "loading":
                return title
            await asyncio.sleep(0.05)
