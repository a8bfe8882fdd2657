"""The environment variables that lead a Worker to the proxy and the browser's port."""

from __future__ import annotations

from fyke.model.worker import Language

PROXY_ADDRESS = "127.0.0.1:1080"
BROWSER_ADDRESS = "127.0.0.1:9222"
# Exactly these: every SDK call goes to the first, and older versions of httpx crash on "::1".
NO_PROXY = "127.0.0.1,localhost"


def worker_env(language: Language, attempt_id: str, secret: str) -> dict[str, str]:
    """The variables of proxy and browsers as published Workers read them, and for Python and Go
    what makes ordinary libraries use the proxy by themselves.

    Node.js gets its defaults from a file that the sandbox loads first (``node_proxy.cjs``), not
    from variables: most versions of axios prefer them to the agent that a Worker brings, and then
    cannot reach https.
    """
    own = {
        "PROXY_DOMAIN": PROXY_ADDRESS,
        "PROXY_AUTH": f"{attempt_id}:{secret}",
        "ChromeWs": BROWSER_ADDRESS,
        "ChromeHttp": BROWSER_ADDRESS,
        "LightpandaDomain": BROWSER_ADDRESS,
        "CamoufoxDomain": BROWSER_ADDRESS,
    }
    return own if language is Language.NODE else own | _for_libraries(attempt_id, secret)


def _for_libraries(attempt_id: str, secret: str) -> dict[str, str]:
    """An http:// address for all libraries, since many need an extra package for SOCKS. SDK calls
    are exempt by two variables, because gRPC has one of its own in Python.
    """
    url = f"http://{attempt_id}:{secret}@{PROXY_ADDRESS}"
    named = {"http_proxy": url, "https_proxy": url, "all_proxy": url, "no_proxy": NO_PROXY}
    loud = {name.upper(): value for name, value in named.items()}
    return named | loud | {"no_grpc_proxy": NO_PROXY}
