"""The gateway in a process of its own, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fyke.browser.client import GatewayClient

_PROGRAM = """
import asyncio, sys
from pathlib import Path
from fyke.browser.process import serve_gateway
path = Path(sys.argv[1])
asyncio.run(serve_gateway(path, view_path=path.with_name("browser-view.sock")))
"""


class GatewayProcess:
    """A process that serves a gateway at ``path``, and live views beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(self.path)],
            env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@asynccontextmanager
async def gateway_and_client(folder: Path) -> AsyncIterator[tuple[GatewayClient, GatewayProcess]]:
    process = GatewayProcess(folder / "run" / "browser.sock")
    process.start()
    client = GatewayClient(process.path, timeout=60)
    await client.start()
    try:
        yield client, process
    finally:
        await client.stop()
        process.kill()
