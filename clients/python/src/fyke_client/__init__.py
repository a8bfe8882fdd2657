"""Client of Fyke, a self-hosted platform for web-scraping Workers.

    from fyke_client import Fyke

    with Fyke() as fyke:
        rows = fyke.run_and_collect("owner/hello", {"urls": ["https://example.com"]})

``Fyke`` blocks, ``AsyncFyke`` has the same methods to await. ``FykeAdmin`` and ``AsyncFykeAdmin``
have also those for accounts, keys, users, nodes and callbacks. ``verify_webhook`` verifies
messages of the server. Answers are the structs in ``fyke_client.types``.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fyke_client._async.admin import AsyncFykeAdmin as AsyncFykeAdmin
    from fyke_client._async.client import AsyncFyke as AsyncFyke
    from fyke_client._events import Event as Event
    from fyke_client._sync.admin import FykeAdmin as FykeAdmin
    from fyke_client._sync.client import Fyke as Fyke
    from fyke_client.errors import ApiError as ApiError
    from fyke_client.errors import ClientError as ClientError
    from fyke_client.errors import InvalidSignature as InvalidSignature
    from fyke_client.errors import RunFailed as RunFailed
    from fyke_client.errors import Unreachable as Unreachable
    from fyke_client.webhooks import verify_webhook as verify_webhook
else:
    from fyke_client._lazy import names_of

    __getattr__ = names_of(
        __name__,
        {
            "ApiError": "fyke_client.errors",
            "AsyncFyke": "fyke_client._async.client",
            "AsyncFykeAdmin": "fyke_client._async.admin",
            "ClientError": "fyke_client.errors",
            "Event": "fyke_client._events",
            "Fyke": "fyke_client._sync.client",
            "FykeAdmin": "fyke_client._sync.admin",
            "InvalidSignature": "fyke_client.errors",
            "RunFailed": "fyke_client.errors",
            "Unreachable": "fyke_client.errors",
            "verify_webhook": "fyke_client.webhooks",
        },
    )

__all__ = [
    "ApiError",
    "AsyncFyke",
    "AsyncFykeAdmin",
    "ClientError",
    "Event",
    "Fyke",
    "FykeAdmin",
    "InvalidSignature",
    "RunFailed",
    "Unreachable",
    "verify_webhook",
]
