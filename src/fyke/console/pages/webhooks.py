"""Webhooks: list, form, secret, deliveries, test call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from fyke.console.forms import PostedForm
from fyke.console.page import ConsolePage
from fyke.console.problems import faults_of
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.contracts.delivery import ReceiverResponse
from fyke.domain.callbacks.allowed import AllowedCallbacks
from fyke.domain.callbacks.service import Callbacks
from fyke.domain.webhooks.chat_addresses import telegram_address
from fyke.domain.webhooks.chat_answers import chat_problem
from fyke.domain.webhooks.rules import EndpointFields
from fyke.domain.webhooks.service import EndpointTest, Webhooks
from fyke.errors import Conflict, InvalidRequest, Refused
from fyke.model.callback import DeliveryFilter, DeliveryState
from fyke.model.webhook import MessageChannel, WebhookEvent

AREA = "/settings/webhooks"
PAGE_SIZE = 20
SMALL = 2**16
_FIELDS = {
    name: name for name in ("name", "url", "token", "chat", "channel", "events", "description")
}
_SECRETS = frozenset({"token"})
_STATES = tuple(state.value for state in DeliveryState)


@dataclass(frozen=True, slots=True)
class WebhookPages:
    webhooks: Webhooks
    callbacks: Callbacks
    allowed: AllowedCallbacks

    def pages(self) -> list[ConsolePage]:
        endpoint_path = f"{AREA}/{{id}}"
        return [
            ConsolePage("GET", AREA, self.list, area=AREA),
            ConsolePage("GET", f"{AREA}/new", self.new, area=AREA),
            ConsolePage(
                "POST",
                f"{AREA}/new",
                self.create,
                area=AREA,
                form_bytes=SMALL,
                excluded=_SECRETS,
                excludes=_address_of_chat,
            ),
            ConsolePage("GET", endpoint_path, self.show, area=AREA),
            ConsolePage("GET", f"{endpoint_path}/edit", self.edit, area=AREA),
            ConsolePage(
                "POST",
                f"{endpoint_path}/edit",
                self.change,
                area=AREA,
                form_bytes=SMALL,
                excluded=_SECRETS,
                excludes=_address_of_chat,
            ),
            ConsolePage(
                "POST", f"{endpoint_path}/rotate", self.rotate, area=AREA, form_bytes=SMALL
            ),
            ConsolePage("POST", f"{endpoint_path}/test", self.test, area=AREA, form_bytes=SMALL),
            ConsolePage(
                "POST", f"{endpoint_path}/enable", self.enable, area=AREA, form_bytes=SMALL
            ),
            ConsolePage(
                "POST", f"{endpoint_path}/delete", self.delete, area=AREA, form_bytes=SMALL
            ),
            ConsolePage(
                "GET", f"{endpoint_path}/deliveries/{{delivery}}", self.delivery, area=AREA
            ),
            ConsolePage(
                "POST",
                f"{endpoint_path}/deliveries/{{delivery}}/replay",
                self.replay,
                area=AREA,
                form_bytes=SMALL,
            ),
        ]

    async def list(self, view: View) -> Response:
        webhooks = await self.webhooks.list(view.caller)
        return view.page("webhooks/list.html", area=AREA, webhooks=webhooks)

    async def new(self, view: View) -> Response:
        channel = view.query.get("channel", "")
        events = [WebhookEvent.RUN_FAILED.value]
        if channel in [*MessageChannel] and channel != MessageChannel.WEBHOOK:
            events = [WebhookEvent.ALERT_RAISED.value]
        return self._form(view, {"events": events, "enabled": True, "channel": channel}, {})

    async def create(self, view: View) -> Response:
        try:
            with_secret = await self.webhooks.add(view.caller, _fields(view))
        except (InvalidRequest, Conflict, Refused) as error:
            return self._form(view, _typed(view), _faults(view, error))
        if not with_secret.secret:
            notice = _("The chat was added. Send a test to see a message in it.")
            return view.go(f"{AREA}/{with_secret.endpoint.id}", notice)
        return view.page(
            "webhooks/secret.html",
            area=AREA,
            webhook=with_secret.endpoint,
            secret=with_secret.secret,
            fresh=True,
        )

    async def show(self, view: View) -> Response:
        return await self._page(view)

    async def edit(self, view: View) -> Response:
        endpoint = (await self.webhooks.get(view.caller, view.param("id"))).endpoint
        typed = {
            "name": endpoint.name,
            "url": endpoint.url if endpoint.channel is MessageChannel.WEBHOOK else "",
            "channel": endpoint.channel.value,
            "events": [event.value for event in endpoint.events],
            "description": endpoint.description,
            "enabled": endpoint.enabled,
        }
        return self._form(view, typed, {}, endpoint.name, endpoint.url)

    async def change(self, view: View) -> Response:
        before = (await self.webhooks.get(view.caller, view.param("id"))).endpoint
        try:
            after = await self.webhooks.change(view.caller, before.id, _fields(view))
        except (InvalidRequest, Conflict) as error:
            return self._form(view, _typed(view), _faults(view, error), before.name, before.url)
        notice = _("The webhook was changed.")
        if after.endpoint.channel is MessageChannel.WEBHOOK is not before.channel:
            notice = _("The webhook was changed. Rotate its secret to get one for your program.")
        return view.go(f"{AREA}/{before.id}", notice)

    async def rotate(self, view: View) -> Response:
        with_secret = await self.webhooks.rotate(view.caller, view.param("id"))
        return view.page(
            "webhooks/secret.html",
            area=AREA,
            webhook=with_secret.endpoint,
            secret=with_secret.secret,
            fresh=False,
        )

    async def test(self, view: View) -> Response:
        trial = await self.webhooks.test(view.caller, view.param("id"))
        if view.wants_part:
            body = _laid_out(trial.body)
            return view.part("webhooks/trial.html", "trial", trial=trial, body=body)
        return await self._page(view, trial=trial)

    async def enable(self, view: View) -> Response:
        webhook = await self.webhooks.get(view.caller, view.param("id"))
        await self.callbacks.enable(view.caller, webhook.endpoint.url)
        text = _("The webhook is enabled. Failed deliveries can be retried below.")
        return view.go(f"{AREA}/{webhook.endpoint.id}", text)

    async def delete(self, view: View) -> Response:
        await self.webhooks.remove(view.caller, view.param("id"))
        return view.go(AREA, _("It was removed."))

    async def delivery(self, view: View) -> Response:
        webhook = await self.webhooks.get(view.caller, view.param("id"))
        logged = await self.callbacks.get(view.caller, view.param("delivery"))
        return view.page(
            "webhooks/delivery.html",
            area=AREA,
            webhook=webhook,
            logged=logged,
            body=_laid_out(logged.delivery.payload),
        )

    async def replay(self, view: View) -> Response:
        back = f"{AREA}/{view.param('id')}"
        try:
            await self.callbacks.replay(view.caller, view.param("delivery"))
        except Refused as error:
            return view.go(back, error.message, "bad")
        return view.go(back, _("The delivery is being retried, starting from the first attempt."))

    async def _page(self, view: View, *, trial: EndpointTest | None = None) -> Response:
        webhook = await self.webhooks.get(view.caller, view.param("id"))
        endpoint = webhook.endpoint
        state = view.query.get("state", "")
        chosen = DeliveryState(state) if state in _STATES else None
        index = _page_number(view)
        count, deliveries = await self.callbacks.page(
            view.caller,
            DeliveryFilter(chosen, endpoint_id=webhook.endpoint.id),
            offset=(index - 1) * PAGE_SIZE,
            limit=PAGE_SIZE,
        )
        return view.page(
            "webhooks/one.html",
            area=AREA,
            webhook=webhook,
            problem=chat_problem(
                endpoint.channel,
                ReceiverResponse(endpoint.last_status, reply=endpoint.last_reply),
            ),
            trial=trial,
            body=_laid_out(trial.body) if trial else "",
            deliveries=deliveries,
            count=count,
            state=chosen.value if chosen else "",
            states=_STATES,
            index=index,
            size=PAGE_SIZE,
        )

    def _form(
        self,
        view: View,
        typed: Mapping[str, Any],
        faults: Mapping[str, str],
        name: str = "",
        known: str = "",
    ) -> Response:
        """``name`` and ``known`` are those of the endpoint before the change: its address as it may
        be shown.
        """
        url = str(typed.get("url", "")).strip()
        return view.page(
            "webhooks/form.html",
            status=422 if faults else 200,
            area=AREA,
            typed=typed,
            faults=faults,
            name=name,
            known=known,
            channels=[channel.value for channel in MessageChannel],
            id=view.request.path_params.get("id", ""),
            events=[event.value for event in WebhookEvent],
            entry=self.allowed.entry_for(view.caller, url) if "url" in faults else "",
        )


def _laid_out(message: str) -> str:
    """A message with line breaks, for reading; it is sent without them."""
    return json.dumps(json.loads(message), ensure_ascii=False, indent=2)


def _page_number(view: View) -> int:
    text = view.query.get("page", "1")
    return max(1, int(text)) if text.isdecimal() and len(text) < 9 else 1


def _fields(view: View) -> EndpointFields:
    form = view.form
    channel, url = form.get("channel"), form.get("url")
    token, chat = form.get("token"), form.get("chat")
    if channel == MessageChannel.TELEGRAM:
        url = telegram_address(token, chat) if token.strip() or chat.strip() else ""
    return EndpointFields(
        form.get("name"),
        url,
        tuple(form.all("events")),
        form.get("description"),
        form.on("enabled"),
        channel,
    )


def _address_of_chat(form: PostedForm) -> frozenset[str]:
    """The address of a chat gives access to it. A form without a channel may be that of a chat."""
    program = form.get("channel") == MessageChannel.WEBHOOK
    return frozenset() if program else frozenset({"url"})


def _faults(view: View, error: InvalidRequest | Conflict | Refused) -> dict[str, str]:
    """The faults by field. An address of Telegram is typed as the token of a bot and a chat."""
    faults = dict(faults_of(error, _FIELDS))
    if "url" not in faults:
        return faults
    if view.form.get("channel") == MessageChannel.TELEGRAM:
        faults["token"] = faults.pop("url")
    elif not view.form.get("url").strip():
        faults["url"] = _("Enter the address.")
    return faults


def _typed(view: View) -> dict[str, Any]:
    """What was typed; the token of a bot is not shown again."""
    form = view.form
    lists = {"events": form.all("events"), "enabled": form.on("enabled")}
    return {**form.values(), **lists, "token": ""}
