"""Methods of the client for webhooks and chats."""

from __future__ import annotations

from collections.abc import Sequence

from fyke_client import types
from fyke_client._async.connection import AsyncConnection
from fyke_client._requests import segment

WEBHOOKS = "/api/fyke/webhooks"


class AsyncWebhookCalls:
    """The programs and chats that get messages about runs and alerts of the caller's account."""

    _connection: AsyncConnection

    async def webhooks(self) -> list[types.fyke.webhooks.WebhookItem]:
        return (await self._connection.get(WEBHOOKS, types.fyke.webhooks.WebhookList)).items

    async def add_webhook(
        self, name: str, url: str, *, events: Sequence[str], channel: str = "webhook"
    ) -> types.fyke.webhooks.WebhookSecret:
        """Add a webhook or, with another ``channel``, a chat, which has no secret."""
        body = types.fyke.webhooks.WebhookFields(
            name=name, url=url, events=tuple(events), channel=channel
        )
        return await self._connection.post(WEBHOOKS, types.fyke.webhooks.WebhookSecret, body)

    async def test_webhook(self, webhook: str) -> types.fyke.webhooks.WebhookTest:
        """Send a test message now."""
        path = f"{WEBHOOKS}/{segment(webhook)}/test"
        return await self._connection.post(path, types.fyke.webhooks.WebhookTest, {})

    async def delete_webhook(self, webhook: str) -> None:
        """Remove it; messages that wait for it fail."""
        await self._connection.delete(f"{WEBHOOKS}/{segment(webhook)}", type(None))
