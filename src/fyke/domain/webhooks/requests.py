"""The HTTP request that takes a message to an endpoint: signed, or in the form of a chat."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from fyke.contracts.state import Transaction
from fyke.domain.callbacks.signing import headers
from fyke.domain.webhooks.chats import chat_message, chat_request
from fyke.domain.webhooks.secrets import signing_secrets
from fyke.kit.sealing import Sealer, UnsealError
from fyke.model.webhook import Endpoint, MessageChannel

UNREADABLE = (
    "the address cannot be read, because the installation's secret key was changed; enter it again"
)


class UnreadableAddress(Exception):
    """The address of a chat was sealed with another key. The message is for its owner."""

    def __init__(self) -> None:
        super().__init__(UNREADABLE)


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """A POST of JSON. ``url`` may be a secret."""

    url: str = field(repr=False)
    body: bytes
    headers: dict[str, str]


class EndpointRequests:
    """Makes requests; ``links`` is the address of the console for links in chats, "" for none."""

    def __init__(self, master_secret: bytes, links: str = "") -> None:
        self._master = master_secret
        self._sealer = Sealer(master_secret)
        self._links = links.rstrip("/")

    def seal(self, account_id: str, endpoint_id: str, url: str) -> str:
        """Seal the address of a chat for its endpoint."""
        return self._sealer.seal(_location(account_id, endpoint_id), url)

    def to(
        self, endpoint: Endpoint, message_id: str, payload: str, now: int, worker: str
    ) -> EndpointRequest:
        """The request at ``now`` (ms). ``worker`` is the name of the message's worker, for chats.
        Raise ``UnreadableAddress``.
        """
        if endpoint.channel is MessageChannel.WEBHOOK:
            body = payload.encode()
            secrets = signing_secrets(self._master, endpoint, now)
            signed = headers(secrets, message_id, now // 1000, body)
            return EndpointRequest(endpoint.url, body, signed)
        try:
            url = self._sealer.open(_location(endpoint.account_id, endpoint.id), endpoint.sealed)
        except UnsealError as error:
            raise UnreadableAddress from error
        message = chat_message(payload, worker, self._links)
        return EndpointRequest(*chat_request(endpoint.channel, url, message), {})


def worker_of_message(tx: Transaction, payload: str) -> str:
    """The title of the worker that a message is about; "" without one."""
    worker_id = str(json.loads(payload).get("data", {}).get("worker_slug", ""))
    worker = tx.workers.get(worker_id) if worker_id else None
    return "" if worker is None else worker.title or worker.path


def _location(account_id: str, endpoint_id: str) -> tuple[str, str, str]:
    return account_id, endpoint_id, "address of a chat"
