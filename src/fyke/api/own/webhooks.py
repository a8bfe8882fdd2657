"""Webhooks: endpoints that are told of runs and alerts, their secrets, and test calls."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import Wire, WireBool, WireName, WireText
from fyke.api.envelope import NULL, encode
from fyke.api.operations import Nothing, Operation
from fyke.api.own import webhook_answers as answers
from fyke.api.own.name_lists import WireNames
from fyke.api.v1.errors import TABLE, UNKNOWN_PATH
from fyke.api.v1.vocabulary import seconds
from fyke.domain.webhooks.rules import EndpointFields
from fyke.domain.webhooks.service import EndpointTest, EndpointView, NewEndpoint, Webhooks
from fyke.errors import Conflict, Forbidden, Refused
from fyke.model.webhook import WebhookEvent

PATH = "/api/fyke/webhooks"
EVENTS = ", ".join(event.value for event in WebhookEvent)


class WebhookRef(Wire):
    id: WireName


class WebhookFields(Wire):
    name: WireText = ""
    url: WireText = Field("", description="http or https, on the public internet")
    events: WireNames = Field((), description=f"some of {EVENTS}")
    description: WireText = ""
    enabled: WireBool = True

    def fields(self) -> EndpointFields:
        return EndpointFields(self.name, self.url, self.events, self.description, self.enabled)


class WebhookChange(WebhookFields):
    id: WireName


@dataclass(frozen=True, slots=True)
class WebhookOperations:
    webhooks: Webhooks

    def operations(self) -> list[Operation[Any]]:
        return [*self._looking(), *self._changing(), *self._acting()]

    def _looking(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                PATH,
                id="listWebhooks",
                tag="Webhooks",
                summary="The account's webhooks, with how their latest call went",
                fields=Nothing,
                handler=self.list,
                answer=answers.WebhookList,
            ),
            Operation(
                "GET",
                f"{PATH}/{{id}}",
                id="getWebhook",
                tag="Webhooks",
                summary="One webhook",
                fields=WebhookRef,
                handler=self.get,
                answer=answers.WebhookItem,
                errors=(UNKNOWN_PATH,),
                path_fields=("id",),
            ),
        ]

    def _changing(self) -> list[Operation[Any]]:
        denied, taken = TABLE[Forbidden], TABLE[Conflict]
        return [
            Operation(
                "POST",
                PATH,
                id="createWebhook",
                tag="Webhooks",
                summary="Make a webhook; its secret is in this answer only",
                fields=WebhookFields,
                handler=self.add,
                answer=answers.NewWebhook,
                errors=(TABLE[Refused], denied, taken),
            ),
            Operation(
                "PUT",
                f"{PATH}/{{id}}",
                id="changeWebhook",
                tag="Webhooks",
                summary="Set all that a webhook says; what waits goes to a new address",
                fields=WebhookChange,
                handler=self.change,
                answer=answers.WebhookItem,
                errors=(UNKNOWN_PATH, denied, taken),
                path_fields=("id",),
            ),
            Operation(
                "DELETE",
                f"{PATH}/{{id}}",
                id="deleteWebhook",
                tag="Webhooks",
                summary="Remove a webhook; what waits for it has failed",
                fields=WebhookRef,
                handler=self.remove,
                errors=(UNKNOWN_PATH, denied),
                path_fields=("id",),
            ),
        ]

    def _acting(self) -> list[Operation[Any]]:
        denied = TABLE[Forbidden]
        return [
            Operation(
                "POST",
                f"{PATH}/{{id}}/rotate",
                id="rotateWebhookSecret",
                tag="Webhooks",
                summary="Give a webhook another secret; the old one signs too for 24 hours",
                fields=WebhookRef,
                handler=self.rotate,
                answer=answers.NewWebhook,
                errors=(UNKNOWN_PATH, denied),
                path_fields=("id",),
            ),
            Operation(
                "POST",
                f"{PATH}/{{id}}/test",
                id="testWebhook",
                tag="Webhooks",
                summary="Send a signed test message now, and tell what happened step by step",
                fields=WebhookRef,
                handler=self.test,
                answer=answers.TrialItem,
                errors=(UNKNOWN_PATH, denied),
                path_fields=("id",),
            ),
        ]

    async def list(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.webhooks.list(call.caller)
        return encode({"list": [_webhook(view) for view in found]})

    async def get(self, call: Call, wanted: WebhookRef) -> bytes:
        return encode(_webhook(await self.webhooks.get(call.caller, wanted.id)))

    async def add(self, call: Call, wanted: WebhookFields) -> bytes:
        return encode(_new(await self.webhooks.add(call.caller, wanted.fields())))

    async def change(self, call: Call, wanted: WebhookChange) -> bytes:
        changed = await self.webhooks.change(call.caller, wanted.id, wanted.fields())
        return encode(_webhook(changed))

    async def remove(self, call: Call, wanted: WebhookRef) -> bytes:
        await self.webhooks.remove(call.caller, wanted.id)
        return NULL

    async def rotate(self, call: Call, wanted: WebhookRef) -> bytes:
        return encode(_new(await self.webhooks.rotate(call.caller, wanted.id)))

    async def test(self, call: Call, wanted: WebhookRef) -> bytes:
        return encode(_trial(await self.webhooks.test(call.caller, wanted.id)))


def _webhook(view: EndpointView) -> dict[str, Any]:
    endpoint = view.endpoint
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "url": endpoint.url,
        "events": [event.value for event in endpoint.events],
        "description": endpoint.description,
        "enabled": endpoint.enabled,
        "old_secret_until": seconds(endpoint.old_until),
        "failing_since": seconds(endpoint.failing_since),
        "disabled_at": seconds(view.disabled_at),
        "last_at": seconds(endpoint.last_at),
        "last_status": endpoint.last_status,
        "last_error": endpoint.last_error,
        "last_reply": endpoint.last_reply,
        "next_at": seconds(view.next_at),
        "created_at": seconds(endpoint.created_at),
        "updated_at": seconds(endpoint.updated_at),
    }


def _new(made: NewEndpoint) -> dict[str, Any]:
    return {"id": made.endpoint.id, "name": made.endpoint.name, "secret": made.secret}


def _trial(trial: EndpointTest) -> dict[str, Any]:
    return {
        "taken": trial.taken,
        "message_id": trial.message_id,
        "status": trial.answer.status,
        "error": trial.answer.error,
        "reply": trial.answer.reply,
        "duration_ms": trial.duration_ms,
        "body": trial.body,
        "steps": [asdict(step) for step in trial.steps],
    }
