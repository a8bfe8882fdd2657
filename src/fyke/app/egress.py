"""The egress role: the proxy."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fyke.app.serving import until_stopped
from fyke.egress.process import serve_egress as serve_egress_process
from fyke.egress.throttle import ThrottleRules
from fyke.kit.addresses import AddressRules
from fyke.kit.interfaces import own_addresses
from fyke.settings import Settings


def inside_addresses(settings: Settings) -> frozenset[str]:
    """The addresses of this machine, including the address in the public URL, if there is one:
    behind a router, it belongs to no interface of the machine.
    """
    host = urlsplit(settings.public_url).hostname or ""
    try:
        return own_addresses() | {str(ipaddress.ip_address(host))}
    except ValueError:
        return own_addresses()


def throttle_rules(settings: Settings) -> ThrottleRules | None:
    """The rules that throttle sites, or None."""
    if not settings.site_guard:
        return None
    return ThrottleRules(
        rate=settings.site_rate,
        connections=settings.site_connections,
        max_pause=settings.site_pause_seconds,
    )


async def serve_egress(settings: Settings) -> None:
    """Run the proxy until SIGTERM."""
    await until_stopped(
        serve_egress_process(
            settings.egress_socket,
            AddressRules(settings.egress_allow, inside_addresses(settings)),
            settings.egress_upstreams,
            throttle=throttle_rules(settings),
        )
    )
