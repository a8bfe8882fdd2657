"""Callbacks: their states and attempts, replays, and receivers that were switched off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get, post
from fyke.domain.callbacks.service import Callbacks
from fyke.errors import Forbidden, NotFound, Refused, RunNotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import callbacks as wire

PATH = "/api/fyke/deliveries"
RECEIVERS = "/api/fyke/receivers"


@dataclass(frozen=True, slots=True)
class CallbackRoutes:
    tag: ClassVar[str] = "Account"

    callbacks: Callbacks

    @get(
        "/api/fyke/runs/{slug}/deliveries",
        scope=Scope.READ,
        tag="Runs",
        errors=(RunNotFound,),
    )
    async def list_run_deliveries(self, call: Call, slug: Name) -> wire.DeliveryList:
        """The callbacks of a run, with every attempt."""
        deliveries = await self.callbacks.of_run(call.caller, slug)
        return wire.DeliveryList([wire.DeliveryItem.of(delivery) for delivery in deliveries])

    @get(PATH, scope=Scope.READ)
    async def list_deliveries(self, call: Call, query: wire.DeliveryQuery) -> wire.DeliveryPage:
        """The callbacks of the account, newest first, with every attempt."""
        count, deliveries = await self.callbacks.page(
            call.caller, query.filter, offset=query.offset, limit=query.page_size
        )
        return wire.DeliveryPage.of(
            count, [wire.DeliveryItem.of(delivery) for delivery in deliveries], query
        )

    @get(f"{PATH}/{{id}}", scope=Scope.READ, errors=(NotFound,))
    async def get_delivery(self, call: Call, id: Name) -> wire.DeliveryDetail:
        """One callback with its body and the beginning of each answer."""
        return wire.DeliveryDetail.of(await self.callbacks.get(call.caller, id))

    @post(f"{PATH}/{{id}}/replay", scope=Scope.WRITE, errors=(NotFound, Refused, Forbidden))
    async def replay_delivery(self, call: Call, id: Name) -> wire.DeliveryItem:
        """Send a callback again, under the same id and with a new schedule of attempts.

        Refused while it is being sent, when its receiver or webhook is switched off or deleted, and
        for the message `running` of a run that has ended. A webhook gets it at its current address.
        """
        return wire.DeliveryItem.of(await self.callbacks.replay(call.caller, id))

    @get(RECEIVERS, scope=Scope.READ)
    async def list_receivers(self, call: Call) -> wire.ReceiverList:
        """Receivers of callbacks, the disabled ones first."""
        receivers = await self.callbacks.receivers(call.caller)
        return wire.ReceiverList([wire.ReceiverItem.of(receiver) for receiver in receivers])

    @post(f"{RECEIVERS}/enable", scope=Scope.WRITE, errors=(NotFound, Forbidden))
    async def enable_receiver(self, call: Call, body: wire.ReceiverName) -> wire.ReceiverItem:
        """Enable a receiver that was disabled after five days of failures."""
        return wire.ReceiverItem.of(await self.callbacks.enable(call.caller, body.receiver))
