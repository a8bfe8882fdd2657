"""One POST to a user's server, with limits against hostile receivers.

The name is resolved once, all its addresses are checked, and only a checked one is dialled; TLS and
the Host header use the name. Of the response only the status and the start of the body are kept. No
redirect is followed and nothing is decompressed. HTTP/1.1 is written here, because no client
library allows choosing the address to dial and when to stop reading.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import ssl
from contextlib import suppress
from functools import cached_property

from fyke.contracts.delivery import DeliveryStep, ReceiverResponse
from fyke.domain.callbacks.url import CallbackRules, CallbackUrl, refused_receiver
from fyke.errors import InvalidRequest
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver, Unresolvable
from fyke.notify.host_limiter import HostRateLimiter
from fyke.notify.response import KEPT_BYTES, response_start, retry_after
from fyke.notify.trace import Trace

TOTAL_SECONDS = 15.0
CONNECT_SECONDS = 5.0
QUEUE_SECONDS = 5.0  # of the total, for waiting until a busy host is free
DRAIN_SECONDS = 1.0  # for the body, after the status
MAX_READ = 64 * 1024
_MAX_ADDRESSES = 4
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: |$)")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Failed(Exception):
    """The request failed; the message is for the owner of the URL and contains nothing internal."""


class HttpNotifier:
    """Implements ``contracts.Notifier`` and ``contracts.Prober``. ``close`` it at the end.

    ``addresses`` are the rules for targets, which may change in between; ``context`` is for TLS,
    None for the system's authorities.
    """

    def __init__(
        self,
        addresses: AddressRules | CallbackRules,
        *,
        resolver: Resolver | None = None,
        context: ssl.SSLContext | None = None,
        limiter: HostRateLimiter | None = None,
    ) -> None:
        if isinstance(addresses, AddressRules):
            addresses = CallbackRules(addresses)
        self._rules = addresses
        self._resolver = resolver or Resolver(keep=0)
        self._given_context = context
        self._limiter = limiter or HostRateLimiter()

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """Made for the first receiver with TLS, because the authorities take 1 MiB."""
        return self._given_context or ssl.create_default_context()

    def close(self) -> None:
        """End the resolver's threads."""
        self._resolver.close()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        return await self._send(url, body, headers, Trace())

    async def probe(
        self, url: str, body: bytes, headers: dict[str, str]
    ) -> tuple[ReceiverResponse, list[DeliveryStep]]:
        trace = Trace()
        answer = await self._send(url, body, headers, trace)
        if answer.error:
            trace.fail(answer.error)
        return answer, trace.steps

    async def _send(
        self, url: str, body: bytes, headers: dict[str, str], trace: Trace
    ) -> ReceiverResponse:
        try:
            parts = self._rules.check(url)
            request = _request(parts, body, headers)
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._deliver(parts, request, trace)
        except InvalidRequest as error:
            return ReceiverResponse(0, error.message)
        except _Failed as error:
            return ReceiverResponse(0, str(error))
        except TimeoutError:
            return ReceiverResponse(0, f"no answer within {TOTAL_SECONDS:.0f} s")

    async def _deliver(self, parts: CallbackUrl, request: bytes, trace: Trace) -> ReceiverResponse:
        addresses = await self._resolve(parts)
        trace.done("resolve", ", ".join(addresses))
        keys = [(str(parts.host), parts.port), (addresses[0], parts.port)]
        admitted = False
        try:
            async with self._limiter.enter(keys, QUEUE_SECONDS):
                admitted = True
                return await self._exchange(parts, addresses, request, trace)
        except TimeoutError:
            if admitted:
                raise
            return ReceiverResponse(0, "too many callbacks to this host are waiting", sent=False)

    async def _resolve(self, parts: CallbackUrl) -> list[str]:
        answers: tuple[str, ...] = ()
        if isinstance(parts.host, str):
            with suppress(Unresolvable):
                answers = await self._resolver.resolve(parts.host)
        else:
            answers = (str(parts.host),)
        public = await self._rules.select(parts.host, answers, parts.port)
        if not public:
            raise _Failed(refused_receiver(parts.host))
        return public[:_MAX_ADDRESSES]

    async def _exchange(
        self, parts: CallbackUrl, addresses: list[str], request: bytes, trace: Trace
    ) -> ReceiverResponse:
        reader, writer = await self._connect(parts, addresses, trace)
        try:
            writer.write(request)
            trace.done("send", f"{len(request)} bytes")
            status, head = await _read_status(reader)
            trace.done("answer", f"HTTP {status}")
            rest = bytearray()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await _drain(reader, rest)
            reply = response_start(head, bytes(rest))
            return ReceiverResponse(
                status, reply=reply, retry_after=retry_after(status, head, reply)
            )
        except (OSError, asyncio.IncompleteReadError) as error:
            raise _Failed("the connection broke before an answer came") from error
        finally:
            writer.transport.abort()

    async def _connect(self, parts: CallbackUrl, addresses: list[str], trace: Trace) -> Streams:
        failure = "cannot connect"
        tls = " with TLS" if parts.secure else ""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                for address in addresses:
                    try:
                        streams = await self._dial(parts, address)
                        trace.done("connect", f"{address} port {parts.port}{tls}")
                        return streams
                    except ssl.SSLCertVerificationError as error:
                        raise _Failed(f"TLS: {error.verify_message}") from error
                    except ssl.SSLError as error:
                        raise _Failed("TLS: the handshake failed") from error
                    except OSError as error:
                        failure = f"cannot connect: {os.strerror(error.errno or errno.EIO)}"
        except TimeoutError as error:
            raise _Failed(f"no connection within {CONNECT_SECONDS:.0f} s") from error
        raise _Failed(failure)

    async def _dial(self, parts: CallbackUrl, address: str) -> Streams:
        if not parts.secure:
            return await asyncio.open_connection(address, parts.port, limit=MAX_READ)
        return await asyncio.open_connection(
            address,
            parts.port,
            limit=MAX_READ,
            ssl=self._context,
            server_hostname=str(parts.host),
        )


def _request(parts: CallbackUrl, body: bytes, headers: dict[str, str]) -> bytes:
    """Return the request. Raise ``ValueError`` for a header with invalid characters."""
    lines = [
        f"POST {parts.target} HTTP/1.1",
        f"Host: {parts.authority}",
        "User-Agent: Fyke",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} cannot be sent")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def _read_status(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read heads up to the final one, at most ``MAX_READ`` bytes; return its status and text."""
    remaining = MAX_READ
    while remaining > 0:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise _Failed(f"the answer's head is larger than {MAX_READ} bytes") from error
        remaining -= len(head)
        match = _STATUS.match(head.partition(b"\r\n")[0])
        if match is None:
            raise _Failed("the answer is not HTTP/1.1")
        status = int(match[1])
        if status == 101:
            raise _Failed("the answer asks for another protocol")
        if status >= 200:
            return status, head
    raise _Failed(f"the answer's head is larger than {MAX_READ} bytes")


async def _drain(reader: asyncio.StreamReader, start: bytearray) -> None:
    """Read the body, so that an honest receiver does not see a broken connection. Append its first
    ``KEPT_BYTES`` to ``start``.
    """
    remaining = MAX_READ
    while remaining > 0 and (data := await reader.read(min(remaining, 8192))):
        remaining -= len(data)
        start += data[: max(0, KEPT_BYTES - len(start))]
