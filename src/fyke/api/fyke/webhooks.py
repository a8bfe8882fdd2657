"""Webhooks: endpoints that receive runs and alerts, their secrets, and test calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, post, put
from fyke.domain.webhooks.service import Webhooks
from fyke.errors import Conflict, Forbidden, NotFound, Refused
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import webhooks as wire

PATH = "/api/fyke/webhooks"
WEBHOOK = f"{PATH}/{{id}}"


@dataclass(frozen=True, slots=True)
class WebhookRoutes:
    tag: ClassVar[str] = "Webhooks"

    webhooks: Webhooks

    @get(PATH, scope=Scope.ADMIN)
    async def list_webhooks(self, call: Call) -> wire.WebhookList:
        """The account's webhooks, with the result of their latest call."""
        webhooks = await self.webhooks.list(call.caller)
        return wire.WebhookList([wire.WebhookItem.of(view) for view in webhooks])

    @get(WEBHOOK, scope=Scope.READ, errors=(NotFound,))
    async def get_webhook(self, call: Call, id: Name) -> wire.WebhookItem:
        """One webhook."""
        return wire.WebhookItem.of(await self.webhooks.get(call.caller, id))

    @post(PATH, scope=Scope.ADMIN, errors=(Refused, Forbidden, Conflict))
    async def create_webhook(self, call: Call, body: wire.WebhookFields) -> wire.WebhookSecret:
        """Create a webhook; its secret is in this answer only.

        Names are unique. An account has at most 20 webhooks.
        """
        return wire.WebhookSecret.of(await self.webhooks.add(call.caller, body.fields))

    @put(WEBHOOK, scope=Scope.ADMIN, errors=(NotFound, Forbidden, Conflict))
    async def change_webhook(
        self, call: Call, id: Name, body: wire.WebhookFields
    ) -> wire.WebhookItem:
        """Replace the fields of a webhook; pending messages go to the new address.

        When it is switched off, pending messages fail; they can be replayed later.
        """
        return wire.WebhookItem.of(await self.webhooks.change(call.caller, id, body.fields))

    @delete(WEBHOOK, scope=Scope.ADMIN, errors=(NotFound, Forbidden))
    async def delete_webhook(self, call: Call, id: Name) -> None:
        """Delete a webhook; its pending messages fail."""
        await self.webhooks.remove(call.caller, id)

    @post(f"{WEBHOOK}/rotate", scope=Scope.ADMIN, errors=(NotFound, Refused, Forbidden))
    async def rotate_webhook_secret(self, call: Call, id: Name) -> wire.WebhookSecret:
        """Replace the secret of a webhook; the old one also signs for 24 hours."""
        return wire.WebhookSecret.of(await self.webhooks.rotate(call.caller, id))

    @post(f"{WEBHOOK}/test", scope=Scope.ADMIN, errors=(NotFound, Forbidden))
    async def test_webhook(self, call: Call, id: Name) -> wire.WebhookTest:
        """Send a test message now, and answer the result of each step.

        It is sent once, even if the webhook is off, and is not listed with the callbacks.
        """
        return wire.WebhookTest.of(await self.webhooks.test(call.caller, id))
