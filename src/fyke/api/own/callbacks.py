"""Callbacks: what became of them, sending one again, receivers that were switched off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import PageIndex, PageSize20, Wire, WireName, WireText
from fyke.api.envelope import encode
from fyke.api.operations import Nothing, Operation
from fyke.api.own import callback_answers as answers
from fyke.api.v1.errors import TABLE, UNKNOWN_PATH
from fyke.api.v1.vocabulary import seconds
from fyke.domain.callbacks.service import Callbacks, LoggedDelivery
from fyke.errors import Forbidden, InvalidRequest, Refused, RunNotFound
from fyke.model.callback import DeliveryAttempt, DeliveryFilter, DeliveryState, Receiver

STATES = tuple(state.value for state in DeliveryState)


class RunRef(Wire):
    slug: WireName


class DeliveryRef(Wire):
    id: WireName


class DeliveryList(Wire):
    page_index: PageIndex = 1
    page_size: PageSize20 = 20
    state: WireText = Field("", description=f"one of {', '.join(STATES)}; empty = all")
    host: WireText = Field("", description="host of the URL, with or without :port; empty = all")
    webhook: WireText = Field("", description="id of a webhook; empty = all")


class ReceiverRef(Wire):
    receiver: WireName = Field(description="scheme://host:port, or any URL there")


@dataclass(frozen=True, slots=True)
class CallbackOperations:
    callbacks: Callbacks

    def operations(self) -> list[Operation[Any]]:
        return [*self._of_deliveries(), *self._of_receivers()]

    def _of_deliveries(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/runs/{slug}/deliveries",
                id="listRunDeliveries",
                tag="Runs",
                summary="The callbacks of a run, with every try",
                fields=RunRef,
                handler=self.of_run,
                answer=answers.DeliveryList,
                errors=(TABLE[RunNotFound],),
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                "/api/fyke/deliveries",
                id="listDeliveries",
                tag="Account",
                summary="The callbacks of the account, newest first, with every try",
                fields=DeliveryList,
                handler=self.page,
                answer=answers.DeliveryPage,
            ),
            Operation(
                "GET",
                "/api/fyke/deliveries/{id}",
                id="getDelivery",
                tag="Account",
                summary="One delivery with what was sent, and how each answer began",
                fields=DeliveryRef,
                handler=self.get,
                answer=answers.DeliveryDetail,
                errors=(UNKNOWN_PATH,),
                path_fields=("id",),
            ),
            Operation(
                "POST",
                "/api/fyke/deliveries/{id}/replay",
                id="replayDelivery",
                tag="Account",
                summary="Send a callback again, under the same id",
                fields=DeliveryRef,
                handler=self.replay,
                answer=answers.DeliveryItem,
                errors=(UNKNOWN_PATH, TABLE[Refused], TABLE[Forbidden]),
                path_fields=("id",),
            ),
        ]

    def _of_receivers(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/receivers",
                id="listReceivers",
                tag="Account",
                summary="Receivers of callbacks, those that are switched off first",
                fields=Nothing,
                handler=self.receivers,
                answer=answers.ReceiverList,
            ),
            Operation(
                "POST",
                "/api/fyke/receivers/enable",
                id="enableReceiver",
                tag="Account",
                summary="Use a receiver again that was switched off",
                fields=ReceiverRef,
                handler=self.enable,
                answer=answers.ReceiverItem,
                errors=(UNKNOWN_PATH, TABLE[Forbidden]),
            ),
        ]

    async def of_run(self, call: Call, wanted: RunRef) -> bytes:
        found = await self.callbacks.of_run(call.caller, wanted.slug)
        return encode({"list": [_delivery(one) for one in found]})

    async def page(self, call: Call, wanted: DeliveryList) -> bytes:
        count, found = await self.callbacks.page(
            call.caller,
            DeliveryFilter(_state(wanted.state), wanted.host.strip(), wanted.webhook.strip()),
            offset=(wanted.page_index - 1) * wanted.page_size,
            limit=wanted.page_size,
        )
        return encode(
            {
                "count": count,
                "list": [_delivery(one) for one in found],
                "page_index": wanted.page_index,
                "page_size": wanted.page_size,
            }
        )

    async def get(self, call: Call, wanted: DeliveryRef) -> bytes:
        found = await self.callbacks.get(call.caller, wanted.id)
        return encode(_delivery(found) | {"body": found.delivery.payload})

    async def replay(self, call: Call, wanted: DeliveryRef) -> bytes:
        return encode(_delivery(await self.callbacks.replay(call.caller, wanted.id)))

    async def receivers(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.callbacks.receivers(call.caller)
        return encode({"list": [_receiver(one) for one in found]})

    async def enable(self, call: Call, wanted: ReceiverRef) -> bytes:
        return encode(_receiver(await self.callbacks.enable(call.caller, wanted.receiver)))


def _state(word: str) -> DeliveryState | None:
    known = word.strip().lower()
    if known and known not in STATES:
        raise InvalidRequest(f"state: must be one of {', '.join(STATES)}, or empty for all")
    return DeliveryState(known) if known else None


def _delivery(logged: LoggedDelivery) -> dict[str, Any]:
    delivery = logged.delivery
    return {
        "id": delivery.id,
        "run_slug": delivery.run_id,
        "kind": delivery.kind.value,
        "webhook": delivery.endpoint_id,
        "event": delivery.event,
        "url": delivery.url,
        "receiver": delivery.receiver,
        "state": delivery.state.value,
        "tries": delivery.tries,
        "next_at": seconds(delivery.next_at),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "created_at": seconds(delivery.created_at),
        "ended_at": seconds(delivery.ended_at),
        "attempts": [_try(one) for one in logged.tries],
    }


def _try(tried: DeliveryAttempt) -> dict[str, Any]:
    return {
        "timestamp": tried.at,
        "status": tried.status,
        "error": tried.error,
        "duration_ms": tried.duration_ms,
        "reply": tried.reply,
    }


def _receiver(receiver: Receiver) -> dict[str, Any]:
    return {
        "receiver": receiver.receiver,
        "disabled": receiver.disabled_at > 0,
        "disabled_at": seconds(receiver.disabled_at),
        "failing_since": seconds(receiver.failing_since),
        "last_success_at": seconds(receiver.last_success_at),
        "last_failure_at": seconds(receiver.last_failure_at),
    }
