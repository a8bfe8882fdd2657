"""Every way out that we know is tried from inside, against canaries on the machine."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.kit.ids import new_ulid
from fyke.sandbox import syscalls
from integration.sandbox.boxes import MIB, SPAWNERS, Site, drain, line, site

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]

PROBE = Path(__file__).with_name("probe.py")
LEAST_PROBES = 100


@pytest.fixture(params=SPAWNERS)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async with site(request.param) as made:
        yield made


def numbers() -> dict[str, int]:
    machine = platform.machine()
    return syscalls.allowed(machine) | syscalls.denied(machine) | syscalls.checked(machine)


@contextlib.contextmanager
def canaries(place: Site) -> Iterator[tuple[dict[str, Any], list[socket.socket]]]:
    """A port on every address, an abstract name, a socket and a file that everybody may use."""
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.socket(socket.AF_INET6))
        tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        tcp.bind(("::", 0))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        name = f"fyke-canary-{new_ulid()}"
        abstract.bind("\0" + name)
        path = stack.enter_context(socket.socket(socket.AF_UNIX))
        path.bind(str(place.home / "canary.sock"))
        (place.home / "canary.sock").chmod(0o777)
        file = place.home / "canary.txt"
        file.write_text("seen")
        file.chmod(0o666)
        servers = [tcp, abstract, path]
        for server in servers:
            server.listen(8)
        targets = {
            "port": tcp.getsockname()[1],
            "abstract": name,
            "socket": str(place.home / "canary.sock"),
            "pid": os.getpid(),
            "home": str(place.home),
            "paths": [str(file), str(place.home), str(place.work)],
            "addresses": own_addresses(),
        }
        yield targets, servers
        assert file.read_text() == "seen"


def own_addresses() -> list[str]:
    """An address of this machine that is not loopback, if it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            any_socket.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [any_socket.getsockname()[0]]


async def test_nothing_gets_out(place: Site) -> None:
    with canaries(place) as (targets, servers):
        box = await place.open({"main.py": PROBE.read_text()}, memory=256 * MIB)
        await box.launch(
            {"PROBE_TARGETS": json.dumps(targets), "PROBE_CALLS": json.dumps(numbers())}
        )
        out, err = await drain(box)
        assert out, err
        results = json.loads(out)
        assert len(results) >= LEAST_PROBES
        assert len({name for name, _, _ in results}) == len(results)
        got_out = [f"{name}: {met}" for name, met, refusals in results if met not in refusals]
        assert not got_out, "\n".join(got_out)
        assert select.select(servers, [], [], 0)[0] == [], "a canary was touched"


async def test_canaries_sing_when_touched(place: Site) -> None:
    """The other test would prove nothing if its canaries could not be reached from outside."""
    with canaries(place) as (targets, servers):
        for address in ("127.0.0.1", *targets["addresses"]):
            socket.create_connection((address, targets["port"]), 5).close()
        for name in ("\0" + targets["abstract"], targets["socket"]):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(name)
        assert len(select.select(servers, [], [], 5)[0]) == 3
        assert Path(targets["paths"][0]).read_text() == "seen"


async def test_boxes_do_not_see_each_other(place: Site) -> None:
    victim_code = """
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 4444)); s.listen()
a = socket.socket(socket.AF_UNIX); a.bind("\\0other-box"); a.listen()
open("secret", "w").write("mine"); open("/tmp/secret", "w").write("mine")
import os; os.chmod("/work", 0o777)
print("up", flush=True)
time.sleep(600)
"""
    name = new_ulid()
    victim = await place.open(victim_code, name=name)
    await victim.launch({})
    await line(victim)
    code = f"""
import os, socket
def met(f):
    try: return f()
    except OSError as e: return type(e).__name__
print(met(lambda: socket.create_connection(("127.0.0.1", 4444), 3)))
print(met(lambda: socket.socket(socket.AF_UNIX).connect("\\0other-box")))
print(os.path.exists("/work/secret"), os.path.exists("/tmp/secret"))
print(met(lambda: os.listdir({str(place.work / name)!r})))
print([p for p in os.listdir("/proc") if p.isdigit()] == ["1", "2"])
"""
    out, err, _ = await place.run(code)
    assert out.split() == [
        *("ConnectionRefusedError", "ConnectionRefusedError", "False", "False"),
        *("FileNotFoundError", "True"),
    ], err
