"""Random packets from the accepted client to the launcher of root."""

from __future__ import annotations

import json
import os
import random
import socket

import pytest

from integration.sandbox.sandboxes import MIB, ROOT, SERVICE_UID, data_folder, launched

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not ROOT, reason="the launcher is a program of root"),
    pytest.mark.needs("bwrap"),
]
OPERATIONS = ("open", "wait", "usage", "cpu", "terminate", "kill", "close", "limits", "exec", "")
VALUES = (
    None, True, -1, 0, 2**63, 2**2000, 0.5, 1e308, float("nan"), float("inf"), "", "A", "..", "/",
    "\0", "A" * 5000, "\ud800", "/etc", "/proc/self/root", [], {}, ["A"], {"A": 1}, [[[[]]]],
)  # fmt: skip


def order(home: str) -> dict[str, object]:
    """An order that is valid except for a missing bundle, so no sandbox is opened."""
    return {
        "id": 1, "op": "open", "name": "A-1", "kind": "python", "environment": None, "cpus": 1,
        "bundle": f"{home}/cache/bundles/none", "memory": 64 * MIB, "processes": 32,
        "tmp_size": 16 * MIB, "work_size": 16 * MIB,
    }  # fmt: skip


def packet(dice: random.Random, home: str) -> bytes:
    message = order(home)
    for _ in range(dice.randrange(4)):
        message[dice.choice([*message, "living", "strange"])] = dice.choice(VALUES)
    if dice.random() < 0.5:
        message["op"] = dice.choice(OPERATIONS)
    data = json.dumps(message).encode()
    if dice.random() < 0.3:
        at = dice.randrange(len(data))
        data = data[:at] + dice.randbytes(dice.randrange(6)) + data[at + dice.randrange(6) :]
    return data or b"{"


def connection(home: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(20)
    os.setegid(SERVICE_UID)
    os.seteuid(SERVICE_UID)
    try:
        sock.connect(f"{home}/run/launcher.sock")
    finally:
        os.seteuid(0)
        os.setegid(0)
    return sock


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.long)])
async def test_no_packet_crashes_the_launcher_or_opens_a_sandbox(count: int) -> None:
    dice = random.Random(count)
    with data_folder() as home:
        async with launched(home) as setup:
            launcher = setup.launcher
            assert launcher is not None
            folder, refused = f"/proc/{launcher.pid}/fd", 0
            with connection(str(home)) as sock:
                await setup.spawner.limits()
                sock.send(b"{}")
                sock.recv(65_536)
                before = len(os.listdir(folder))
                for _ in range(count):
                    descriptors = [0] * dice.choice((0, 0, 0, 3))
                    socket.send_fds(sock, [packet(dice, str(home))], descriptors)
                    answer = json.loads(sock.recv(65_536))
                    refused += "error" in answer
                    assert "error" in answer or isinstance(answer["result"], list)
                assert len(os.listdir(folder)) == before
            assert count * 0.8 < refused < count
            assert os.listdir(setup.work) == []
            assert launcher.poll() is None
            assert (await setup.spawner.limits())[0] in ("v1", "v2", "none")
