"""The egress role: the proxy."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fyke.app.egress_policy import own_policy
from fyke.app.serving import until_stopped
from fyke.egress.process import serve_egress as serve_egress_process
from fyke.egress.throttle import throttle_rules
from fyke.kit.addresses import AddressRules
from fyke.kit.interfaces import own_addresses

if TYPE_CHECKING:
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


async def serve_egress(settings: Settings) -> None:
    """Run the proxy until SIGTERM. The runner, which knows the settings of the installation, may
    change the policy.
    """
    policy = own_policy(settings)
    await until_stopped(
        serve_egress_process(
            settings.egress_socket,
            AddressRules(policy.allow, inside_addresses(settings)),
            policy.upstreams,
            throttle=throttle_rules(policy),
        )
    )
