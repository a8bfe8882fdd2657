"""Callbacks, their attempts, and their receivers. Times are Unix seconds, 0 = never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from fyke.model.callback import KEPT_TRIES, DeliveryFilter, DeliveryKind, DeliveryState
from fyke.wire.common import Count, Items, Page, PageQuery, TimeOrNever
from fyke.wire.fields import Answer, DocumentedAs, Name, ParsedBy, Request, Text, ToChoice
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.domain.callbacks.service import LoggedDelivery
    from fyke.model.callback import DeliveryAttempt, Receiver

Milliseconds = Annotated[int, Meta(ge=0, description="ms")]
HttpStatus = Annotated[int, Meta(ge=0, description="HTTP status, 0 without an answer")]
ReplyStart = Annotated[str, Meta(description="the beginning of the answer's body")]


# --- requests ------------------------------------------------------------------------------


class DeliveryQuery(PageQuery):
    state: Annotated[
        DeliveryState | None,
        DocumentedAs(DeliveryState),
        ParsedBy(ToChoice(DeliveryState, optional=True)),
        Meta(description="absent = all"),
    ] = None
    host: Annotated[Text, Meta(description="host of the URL, optionally with :port")] = ""
    webhook: Annotated[Text, Meta(description="id of a webhook")] = ""

    @property
    def filter(self) -> DeliveryFilter:
        return DeliveryFilter(self.state, self.host.strip(), self.webhook.strip())


class ReceiverName(Request):
    receiver: Annotated[Name, Meta(description="scheme://host:port, or a URL of the receiver")]


# --- answers -------------------------------------------------------------------------------


class DeliveryAttemptItem(Answer):
    timestamp: Milliseconds
    status: HttpStatus
    error: Annotated[str, Meta(description="why there was no answer, else empty")]
    duration_ms: int
    reply: ReplyStart

    @classmethod
    def of(cls, attempt: DeliveryAttempt) -> DeliveryAttemptItem:
        return cls(attempt.at, attempt.status, attempt.error, attempt.duration_ms, attempt.reply)


class DeliveryItem(Answer):
    id: Annotated[str, Meta(description="the `webhook-id` of every attempt")]
    run_slug: Annotated[
        str, Meta(description="empty for an alert about a planned start that was refused")
    ]
    kind: DeliveryKind
    webhook: Annotated[str, Meta(description="id of the webhook; empty for callbacks")]
    event: Annotated[str, Meta(description="event of a webhook or mail; empty for callbacks")]
    url: str
    receiver: Annotated[str, Meta(description="scheme://host:port")]
    state: DeliveryState
    tries: Annotated[Count, Meta(description="attempts since the last replay")]
    next_at: TimeOrNever
    last_status: HttpStatus
    last_error: str
    created_at: TimeOrNever
    ended_at: TimeOrNever
    attempts: Annotated[
        list[DeliveryAttemptItem], Meta(description=f"the latest {KEPT_TRIES}, oldest first")
    ]

    @classmethod
    def of(cls, logged: LoggedDelivery) -> DeliveryItem:
        return cls(**_members(logged))


class DeliveryDetail(DeliveryItem):
    body: Annotated[str, Meta(description="the body that is sent, byte for byte")]

    @classmethod
    def of(cls, logged: LoggedDelivery) -> DeliveryDetail:
        return cls(**_members(logged), body=logged.delivery.payload)


def _members(logged: LoggedDelivery) -> dict[str, Any]:
    delivery = logged.delivery
    return {
        "id": delivery.id,
        "run_slug": delivery.run_id,
        "kind": delivery.kind,
        "webhook": delivery.endpoint_id,
        "event": delivery.event,
        "url": delivery.url,
        "receiver": delivery.receiver,
        "state": delivery.state,
        "tries": delivery.tries,
        "next_at": seconds(delivery.next_at),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "created_at": seconds(delivery.created_at),
        "ended_at": seconds(delivery.ended_at),
        "attempts": [DeliveryAttemptItem.of(attempt) for attempt in logged.tries],
    }


class DeliveryList(Items[DeliveryItem]):
    pass


class DeliveryPage(Page[DeliveryItem]):
    pass


class ReceiverItem(Answer):
    receiver: Annotated[str, Meta(description="scheme://host:port")]
    disabled: bool
    disabled_at: TimeOrNever
    failing_since: Annotated[
        int, Meta(ge=0, description="first failure since the last success, 0 = none")
    ]
    last_success_at: TimeOrNever
    last_failure_at: TimeOrNever

    @classmethod
    def of(cls, receiver: Receiver) -> ReceiverItem:
        return cls(
            receiver=receiver.receiver,
            disabled=receiver.disabled_at > 0,
            disabled_at=seconds(receiver.disabled_at),
            failing_since=seconds(receiver.failing_since),
            last_success_at=seconds(receiver.last_success_at),
            last_failure_at=seconds(receiver.last_failure_at),
        )


class ReceiverList(Items[ReceiverItem]):
    pass
