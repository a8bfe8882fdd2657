"""Checks callback URLs at the start of a run, and again before each delivery.

At the start only the URL itself can be checked; the addresses of a host are checked at delivery,
when a connection is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from fyke.domain.callbacks.neighbours import PLACE, SETTING, Neighbours, is_private
from fyke.errors import InvalidRequest
from fyke.kit.addresses import AddressRules, not_public
from fyke.kit.hostports import Address, BadHost, Host, is_localhost, join_host_port, parse_host
from fyke.kit.resolver import Unresolvable

MAX_URL = 2048
MAIL = "mailto:"  # scheme of mail addresses, to which the installation's mail server sends
MAIL_RULE = (
    "is this installation itself, or in no public or private network; only the setting "
    "FYKE_SMTP_URL can name it"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
Resolve = Callable[[str], Awaitable[Iterable[str]]]


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """The parts of a checked URL that a delivery needs."""

    secure: bool
    host: Host
    port: int
    target: str  # path and query, as in the request line

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in str(self.host) else str(self.host)
        default = _DEFAULT_PORTS["https" if self.secure else "http"]
        return host if self.port == default else f"{host}:{self.port}"


class CallbackRules:
    """Checks callback URLs, and the addresses of their hosts. ``addresses`` may allow targets that
    are not on the public internet; so may ``allow`` while the server runs, but none of ``own``, the
    addresses and names of this installation. ``resolve`` returns the addresses of a name, or raises
    ``Unresolvable``; without it, own names have none.
    """

    def __init__(
        self, addresses: AddressRules, own: Iterable[str] = (), resolve: Resolve | None = None
    ) -> None:
        self._addresses = addresses
        self._resolve = resolve
        self._version = 0
        self.neighbours = Neighbours(own)

    def allow(self, entries: Iterable[str], version: int) -> None:
        """From now on, allow these neighbours, and no others; unless those of a later version of
        the settings are allowed already.
        """
        if version >= self._version:
            self._version = version
            self.neighbours = self.neighbours.with_entries(entries)

    async def look_up(self) -> None:
        """Look up the names of this installation, whose addresses no neighbour may have. A name
        without an answer keeps its last addresses.
        """
        names = sorted(self.neighbours.own_names)
        answers = await asyncio.gather(*map(self._answers, names))
        found = {name: answer for name, answer in zip(names, answers, strict=True) if answer}
        self.neighbours = self.neighbours.with_found(found)

    async def _answers(self, name: str) -> list[str]:
        try:
            return [] if self._resolve is None else list(await self._resolve(name))
        except Unresolvable:
            return []

    def check(self, url: str) -> CallbackUrl:
        """Return the URL's parts. Raise ``InvalidRequest`` that names field, rule and remedy."""
        parts = _split(url)
        try:
            host = parse_host(parts.hostname or "")
        except BadHost as error:
            raise _invalid(str(error)) from error
        port = _port(parts)
        if self._is_private(host, port):
            way = f"with {SETTING}={join_host_port(host, port)}"
            if not isinstance(host, str) and is_private(host):  # also our own: it stays unknown
                way = f"in {PLACE}, or {way}"
            fault = f"{host} port {port} is not on the public internet"
            raise _invalid(f"{fault}; an operator can allow it {way}")
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        return CallbackUrl(parts.scheme == "https", host, port, target)

    def entry_for(self, url: str) -> str:
        """The entry that would allow the refused ``url``; "" when it is not refused, or refused for
        another reason than its address.
        """
        try:
            parts = _split(url)
            host, port = parse_host(parts.hostname or ""), _port(parts)
        except (BadHost, InvalidRequest):
            return ""
        if isinstance(host, str) or not self.neighbours.may_cover(host):
            return ""
        return join_host_port(host, port) if self._is_private(host, port) else ""

    async def select(self, host: Host, answers: Iterable[str], port: int) -> list[str]:
        """The resolved addresses that may be dialled, as ``AddressRules.select``. Those of
        neighbours are compared with the addresses that the names of this installation have now.
        """
        found = list(answers)
        if allowed := self._addresses.select(host, found, port):
            return allowed
        if self.neighbours.select(host, found, port):
            await self.look_up()
        return self.neighbours.select(host, found, port)

    def mail_fault(self, host: Host, port: int) -> str:
        """Why an operator cannot name this mail server while the server runs; "" when they can. A
        relay in the private network needs no entry, but this installation itself is left out.
        """
        if isinstance(host, str):
            is_own = is_localhost(host) or host in self.neighbours.own_names
            allowed = not is_own or self._addresses.check_name(host, port)
        else:
            allowed = self._addresses.check(host, port) or self.neighbours.may_cover(host)
        return "" if allowed else f"{host} {MAIL_RULE}"

    async def select_mail(self, host: Host, answers: Iterable[str], port: int) -> list[str]:
        """The resolved addresses at which a mail server of the operator may be dialled."""
        found = list(answers)
        if isinstance(host, str) and self._addresses.check_name(host, port):
            return found
        await self.look_up()
        if self.mail_fault(host, port):
            return []
        return [
            answer
            for answer in found
            if self._addresses.check(address := _without_zone(answer), port)
            or self.neighbours.may_cover(address)
        ]

    def _is_private(self, host: Host, port: int) -> bool:
        if isinstance(host, str):
            return is_localhost(host) and not self._addresses.check_name(host, port)
        return not self._addresses.check(host, port) and not self.neighbours.covers(host, port)


def refused_receiver(host: Host) -> str:
    """Why no address of this host is dialled, and what to do about it."""
    return f"{not_public(host)}; an operator can allow it in {PLACE}, or with {SETTING}"


def receiver_of(url: str, field: str = "callback_url") -> str:
    """Return ``scheme://host:port``, normalized. Raise ``InvalidRequest`` for ``field`` when the
    URL is invalid. Every mail address is a receiver of its own.
    """
    if url.startswith(MAIL):
        return f"mailto://{url.removeprefix(MAIL)}:25"
    try:
        parts = _split(url)
        host = parse_host(parts.hostname or "")
        return f"{parts.scheme}://{join_host_port(host, _port(parts))}"
    except BadHost as error:
        raise InvalidRequest(str(error), field=field) from error
    except InvalidRequest as error:
        raise InvalidRequest(error.problems[0].rule, field=field) from error


def _without_zone(address: str) -> Address:
    return ip_address(address.partition("%")[0])


_SCHEME_RULE = "it must be absolute and start with http:// or https://"


def _split(url: str) -> SplitResult:
    if not url or len(url) > MAX_URL:
        raise _invalid(f"it must have 1 to {MAX_URL} characters")
    if not url.lower().startswith(("http://", "https://")):
        raise _invalid(_SCHEME_RULE)
    if any(not "!" <= char <= "~" for char in url.replace("\\", " ") if char.isascii()):
        raise _invalid("it contains a space, a backslash or a control character; encode it with %")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _invalid("it is not a well-formed URL") from error
    if not parts.netloc:
        raise _invalid(_SCHEME_RULE)
    if "@" in parts.netloc:
        raise _invalid("it must not carry a user name or password; use a random path instead")
    if not (parts.path + parts.query).isascii():
        raise _invalid("path and query must be ASCII; encode other characters with %")
    return parts


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError as error:
        raise _invalid("the port must be a number from 1 to 65535") from error
    if port is None:
        if parts.netloc.endswith(":"):
            raise _invalid("the port after the colon is missing")
        return _DEFAULT_PORTS[parts.scheme]
    if port not in (80, 443) and not 1024 <= port <= 65535:
        raise _invalid(f"port {port} is not accepted; use 80, 443 or one from 1024 to 65535")
    return port


def _invalid(rule: str) -> InvalidRequest:
    return InvalidRequest(rule, field="callback_url")
