"""The answers about webhooks, as the served description tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.own.callback_answers import Moment

Events = list[str]


class WebhookItem(Answer):
    id: str
    name: str
    url: str
    events: Annotated[Events, Field(description="what it is told")]
    description: str
    enabled: bool
    old_secret_until: Annotated[
        int, Field(description="until when the replaced secret signs too; 0 = none does")
    ]
    failing_since: Annotated[int, Field(description="first failure since the last success, or 0")]
    disabled_at: Annotated[
        int, Field(description="since when nothing is sent after days of failures; 0 = it is sent")
    ]
    last_at: Annotated[int, Field(description="latest try of any message, 0 = none yet")]
    last_status: Annotated[int, Field(description="its HTTP status, 0 when no answer came")]
    last_error: str
    last_reply: Annotated[str, Field(description="how the body of its answer began")]
    next_at: Annotated[int, Field(description="next try, 0 = nothing waits")]
    created_at: Moment
    updated_at: Moment


WebhookItems = list[WebhookItem]


class WebhookList(Answer):
    list: WebhookItems


class NewWebhook(Answer):
    id: str
    name: str
    secret: Annotated[str, Field(description="`whsec_...`; told here and never again")]


class StepItem(Answer):
    name: Annotated[str, Field(description="resolve, connect, send or answer")]
    detail: str
    at_ms: Annotated[int, Field(description="ms after the call began")]
    ok: bool


StepItems = list[StepItem]


class TrialItem(Answer):
    taken: Annotated[bool, Field(description="whether the answer was a 2xx")]
    message_id: Annotated[str, Field(description="the `webhook-id` that was sent")]
    status: Annotated[int, Field(description="HTTP status, 0 when no answer came")]
    error: str
    reply: Annotated[str, Field(description="how the body of the answer began")]
    duration_ms: int
    body: Annotated[str, Field(description="what was sent")]
    steps: StepItems
