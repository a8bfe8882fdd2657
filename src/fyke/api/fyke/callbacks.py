"""Callbacks: their states and attempts, sending one again, receivers that were switched off."""

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
        found = await self.callbacks.of_run(call.caller, slug)
        return wire.DeliveryList([wire.DeliveryItem.of(one) for one in found])

    @get(PATH, scope=Scope.READ)
    async def list_deliveries(self, call: Call, wanted: wire.DeliveryQuery) -> wire.DeliveryPage:
        """The callbacks of the account, newest first, with every attempt."""
        count, found = await self.callbacks.page(
            call.caller, wanted.filter, offset=wanted.offset, limit=wanted.page_size
        )
        return wire.DeliveryPage.of(count, [wire.DeliveryItem.of(one) for one in found], wanted)

    @get(f"{PATH}/{{id}}", scope=Scope.READ, errors=(NotFound,))
    async def get_delivery(self, call: Call, id: Name) -> wire.DeliveryDetail:
        """One callback with the body that was sent, and how each answer began."""
        return wire.DeliveryDetail.of(await self.callbacks.get(call.caller, id))

    @post(f"{PATH}/{{id}}/replay", scope=Scope.WRITE, errors=(NotFound, Refused, Forbidden))
    async def replay_delivery(self, call: Call, id: Name) -> wire.DeliveryItem:
        """Send a callback again, under the same id and with a new schedule of attempts.

        It is refused while it is being sent, when its receiver or webhook is switched off or
        deleted, and for a message that a run is running when the run has ended. A webhook gets it
        at its present address.
        """
        return wire.DeliveryItem.of(await self.callbacks.replay(call.caller, id))

    @get(RECEIVERS, scope=Scope.READ)
    async def list_receivers(self, call: Call) -> wire.ReceiverList:
        """Receivers of callbacks, those that are switched off first."""
        found = await self.callbacks.receivers(call.caller)
        return wire.ReceiverList([wire.ReceiverItem.of(one) for one in found])

    @post(f"{RECEIVERS}/enable", scope=Scope.WRITE, errors=(NotFound, Forbidden))
    async def enable_receiver(self, call: Call, wanted: wire.ReceiverName) -> wire.ReceiverItem:
        """Switch a receiver on again that was switched off after five days of failures."""
        return wire.ReceiverItem.of(await self.callbacks.enable(call.caller, wanted.receiver))
