"""Which addresses a chat may have: of its own service, and of the kind that takes messages."""

from __future__ import annotations

import pytest

from fyke.domain.webhooks.chat_addresses import check_chat_address, telegram_address, telegram_chat
from fyke.errors import InvalidRequest
from fyke.model.webhook import MessageChannel

TOKEN = "123456:" + "Ab-_" * 8
SLACK = "https://hooks.slack.com/services/T0/B0/secret"
DISCORD = "https://discord.com/api/webhooks/12345/Ab-_c"
FLOW = "https://default0a.1b.environment.api.powerplatform.com:443/powerautomate/automations/direct"
TEAMS = f"{FLOW}/workflows/0a/triggers/manual/paths/invoke?api-version=1&sp=%2Frun&sig=Zz-_"
AZURE = "https://prod-1.westeurope.logic.azure.com:443/workflows/0a/paths/invoke?sv=1.0&sig=Zz"
CONNECTOR = "https://example.webhook.office.com/webhookb2/1@2/IncomingWebhook/3/4"
TELEGRAM = telegram_address(TOKEN, "-100200")


@pytest.mark.parametrize(
    ("channel", "url"),
    [
        (MessageChannel.SLACK, SLACK),
        (MessageChannel.SLACK, "https://mattermost.example/hooks/abc"),
        (MessageChannel.SLACK, f"{DISCORD}/slack"),
        (MessageChannel.DISCORD, DISCORD),
        (MessageChannel.DISCORD, f"{DISCORD.replace('/api/', '/api/v10/')}?thread_id=5"),
        (MessageChannel.TEAMS, TEAMS),
        (MessageChannel.TEAMS, AZURE),
        (MessageChannel.TELEGRAM, TELEGRAM),
        (MessageChannel.TELEGRAM, TELEGRAM.replace("api.telegram.org", "telegram.example")),
        (MessageChannel.WEBHOOK, TEAMS),
        (MessageChannel.WEBHOOK, "https://example.com/hook"),
    ],
)
def test_an_address_of_the_service_is_accepted(channel: MessageChannel, url: str) -> None:
    check_chat_address(channel, url)


@pytest.mark.parametrize(
    ("channel", "url", "rule"),
    [
        (MessageChannel.DISCORD, SLACK, "an address of Slack; choose Slack"),
        (MessageChannel.WEBHOOK, SLACK, "an address of Slack; choose Slack"),
        (MessageChannel.SLACK, DISCORD, "an address of Discord; choose Discord"),
        (MessageChannel.TELEGRAM, DISCORD, "an address of Discord; choose Discord"),
        (MessageChannel.SLACK, TEAMS, "an address of Microsoft Teams; choose Microsoft Teams"),
        (
            MessageChannel.WEBHOOK,
            CONNECTOR,
            "an address of Microsoft Teams; choose Microsoft Teams",
        ),
        (MessageChannel.TEAMS, TELEGRAM, "an address of Telegram; choose Telegram"),
        (
            MessageChannel.SLACK,
            "https://hooks.slack.com/triggers/T0/1/x",
            "starts a workflow of Slack",
        ),
        (
            MessageChannel.SLACK,
            "https://hooks.slack.com/services/T0/B0",
            "three parts; copy all of it",
        ),
        (
            MessageChannel.DISCORD,
            "https://discord.com/channels/1/2",
            "must be https://discord.com/api/w",
        ),
        (MessageChannel.DISCORD, f"{DISCORD}/slack", "must be https://discord.com/api/webhooks/"),
        (MessageChannel.TEAMS, CONNECTOR, "connectors of Microsoft 365 were retired"),
        (MessageChannel.TEAMS, TEAMS.partition("&sig=")[0], "the signature .sig=. is missing"),
    ],
)
def test_an_address_of_another_kind_is_named(channel: MessageChannel, url: str, rule: str) -> None:
    with pytest.raises(InvalidRequest, match=rule) as caught:
        check_chat_address(channel, url)
    assert [problem.field for problem in caught.value.problems] == ["url"]


@pytest.mark.parametrize(
    "url",
    [
        "https://api.telegram.org/",
        TELEGRAM.replace(TOKEN, ""),
        TELEGRAM.replace("-100200", ""),
        TELEGRAM.replace("-100200", "5%26x=1%20"),
        TELEGRAM.replace(TOKEN, "1:a/../b"),
    ],
)
def test_an_incomplete_address_of_telegram_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="the token of a bot"):
        telegram_chat(url)


@pytest.mark.parametrize(
    ("token", "chat", "fields"),
    [
        ("123:abc", "xx", ["token", "chat"]),
        ("", "5", ["token"]),
        ("1:a/../b", "5", ["token"]),
        (TOKEN, "", ["chat"]),
        (TOKEN, "5&x=1 ", ["chat"]),
    ],
)
def test_a_wrong_token_and_a_wrong_chat_are_told_apart(
    token: str, chat: str, fields: list[str]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        telegram_address(token, chat)
    assert [problem.field for problem in caught.value.problems] == fields
