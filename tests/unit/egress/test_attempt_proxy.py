"""What one attempt's proxy does to its connections and listeners."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from fyke.egress.actions import Credentials
from fyke.egress.attempt_proxy import OWN_NAMES, AttemptProxy
from fyke.egress.dialer import Dialer
from fyke.egress.limits import ProxyLimits
from fyke.egress.meter import DOWN, Meter
from fyke.egress.rules import LookupPace, TargetRules
from fyke.egress.site_counters import SiteCounters
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from support.egress import connect, listener, port_of

pytestmark = pytest.mark.anyio


class Connection:
    """What was asked of an open connection."""

    def __init__(self) -> None:
        self.quiet = 0
        self.asked: list[object] = []

    def end(self, grace: float) -> None:
        self.asked.append(grace)

    def abort(self) -> None:
        self.asked.append("abort")


class Setup:
    def __init__(self, limit: int | None = None) -> None:
        self.trips = 0
        self.throttled: list[str] = []
        rules = TargetRules(AddressRules(), Resolver(lambda name: ()), LookupPace())
        self.proxy = AttemptProxy(
            Credentials("A", "secret"),
            Meter(limit),
            SiteCounters(),
            Dialer(rules, None, 1.0),
            ProxyLimits(trip_grace=0.5),
            self._trip,
            self.throttled.append,
        )
        self.connections = [Connection(), Connection()]
        self.proxy.connections.update(self.connections)

    def _trip(self) -> None:
        self.trips += 1


def test_at_the_limit_each_connection_may_send_the_rest_and_it_is_reported_once() -> None:
    setup = Setup()
    setup.proxy.trip()
    setup.proxy.trip()
    assert [one.asked for one in setup.connections] == [[0.5, 0.5]] * 2
    assert setup.trips == 1


def test_it_is_shut_once_the_limit_is_used_up_or_it_was_stopped() -> None:
    setup = Setup(limit=10)
    assert (setup.proxy.meter.take(10, DOWN), setup.proxy.shut) == (10, False)
    assert (setup.proxy.meter.take(1, DOWN), setup.proxy.shut) == (0, True)
    other = Setup()
    other.proxy.stop(final=False)
    assert other.proxy.shut
    assert [one.asked for one in other.connections] == [["abort"]] * 2


def test_only_connections_that_were_quiet_for_too_long_are_cut() -> None:
    setup = Setup()
    quiet, busy = setup.connections
    for _ in range(3):
        setup.proxy.sweep(3)
        busy.quiet = 0  # a byte has passed
    assert (quiet.asked, busy.asked) == ([], [])
    setup.proxy.sweep(3)
    assert (quiet.asked, busy.asked) == (["abort"], [])


def test_each_throttled_site_is_reported_once_and_no_more_than_ten() -> None:
    setup = Setup()
    for _ in range(2):
        for number in range(12):
            setup.proxy.report_throttled(f"site{number}", f"why {number}")
    assert setup.throttled == [f"why {number}" for number in range(10)]


async def test_its_own_endpoints_are_known_by_address_and_by_every_name(tmp_path: Path) -> None:
    setup = Setup()
    sock, unix = listener(), socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "sock"))
    for each in (sock, unix):
        await setup.proxy.listen(each, lambda _proxy: asyncio.Protocol())
    port = port_of(sock)
    assert setup.proxy.endpoints == {(name, port) for name in ("127.0.0.1", *OWN_NAMES)}
    setup.proxy.stop(final=True)


@pytest.mark.parametrize("final", [True, False])
async def test_only_a_final_stop_ends_the_listeners_that_other_processes_have_too(
    final: bool,
) -> None:
    setup, sock = Setup(), listener()
    copy = sock.dup()
    port = port_of(sock)
    await setup.proxy.listen(sock, lambda _proxy: asyncio.Protocol())
    setup.proxy.stop(final=final)
    with copy:
        if final:
            with pytest.raises(ConnectionRefusedError):
                await connect(port)
        else:
            _, writer = await connect(port)
            writer.close()
