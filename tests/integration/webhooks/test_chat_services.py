"""Chats at servers that follow the documented rules of their services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fyke.domain.webhooks.chat_answers import ChatProblem
from fyke.domain.webhooks.messages import message
from fyke.domain.webhooks.rules import EndpointFields
from fyke.domain.webhooks.service import EndpointTest
from fyke.kit.addresses import AddressRules
from fyke.model.webhook import MessageChannel, WebhookEvent
from fyke.notify.http import HttpNotifier
from support.app import App
from support.chat_services import BUSY_SECONDS, ChatServices, chat_services

pytestmark = pytest.mark.anyio
CHATS = [channel for channel in MessageChannel if channel is not MessageChannel.WEBHOOK]
GONE = {MessageChannel.TELEGRAM: ChatProblem.CHAT}
WORST = "\\_*[]()~`>#+-=|{}.!<@&\u202e\U0001f642é" * 400


@pytest.fixture
def services() -> Iterator[ChatServices]:
    with chat_services() as services:
        yield services


async def trial(app: App, channel: MessageChannel, url: str) -> EndpointTest:
    fields = EndpointFields(channel.value, url, ("alert.raised",), channel=channel)
    created = await app.services.webhooks.add(app.owner, fields)
    return await app.services.webhooks.test(app.owner, created.endpoint.id)


@pytest.mark.parametrize("channel", CHATS)
async def test_a_test_shows_what_the_service_has_answered(
    app: App, services: ChatServices, channel: MessageChannel
) -> None:
    result = await trial(app, channel, services.url(channel))
    assert result.accepted and result.problem is None
    [(service, _body)] = services.taken
    assert service == channel


@pytest.mark.parametrize("channel", CHATS)
async def test_a_refusal_is_explained(
    app: App, services: ChatServices, channel: MessageChannel
) -> None:
    act = "0" if channel is MessageChannel.TELEGRAM else "gone"
    result = await trial(app, channel, services.url(channel, act))
    assert not result.accepted and result.answer.reply
    assert result.problem is GONE.get(channel, ChatProblem.REMOVED)


@pytest.mark.parametrize("channel", CHATS)
async def test_a_service_with_too_many_messages_says_when_to_come_back(
    app: App, services: ChatServices, channel: MessageChannel
) -> None:
    act = "429" if channel is MessageChannel.TELEGRAM else "busy"
    result = await trial(app, channel, services.url(channel, act))
    assert (result.problem, result.answer.retry_after) == (ChatProblem.BUSY, BUSY_SECONDS)


@pytest.mark.parametrize("channel", CHATS)
async def test_the_longest_message_of_the_worst_text_is_taken(
    services: ChatServices, channel: MessageChannel
) -> None:
    from fyke.domain.webhooks.chats import chat_message, chat_request

    data = {"rule": WORST, "sentence": WORST, "run_slug": "R", "error_message": WORST}
    notifier = HttpNotifier(AddressRules(["127.0.0.0/8"]))
    for event in (WebhookEvent.ALERT_RAISED, WebhookEvent.RUN_FAILED):
        text = chat_message(message(event, 0, data), WORST, "https://fyke.example")
        url, body = chat_request(channel, services.url(channel), text)
        answer = await notifier.post(url, body, {})
        assert 200 <= answer.status < 300, answer
    notifier.close()
