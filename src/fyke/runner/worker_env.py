"""The environment variables with the addresses of the proxy and the browser port."""

from __future__ import annotations

from fyke.kit.inside_names import BROWSER_NAMES
from fyke.model.worker import Language

PROXY_ADDRESS = "127.0.0.1:1080"
BROWSER_ADDRESS = "127.0.0.1:9222"
# Without "::1", on which older versions of httpx crash. SDK calls use 127.0.0.1.
_LOOPBACK = "127.0.0.1,localhost"


def worker_env(
    language: Language, attempt_id: str, secret: str, *, has_port_80: bool, traceparent: str = ""
) -> dict[str, str]:
    """The variables that published Workers read for proxy and browsers, and ``BROWSER_WS``, the
    whole address of the browser. Python and Go also get
    those that make ordinary libraries use the proxy.

    Node.js gets its defaults from a file that the sandbox loads first (``node_proxy.cjs``), not
    from variables: most versions of axios prefer variables to the agent that a Worker sets, and
    then cannot reach https.

    The names of the browser are reached without the proxy if it listens at their port
    (``has_port_80``); otherwise the proxy leads there. ``traceparent`` is set if it is given, under
    the name that OpenTelemetry reads.
    """
    direct = ",".join((_LOOPBACK, *(BROWSER_NAMES if has_port_80 else ())))
    variables = {
        "PROXY_DOMAIN": PROXY_ADDRESS,
        "PROXY_AUTH": f"{attempt_id}:{secret}",
        "ChromeWs": BROWSER_ADDRESS,
        "ChromeHttp": BROWSER_ADDRESS,
        "LightpandaDomain": BROWSER_ADDRESS,
        "CamoufoxDomain": BROWSER_ADDRESS,
        "BROWSER_WS": f"ws://{attempt_id}:{secret}@{BROWSER_ADDRESS}",
        "no_proxy": direct,
        "NO_PROXY": direct,
    }
    if traceparent:
        variables["TRACEPARENT"] = traceparent
    if language is Language.NODE:
        return variables
    return variables | _for_libraries(attempt_id, secret)


def _for_libraries(attempt_id: str, secret: str) -> dict[str, str]:
    """The usual proxy variables, with an http:// address, since many libraries need an extra
    package for SOCKS. SDK calls are exempt by ``no_proxy`` and by ``no_grpc_proxy``, which gRPC in
    Python reads instead.
    """
    url = f"http://{attempt_id}:{secret}@{PROXY_ADDRESS}"
    lower = {"http_proxy": url, "https_proxy": url, "all_proxy": url}
    upper = {name.upper(): value for name, value in lower.items()}
    return lower | upper | {"no_grpc_proxy": _LOOPBACK}
