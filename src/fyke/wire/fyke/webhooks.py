"""Webhooks: endpoints that receive runs and alerts, their secrets, and test calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import UNSET, Meta, UnsetType

from fyke.contracts.delivery import StepName
from fyke.domain.webhooks.rules import EndpointFields
from fyke.model.webhook import MAX_DESCRIPTION, MAX_NAME, MessageChannel, WebhookEvent
from fyke.wire.common import Items, TimeOrNever
from fyke.wire.fields import Answer, Boolean, DocumentedAs, Names, ParsedBy, Request, Text, to_text
from fyke.wire.fyke.callbacks import HttpStatus, ReplyStart
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.contracts.delivery import DeliveryStep
    from fyke.domain.webhooks.service import EndpointTest, EndpointView, NewEndpoint


class WebhookFields(Request):
    """The editable members of a webhook."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME), ParsedBy(to_text)] = ""
    url: Annotated[
        Text,
        Meta(
            description="http or https, on the public internet; for a chat the address that its "
            "service gives, for Telegram "
            "`https://api.telegram.org/bot<token>/sendMessage?chat_id=<chat>`. Empty keeps the "
            "address of a chat"
        ),
    ] = ""
    events: Annotated[
        Names, DocumentedAs(list[WebhookEvent]), Meta(description="at least one")
    ] = ()
    description: Annotated[str, Meta(max_length=MAX_DESCRIPTION), ParsedBy(to_text)] = ""
    enabled: Boolean = True
    channel: (
        Annotated[
            Text,
            DocumentedAs(MessageChannel),
            Meta(
                description="a program that gets signed messages, or a chat; absent: `webhook` for "
                "a new one, and a change keeps it"
            ),
        ]
        | UnsetType
    ) = UNSET

    @property
    def fields(self) -> EndpointFields:
        channel = "" if self.channel is UNSET else self.channel or MessageChannel.WEBHOOK.value
        return EndpointFields(
            self.name, self.url, self.events, self.description, self.enabled, channel
        )


# --- answers -------------------------------------------------------------------------------


class WebhookItem(Answer):
    id: str
    name: str
    url: Annotated[str, Meta(description="of a chat without what gives access")]
    channel: MessageChannel
    events: list[WebhookEvent]
    description: str
    enabled: bool
    old_secret_until: Annotated[
        int, Meta(ge=0, description="when the replaced secret stops signing; 0 = none")
    ]
    failing_since: Annotated[
        int, Meta(ge=0, description="first failure since the last success, 0 = none")
    ]
    disabled_at: Annotated[
        int, Meta(ge=0, description="when it was switched off after failures; 0 = it was not")
    ]
    last_at: Annotated[int, Meta(ge=0, description="latest attempt of any message, 0 = none yet")]
    last_status: HttpStatus
    last_error: str
    last_reply: ReplyStart
    next_at: Annotated[int, Meta(ge=0, description="next attempt, 0 = nothing is pending")]
    created_at: TimeOrNever
    updated_at: TimeOrNever

    @classmethod
    def of(cls, view: EndpointView) -> WebhookItem:
        endpoint = view.endpoint
        return cls(
            id=endpoint.id,
            name=endpoint.name,
            url=endpoint.url,
            channel=endpoint.channel,
            events=list(endpoint.events),
            description=endpoint.description,
            enabled=endpoint.enabled,
            old_secret_until=seconds(endpoint.old_until),
            failing_since=seconds(endpoint.failing_since),
            disabled_at=seconds(view.disabled_at),
            last_at=seconds(endpoint.last_at),
            last_status=endpoint.last_status,
            last_error=endpoint.last_error,
            last_reply=endpoint.last_reply,
            next_at=seconds(view.next_at),
            created_at=seconds(endpoint.created_at),
            updated_at=seconds(endpoint.updated_at),
        )


class WebhookList(Items[WebhookItem]):
    pass


class WebhookSecret(Answer):
    id: str
    name: str
    secret: Annotated[str, Meta(description="`whsec_...`; only in this answer; empty for a chat")]

    @classmethod
    def of(cls, created: NewEndpoint) -> WebhookSecret:
        return cls(created.endpoint.id, created.endpoint.name, created.secret)

    def __repr__(self) -> str:  # without the secret, which must not be logged
        return f"WebhookSecret(id={self.id!r}, name={self.name!r})"


class TestStep(Answer):
    name: StepName
    detail: str
    at_ms: Annotated[int, Meta(ge=0, description="milliseconds since the start of the call")]
    ok: bool

    @classmethod
    def of(cls, step: DeliveryStep) -> TestStep:
        return cls(step.name, step.detail, step.at_ms, step.ok)


class WebhookTest(Answer):
    """The result of a test call."""

    taken: Annotated[bool, Meta(description="whether the answer was a 2xx")]
    message_id: Annotated[str, Meta(description="the `webhook-id` that was sent")]
    status: HttpStatus
    error: str
    reply: ReplyStart
    duration_ms: int
    body: Annotated[str, Meta(description="the body that was sent")]
    steps: list[TestStep]

    @classmethod
    def of(cls, result: EndpointTest) -> WebhookTest:
        return cls(
            taken=result.accepted,
            message_id=result.message_id,
            status=result.answer.status,
            error=result.answer.error,
            reply=result.answer.reply,
            duration_ms=result.duration_ms,
            body=result.body,
            steps=[TestStep.of(step) for step in result.steps],
        )
