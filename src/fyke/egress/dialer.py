"""Connects to a requested target: checks it, resolves it once, dials only checked addresses."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass

from fyke.egress.actions import ProxyRefusal
from fyke.egress.pools import Pool, PoolSession
from fyke.egress.rules import Target, TargetRefused, TargetRules
from fyke.egress.upstream import UpstreamFailed

_BY_ERRNO = {
    errno.ECONNREFUSED: ProxyRefusal.CONNECTION_REFUSED,
    errno.ENETUNREACH: ProxyRefusal.NETWORK_UNREACHABLE,
    errno.EHOSTUNREACH: ProxyRefusal.HOST_UNREACHABLE,
    errno.ETIMEDOUT: ProxyRefusal.TIMED_OUT,
}

ProtocolFactory = Callable[[bytes], asyncio.BaseProtocol]  # takes the first bytes


@dataclass(frozen=True, slots=True)
class Dialer:
    """How one attempt reaches its targets: directly, or through its region's proxy."""

    rules: TargetRules
    pool: Pool | None
    seconds: float

    async def connect(
        self, target: Target, session: PoolSession, protocol: ProtocolFactory
    ) -> None:
        """Connect to an admitted target, with ``protocol`` on the connection.

        Raise ``TargetRefused``.
        """
        hosts = await self._hosts(target)
        try:
            async with asyncio.timeout(self.seconds):
                await self._connect_first(hosts, target, session, protocol)
        except TimeoutError as error:
            raise _refused(ProxyRefusal.TIMED_OUT, target) from error

    async def _hosts(self, target: Target) -> list[str]:
        if self.pool is not None and self.pool.resolves:
            name = self.rules.remote_name(target)
            if name is not None:
                return [name]
        return await self.rules.addresses(target)

    async def _connect_first(
        self, hosts: list[str], target: Target, session: PoolSession, protocol: ProtocolFactory
    ) -> None:
        """Try the addresses in order, each for an equal share of the time."""
        refusal = ProxyRefusal.HOST_UNREACHABLE
        for host in hosts:
            try:
                async with asyncio.timeout(self.seconds / len(hosts)):
                    await self._connect_to(host, target.port, session, protocol)
                return
            except UpstreamFailed as error:
                raise TargetRefused(ProxyRefusal.UPSTREAM_FAILED, str(error)) from error
            except TimeoutError:
                refusal = ProxyRefusal.TIMED_OUT
            except OSError as error:
                refusal = _BY_ERRNO.get(error.errno or 0, ProxyRefusal.HOST_UNREACHABLE)
        raise _refused(refusal, target)

    async def _connect_to(
        self, host: str, port: int, session: PoolSession, protocol: ProtocolFactory
    ) -> None:
        loop = asyncio.get_running_loop()
        if self.pool is None:
            await loop.create_connection(lambda: protocol(b""), host, port)
            return
        sock, early = await self.pool.connect(host, port, session)
        await loop.create_connection(lambda: protocol(early), sock=sock)


def _refused(refusal: ProxyRefusal, target: Target) -> TargetRefused:
    return TargetRefused(refusal, f"{target.host} port {target.port}: {refusal.value}")
