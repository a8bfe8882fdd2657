"""Targets that are services of the sandbox itself: the attempt's browser, and the names of the
hosted platform, which lead nowhere else.
"""

from __future__ import annotations

from fyke.egress.rules import Target, TargetRules
from fyke.kit.inside_names import (
    BROWSER_NAMES,
    BROWSER_PORTS,
    PROXY_NAMES,
    is_browser,
    is_inside,
)


def leads_to_browser(target: Target, rules: TargetRules) -> bool:
    """Whether a Worker means the browser of its attempt. Loopback is the machine's if it is
    allowed.
    """
    host, port = target.host, target.port
    return is_browser(host, port) and (is_inside(host) or not rules.exempts(host, port))


def why_refused(target: Target, *, of_browser: bool, has_browser: bool) -> str:
    """Why a name of the hosted platform is refused that does not lead to the browser; "" for other
    targets. ``of_browser``: the client is the browser. ``has_browser``: the proxy has the address
    of a browser port.
    """
    if not is_inside(target.host):
        return ""
    name = f"{target.host} port {target.port}"
    if of_browser:
        return f"{name} is a service for Workers, and cannot be reached from here"
    if not has_browser:
        return f"{name} is a service that the proxy of this sandbox does not have"
    if target.host in BROWSER_NAMES:
        ports = " and ".join(map(str, BROWSER_PORTS))
        return f"{name} is not served: the browser is at the ports {ports}, without TLS"
    if target.host in PROXY_NAMES:
        return f"{name} is not served: the proxy is at the ports 1080 and 6000"
    return f"{name} is a service that this Fyke does not have"
