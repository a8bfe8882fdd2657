"""Messages of a broken runner to the egress process, with descriptors of any kind."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import socket

import pytest

from fyke.egress import meter
from fyke.egress import site_counters as sites
from fyke.egress.control import ControlSession
from fyke.egress.messages import (
    CheckProxies,
    OpenAttempt,
    ProxiesChecked,
    decode_reply,
    encode,
)
from fyke.egress.proxy import Proxy
from fyke.kit.addresses import AddressRules
from fyke.kit.channel import MAX_DESCRIPTORS
from fyke.kit.requests import RequestDone
from support.egress import listener, until

pytestmark = pytest.mark.anyio

OPEN = json.loads(encode(OpenAttempt(1, "A", "s", "", (), None, None, "", False, False)))
CHECK = json.loads(encode(CheckProxies(4)))
CLOSE = {"type": "close", "seq": 2, "attempt_id": "A"}
BROWSER = {"type": "refuse_browser", "seq": 3, "attempt_id": "A"}
VALUES = (None, "", "A", "B" * 3000, -1, 2**70, 1e308, [], ["127.0.0.0/8"], ["x" * 50], {}, "\0")


def make_counters() -> int:
    return meter.make_shared(sites.SHARED_SIZE)


def descriptors(dice: random.Random) -> list[int]:
    """Valid and invalid descriptors; the caller closes them."""
    makers = (
        make_counters,
        lambda: listener().detach(),
        lambda: os.open("/dev/null", os.O_RDWR),
        lambda: os.open("/", os.O_RDONLY),
        lambda: os.memfd_create("empty"),
        lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).detach(),
    )
    if dice.random() < 0.4:
        return [make_counters(), listener().detach()]
    return [dice.choice(makers)() for _ in range(dice.randrange(4))]


def packet(dice: random.Random) -> bytes:
    message: dict[str, object] = dict(dice.choice((OPEN, CLOSE, BROWSER, CHECK)))
    if dice.random() < 0.5:
        message[dice.choice([*message, "strange"])] = dice.choice(VALUES)
    data = json.dumps(message).encode()
    if dice.random() < 0.2:
        at = dice.randrange(len(data))
        data = data[:at] + dice.randbytes(dice.randrange(5)) + data[at + dice.randrange(5) :]
    return data or b"x"


class Runner:
    """The other end of a session: sends requests and counts the answers."""

    def __init__(self, proxy: Proxy) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for sock in (self._sock, theirs):
            sock.setblocking(False)
        self.ended = asyncio.Event()
        self.session = ControlSession(theirs, proxy, lambda _: self.ended.set())

    async def send(self, data: bytes, sent_descriptors: list[int]) -> bool:
        """Send a message; return whether it was answered, False when the connection was closed."""
        loop = asyncio.get_running_loop()
        socket.send_fds(self._sock, [data], sent_descriptors)
        async with asyncio.timeout(10):
            while answer := await loop.sock_recv(self._sock, 65_536):
                if isinstance(decode_reply(answer), RequestDone | ProxiesChecked):
                    return True
        return False

    async def close(self) -> None:
        self._sock.close()
        self.session.close()
        async with asyncio.timeout(10):
            await self.ended.wait()


def open_descriptors() -> int:
    gc.collect()  # the memory of the counters has a descriptor
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.long)])
async def test_no_message_crashes_the_process_or_leaks_a_descriptor(count: int) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    dice, proxy = random.Random(count), Proxy(AddressRules(), {})
    runner, disconnects = Runner(proxy), 0
    await runner.send(b"{}", [])
    await runner.close()
    before = open_descriptors()
    runner = Runner(proxy)
    for _ in range(count):
        sent_descriptors = descriptors(dice)
        try:
            answered = await runner.send(packet(dice), sent_descriptors)
        except (BrokenPipeError, ConnectionResetError):
            answered = False
        finally:
            for descriptor in sent_descriptors:
                os.close(descriptor)
        if not answered:
            disconnects += 1
            await runner.close()
            runner = Runner(proxy)
    await runner.close()
    await until(lambda: open_descriptors() == before)
    assert 0 < disconnects < count
    assert failures == []
    runner = Runner(proxy)
    sent_descriptors = [make_counters(), listener().detach()]
    assert await runner.send(json.dumps(OPEN).encode(), sent_descriptors)
    for descriptor in sent_descriptors:
        os.close(descriptor)
    assert list(proxy._attempts) == ["A"]
    await runner.close()
    await proxy.stop()


async def test_a_packet_with_too_many_descriptors_is_refused() -> None:
    proxy = Proxy(AddressRules(), {})
    runner = Runner(proxy)
    before = open_descriptors()
    sent_descriptors = [os.open("/dev/null", os.O_RDONLY) for _ in range(MAX_DESCRIPTORS + 3)]
    assert not await runner.send(json.dumps(OPEN).encode(), sent_descriptors)
    for descriptor in sent_descriptors:
        os.close(descriptor)
    await runner.close()
    assert open_descriptors() <= before
    await proxy.stop()
