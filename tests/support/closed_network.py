"""An isolated network in which every address leads to this process.

    python -m support.closed_network TRIAL '{"...": ...}'

Run by ``closed`` under ``unshare``: the trial has only a loopback interface, every address of IPv4
and IPv6 is local, and the name server is ``127.0.0.53``. So every connection reaches a listener of
this process, which records the dialled address. The trial's result is printed as JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

NAMES_AT = "127.0.0.53"
OWN = ("8.8.4.4", "2606:4700:4700::1001")  # public addresses of the machine in that network
_INSIDE = ["unshare", "--map-root-user", "--net", "--mount", "--kill-child", "--"]


@cache
def missing() -> str:
    """Return the reason why such a network cannot be created here, "" when it can."""
    if not shutil.which("unshare") or not shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin"):
        return "needs unshare and ip"
    result = subprocess.run([*_INSIDE[:-2], "true"], capture_output=True, text=True)
    return f"no separate network: {result.stderr.strip()}" if result.returncode else ""


def closed(trial: str, timeout: float = 110, *, own_users: bool = True, **options: object) -> Any:
    """Run the function ``trial`` (``module:name``) in a closed network; return its result.

    Without ``own_users``, which only root can ask for, the trial has the users of the machine, as
    sandboxes need them.
    """
    if missing():
        pytest.skip(missing())
    inside = [word for word in _INSIDE if own_users or word != "--map-root-user"]
    command = [*inside, sys.executable, "-m", "support.closed_network", trial, json.dumps(options)]
    path = os.pathsep.join(sys.path)
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])  # behind the lines of logs


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})


def _set_up(folder: Path) -> None:
    _ip("link", "set", "lo", "up")
    _ip("route", "add", "local", "0.0.0.0/0", "dev", "lo")
    _ip("-6", "route", "add", "local", "::/0", "dev", "lo")
    for address in OWN:
        _ip("addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo")
    servers = folder / "resolv.conf"
    servers.write_text(f"nameserver {NAMES_AT}\noptions timeout:2 attempts:2\n")
    place = Path("/etc/resolv.conf").resolve()
    subprocess.run(["mount", "--bind", str(servers), str(place)], check=True)


class Canary:
    """Listens on some ports of every address and records the dialled addresses.

    ``redirects`` maps paths to the ``Location`` of a redirect.
    """

    def __init__(self, *ports: int) -> None:
        self.ports = ports
        self.dialled: list[str] = []
        self.redirects: dict[str, str] = {}
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        for port in self.ports:
            sock = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
            self._servers.append(await asyncio.start_server(self._called, sock=sock))

    def dialled_except(self, *public: str) -> list[str]:
        """The dialled addresses except these."""
        return [address for address in self.dialled if address not in public]

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0].removeprefix("::ffff:")
        self.dialled.append(address)
        try:
            async with asyncio.timeout(2):
                head = await reader.readuntil(b"\r\n\r\n")
            location = self.redirects.get(head.split()[1].decode("latin-1"))
            status = f"302 Found\r\nLocation: {location}" if location else "200 OK"
            ends = "Content-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(f"HTTP/1.1 {status}\r\n{ends}".encode("latin-1"))
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    with tempfile.TemporaryDirectory() as folder:
        _set_up(Path(folder))
        trial = getattr(importlib.import_module(module), name)
        print(json.dumps(asyncio.run(trial(Path(folder), **json.loads(sys.argv[2])))))


if __name__ == "__main__":
    main()
