"""Which callback URLs are accepted. Checked at start, and once more before each delivery.

At start only the URL itself can be checked; the addresses of a host are checked at delivery,
when a connection is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from fyke.errors import InvalidRequest
from fyke.kit.addresses import AddressRules
from fyke.kit.hostports import BadHost, Host, is_localhost, parse_host

MAX_URL = 2048
MAIL = "mailto:"  # what the address of a mail begins with; it goes by the installation's server
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SETTING = "FYKE_CALLBACK_ALLOW"


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """A checked URL in the parts that a delivery needs."""

    secure: bool
    host: Host
    port: int
    target: str  # path and query, as the request line says it

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in str(self.host) else str(self.host)
        default = _DEFAULT_PORTS["https" if self.secure else "http"]
        return host if self.port == default else f"{host}:{self.port}"


class CallbackRules:
    """Checks callback URLs; exempt are the targets that ``addresses`` allows."""

    def __init__(self, addresses: AddressRules) -> None:
        self._addresses = addresses

    def check(self, url: str) -> CallbackUrl:
        """Return the URL's parts. Raise ``InvalidRequest`` that names field, rule and remedy."""
        parts = _split(url)
        try:
            host = parse_host(parts.hostname or "")
        except BadHost as error:
            raise _refused(str(error)) from error
        port = _port(parts)
        if self._is_inside(host, port):
            entry = f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
            raise _refused(
                f"{host} port {port} is not on the public internet; "
                f"the operator can exempt it with {_SETTING}={entry}"
            )
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        return CallbackUrl(parts.scheme == "https", host, port, target)

    def _is_inside(self, host: Host, port: int) -> bool:
        if isinstance(host, str):
            return is_localhost(host) and not self._addresses.check_name(host, port)
        return not self._addresses.check(host, port)


def receiver_of(url: str, field: str = "callback_url") -> str:
    """Return ``scheme://host:port``, in one spelling. Raise ``InvalidRequest`` for what is no URL
    of a receiver, naming ``field``. Every mail address is a receiver of its own.
    """
    if url.startswith(MAIL):
        return f"mailto://{url.removeprefix(MAIL)}:25"
    try:
        parts = _split(url)
        host = parse_host(parts.hostname or "")
        name = f"[{host}]" if ":" in str(host) else str(host)
        return f"{parts.scheme}://{name}:{_port(parts)}"
    except BadHost as error:
        raise InvalidRequest(str(error), field=field) from error
    except InvalidRequest as error:
        raise InvalidRequest(error.problems[0].rule, field=field) from error


def _split(url: str) -> SplitResult:
    if not url or len(url) > MAX_URL:
        raise _refused(f"it must have 1 to {MAX_URL} characters")
    if any(not "!" <= char <= "~" for char in url.replace("\\", " ") if char.isascii()):
        raise _refused("it contains a space, a backslash or a control character; encode it with %")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _refused("it is not a well-formed URL") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
        raise _refused("it must be absolute and start with http:// or https://")
    if "@" in parts.netloc:
        raise _refused("it must not carry a user name or password; use a random path instead")
    if not (parts.path + parts.query).isascii():
        raise _refused("path and query must be ASCII; encode other characters with %")
    return parts


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError as error:
        raise _refused("the port must be a number from 1 to 65535") from error
    if port is None:
        if parts.netloc.endswith(":"):
            raise _refused("the port after the colon is missing")
        return _DEFAULT_PORTS[parts.scheme]
    if port not in (80, 443) and not 1024 <= port <= 65535:
        raise _refused(f"port {port} is not accepted; use 80, 443 or one from 1024 to 65535")
    return port


def _refused(rule: str) -> InvalidRequest:
    return InvalidRequest(rule, field="callback_url")
