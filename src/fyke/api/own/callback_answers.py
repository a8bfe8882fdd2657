"""The answers about callbacks, as the served description tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer

Moment = Annotated[int, Field(description="Unix seconds, 0 = never")]


class TryItem(Answer):
    timestamp: Annotated[int, Field(description="ms")]
    status: Annotated[int, Field(description="HTTP status, 0 when no answer came")]
    error: Annotated[str, Field(description="why there was no answer, else empty")]
    duration_ms: int
    reply: Annotated[str, Field(description="how the body of the answer began")]


TryItems = list[TryItem]


class DeliveryItem(Answer):
    id: Annotated[str, Field(description="the `webhook-id` of every try")]
    run_slug: str
    kind: Annotated[str, Field(description="running, terminal or alert")]
    webhook: Annotated[str, Field(description="id of the webhook, empty for a callback URL")]
    event: Annotated[str, Field(description="what a webhook or mail tells, empty for callbacks")]
    url: str
    receiver: Annotated[str, Field(description="scheme://host:port")]
    state: Annotated[str, Field(description="pending, delivered, failed or superseded")]
    tries: Annotated[int, Field(description="of the present schedule")]
    next_at: Moment
    last_status: int
    last_error: str
    created_at: Moment
    ended_at: Moment
    attempts: Annotated[TryItems, Field(description="the latest 50 tries, oldest first")]


class DeliveryDetail(DeliveryItem):
    body: Annotated[str, Field(description="what is sent, letter for letter")]


DeliveryItems = list[DeliveryItem]


class DeliveryList(Answer):
    list: DeliveryItems


class DeliveryPage(Answer):
    count: int
    list: DeliveryItems
    page_index: int
    page_size: int


class ReceiverItem(Answer):
    receiver: Annotated[str, Field(description="scheme://host:port")]
    disabled: bool
    disabled_at: Moment
    failing_since: Annotated[int, Field(description="first failure since the last success")]
    last_success_at: Moment
    last_failure_at: Moment


ReceiverItems = list[ReceiverItem]


class ReceiverList(Answer):
    list: ReceiverItems
