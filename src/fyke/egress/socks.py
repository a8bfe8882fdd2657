"""SOCKS5 with user name and password (RFC 1928, RFC 1929), as a state machine without sockets.

Only CONNECT is supported. BIND and UDP ASSOCIATE are answered with code 7, because the meter could
not count their traffic. Names are resolved here, never by the client.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from fyke.egress.actions import Connected, Credentials, Dial, HangUp, ProxyRefusal, Send, Step

VERSION = 5
_METHOD_PASSWORD = 2
_NO_METHOD = b"\x05\xff"
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4

_GENERAL_FAILURE, _NOT_ALLOWED, _BAD_COMMAND, _BAD_ADDRESS_TYPE = 1, 2, 7, 8
_CODES = {
    ProxyRefusal.FORBIDDEN: _NOT_ALLOWED,
    ProxyRefusal.UNRESOLVABLE: 4,
    ProxyRefusal.CONNECTION_REFUSED: 5,
    ProxyRefusal.NETWORK_UNREACHABLE: 3,
    ProxyRefusal.HOST_UNREACHABLE: 4,
    ProxyRefusal.TIMED_OUT: 4,
    ProxyRefusal.THROTTLED: _GENERAL_FAILURE,
    ProxyRefusal.UPSTREAM_FAILED: _GENERAL_FAILURE,
}


def _reply(code: int) -> bytes:
    """A reply with an empty bound address: ours must not be revealed, and no client uses it."""
    return bytes((VERSION, code, 0, _IPV4, 0, 0, 0, 0, 0, 0))


class SocksHandshake:
    """Greeting, password, request."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self.session = ""
        self._buffer = b""
        self._read = self._greeting

    def feed(self, data: bytes) -> list[Step]:
        self._buffer += data
        steps: list[Step] = []
        while self._buffer and (step := self._read()) is not None:
            steps.append(step)
            if not isinstance(step, Send):
                break
        return steps

    def connected(self) -> Connected:
        return Connected(to_client=_reply(0), to_target=self._buffer)

    def refused(self, refusal: ProxyRefusal, reason: str) -> bytes:
        return _reply(_CODES[refusal])

    def outgoing(self, data: bytes) -> tuple[bytes, bool]:
        return data, False

    # one method for each part; None means that more bytes are needed

    def _greeting(self) -> Step | None:
        buffer = self._buffer
        if buffer[0] != VERSION:
            return HangUp(b"")
        if len(buffer) < 2 or len(buffer) < 2 + buffer[1]:
            return None
        end = 2 + buffer[1]
        self._buffer = buffer[end:]
        if _METHOD_PASSWORD not in buffer[2:end]:
            return HangUp(_NO_METHOD, denied=True)
        self._read = self._password
        return Send(bytes((VERSION, _METHOD_PASSWORD)))

    def _password(self) -> Step | None:
        buffer = self._buffer
        if buffer[0] != 1:
            return HangUp(b"\x01\x01")
        if len(buffer) < 2 or len(buffer) < 3 + buffer[1]:
            return None
        name_end = 2 + buffer[1]
        end = name_end + 1 + buffer[name_end]
        if len(buffer) < end:
            return None
        self._buffer = buffer[end:]
        if not self._credentials.admit(buffer[2:name_end], buffer[name_end + 1 : end]):
            return HangUp(b"\x01\x01", denied=True)
        self.session = self._credentials.session(buffer[2:name_end])
        self._read = self._request
        return Send(b"\x01\x00")

    def _request(self) -> Step | None:
        buffer = self._buffer
        if buffer[0] != VERSION:
            return HangUp(_reply(_GENERAL_FAILURE))
        if len(buffer) < 5:
            return None
        if buffer[1] != _CONNECT:
            return HangUp(_reply(_BAD_COMMAND), denied=True)
        start, size = (
            (5, buffer[4]) if buffer[3] == _NAME else (4, {_IPV4: 4, _IPV6: 16}.get(buffer[3], 0))
        )
        if size == 0:
            return HangUp(_reply(_BAD_ADDRESS_TYPE))
        end = start + size
        if len(buffer) < end + 2:
            return None
        raw = buffer[start:end]
        self._buffer = buffer[end + 2 :]
        return Dial(_host(buffer[3], raw), int.from_bytes(buffer[end : end + 2], "big"))


def _host(kind: int, raw: bytes) -> bytes:
    if kind == _IPV4:
        return str(IPv4Address(raw)).encode()
    if kind == _IPV6:
        return str(IPv6Address(raw)).encode()
    return raw
