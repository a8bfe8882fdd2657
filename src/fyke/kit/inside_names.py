"""Host names of platform services that published Workers have in their code. In a sandbox they lead
to the services of the attempt itself. They are not looked up elsewhere, because a Worker sends the
credentials of its proxy and browser to them.
"""

from __future__ import annotations

from fyke.kit.hostports import BadHost, Host, parse_host, split_host_port

_SITES = ("coreclaw.com", "cafescraper.com")
_SUFFIXES = tuple(f"-inner.{site}" for site in _SITES)
PROXY_NAMES = tuple(f"proxy-inner.{site}" for site in _SITES)
BROWSER_NAMES = tuple(
    f"{service}-inner.{site}"
    for site in _SITES
    for service in ("chrome-ws", "chrome-http", "lightpanda")
)
BROWSER_PORT = 9222
BROWSER_PORTS = (80, BROWSER_PORT)  # at a name; on loopback port 80 is the Worker's own


def is_inside(host: Host) -> bool:
    """Whether a parsed host is such a name, also one of a service that Fyke does not have."""
    return isinstance(host, str) and host.endswith(_SUFFIXES)


def is_browser(host: Host, port: int) -> bool:
    """Whether a Worker means the browser of its attempt with this parsed host and port."""
    if host in BROWSER_NAMES:
        return port in BROWSER_PORTS
    return port == BROWSER_PORT and str(host) in ("localhost", "127.0.0.1")


def is_browser_authority(authority: str) -> bool:
    """The same for ``host`` or ``host:port`` as a client wrote it."""
    try:
        host, port = split_host_port(authority, BROWSER_PORTS[0])
        return is_browser(parse_host(host), port)
    except (BadHost, ValueError):
        return False
