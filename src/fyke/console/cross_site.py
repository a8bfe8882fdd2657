"""Protection against cross-site request forgery.

Browsers name the origin of a request in ``Sec-Fetch-Site`` and ``Origin``, which no page can forge.
An unsafe request needs at least one of them, and each that is present must match this server.
Together with a ``SameSite`` cookie, this makes tokens in forms unnecessary.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import Scope

from fyke.api.network import header
from fyke.errors import Forbidden

_REMEDY = "open the page here and send the form again, or use the REST API with a key"


def refuse_cross_site(scope: Scope, own_origin: str) -> None:
    """Raise ``Forbidden`` unless an unsafe request comes from a page of this server."""
    site = header(scope, b"sec-fetch-site")
    origin = header(scope, b"origin")
    if site is None and origin is None:
        raise Forbidden(f"The request does not say which page it comes from; {_REMEDY}")
    if site is not None and site != "same-origin":
        raise Forbidden(f"The request comes from another site; {_REMEDY}")
    # The scheme is not compared: behind a proxy that terminates TLS it differs from the browser's.
    if origin is not None and urlsplit(origin).netloc != urlsplit(own_origin).netloc:
        raise Forbidden(f"The request comes from another site; {_REMEDY}")
