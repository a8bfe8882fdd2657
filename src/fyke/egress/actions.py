"""The steps that a handshake returns, and the reasons for refusing a target.

A handshake is fed bytes and returns steps. After a ``Dial`` it buffers the client's bytes and waits
for ``connected`` or ``refused``.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

_SESSION = re.compile(rb"[-;]session[-=]([A-Za-z0-9_.]{1,64})(?=[-;]|$)")
MAX_HEAD = 64 * 1024  # bytes of a request head


class ProxyRefusal(Enum):
    """Why a target is not reached."""

    FORBIDDEN = "forbidden"  # by our rules
    UNRESOLVABLE = "unresolvable"
    CONNECTION_REFUSED = "connection refused"
    NETWORK_UNREACHABLE = "network unreachable"
    HOST_UNREACHABLE = "host unreachable"
    TIMED_OUT = "timed out"
    THROTTLED = "the site is being throttled"
    UPSTREAM_FAILED = "the proxy of this region failed"


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the client; the handshake continues."""

    data: bytes


@dataclass(frozen=True, slots=True)
class HangUp:
    """Last bytes for the client, then the connection ends. ``denied``: refused by our rules."""

    data: bytes
    denied: bool = False


@dataclass(frozen=True, slots=True)
class Dial:
    """The target of the client; the host is as the client wrote it, unchecked."""

    host: bytes
    port: int


Step = Send | HangUp | Dial


@dataclass(frozen=True, slots=True)
class Connected:
    """The first bytes for each side once the target is connected."""

    to_client: bytes
    to_target: bytes


class Handshake(Protocol):
    """The exchange of one protocol up to the target. ``session`` is the value of that option in the
    client's user name, or "".
    """

    session: str

    def feed(self, data: bytes) -> list[Step]:
        """Take bytes of the client. ``HangUp`` and ``Dial`` are the last step."""
        ...

    def connected(self) -> Connected: ...

    def refused(self, refusal: ProxyRefusal, reason: str) -> bytes:
        """The protocol's reply for a target that is not reached; ``reason`` is one line."""
        ...

    def outgoing(self, data: bytes) -> tuple[bytes, bool]:
        """Return the part of the client's later bytes that may go to the target, and whether there
        were more, which ends the connection.
        """
        ...


class Credentials:
    """Name and secret of one attempt, compared in constant time. The name may have options after
    ``-`` or ``;``, as clients of commercial proxies write them; only ``session`` is used.
    ``passwordless``: HTTP needs neither name nor secret, since the socket identifies the attempt
    and old package clients cannot send them.
    """

    __slots__ = ("_name", "_secret", "passwordless")

    def for_listener(self, *, passwordless: bool) -> Credentials:
        """The same name and secret for another listener."""
        return Credentials(self._name.decode(), self._secret.decode(), passwordless=passwordless)

    def __init__(self, attempt_id: str, secret: str, *, passwordless: bool = False) -> None:
        if not attempt_id or not secret:
            raise ValueError("a grant needs an attempt id and a secret that are not empty")
        self._name = attempt_id.encode()
        self._secret = secret.encode()
        self.passwordless = passwordless

    def admit(self, name: bytes, secret: bytes) -> bool:
        options = name[len(self._name) :]
        has_separator = not options or options[:1] in (b"-", b";")
        same_name = hmac.compare_digest(name[: len(self._name)], self._name)
        same_secret = hmac.compare_digest(secret, self._secret)
        return has_separator and same_name and same_secret

    def proof(self, host: str, port: int, status: int, reason: str) -> str:
        """A value for this refusal that only the proxy and the attempt can compute."""
        refusal = f"{host.lower().strip('[]')}:{port} {status} {reason}".encode()
        return hmac.digest(self._secret, refusal, "sha256").hex()

    def session(self, name: bytes) -> str:
        """Return the value of ``-session-`` or ``;session=`` in an admitted name, or ""."""
        match = _SESSION.search(name, len(self._name))
        return match[1].decode() if match else ""
