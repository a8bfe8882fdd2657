"""Messages in the form of each chat, and what of an address is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.webhooks.chat_addresses import HIDDEN, telegram_address
from fyke.domain.webhooks.chats import (
    MAX_TEXT,
    MAX_TITLE,
    chat_message,
    chat_request,
    shown_address,
)
from fyke.domain.webhooks.messages import message
from fyke.model.webhook import TEST_EVENT, MessageChannel, WebhookEvent

TOKEN = "123456:" + "Ab-_" * 8
TELEGRAM = telegram_address(TOKEN, "-100200")
LINKS = "https://fyke.example/"
HOSTILE = "<!channel> @everyone /stop [bank](https://evil.example) *x*"
CHATS = [channel for channel in MessageChannel if channel is not MessageChannel.WEBHOOK]


def alert(**data: Any) -> str:
    values = {"rule": "No rows", "sentence": "The run succeeded without a single row."}
    return message(WebhookEvent.ALERT_RAISED, 0, {**values, "run_slug": "01RUN", **data})


def sent(channel: MessageChannel, payload: str, worker: str = "Shop", links: str = LINKS) -> Any:
    url = TELEGRAM if channel is MessageChannel.TELEGRAM else "https://chat.example/hook/secret"
    called, body = chat_request(channel, url, chat_message(payload, worker, links))
    assert called == url.partition("?")[0]
    return json.loads(body)


@pytest.mark.parametrize("channel", CHATS)
def test_an_alert_says_what_happened_to_which_worker_and_where(channel: MessageChannel) -> None:
    text = json.dumps(sent(channel, alert()), ensure_ascii=False)
    for part in ("No rows", "Shop: The run succeeded without a single row.", "/runs/01RUN"):
        assert part in text, part
    assert "example//runs" not in text
    assert "/runs/" not in json.dumps(sent(channel, alert(), links=""))


def test_the_forms_are_those_of_the_services() -> None:
    assert sent(MessageChannel.TELEGRAM, alert())["chat_id"] == "-100200"
    assert "parse_mode" not in sent(MessageChannel.TELEGRAM, alert())
    [card] = sent(MessageChannel.TEAMS, alert())["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    kinds = {block["type"] for block in card["content"]["body"]}
    assert kinds == {"RichTextBlock"}, "a text block would be Markdown"
    assert sent(MessageChannel.DISCORD, alert())["allowed_mentions"] == {"parse": []}
    assert sent(MessageChannel.SLACK, alert())["text"].startswith("*No rows*\n")


@pytest.mark.parametrize("channel", CHATS)
def test_no_text_mentions_people(channel: MessageChannel) -> None:
    body = sent(channel, alert(sentence=HOSTILE, rule=HOSTILE), worker=HOSTILE)
    text = json.dumps(body, ensure_ascii=False)
    if channel is MessageChannel.DISCORD:
        assert body["allowed_mentions"] == {"parse": []}
    elif channel is MessageChannel.TEAMS:  # mentions are entities of a card
        assert "entities" not in text and "<at>" not in text
    else:
        assert "@everyone" not in text and "@\u200beveryone" in text
        assert "<!channel>" not in text or channel is MessageChannel.TELEGRAM
    if channel is MessageChannel.TELEGRAM:
        assert "/stop" not in text and "https://evil.example" in text
        assert text.count(LINKS + "runs/01RUN") == 1


def test_an_event_of_a_later_release_has_a_plain_colour() -> None:
    event = json.dumps({"type": "run.paused", "data": {"run_slug": "01RUN"}})
    found = chat_message(event, "Shop", LINKS)
    assert (found.title, found.colour) == ("Shop: paused", 0x546E7A)


def test_no_text_hides_a_link() -> None:
    hostile = alert(sentence=HOSTILE, rule=HOSTILE)
    slack = sent(MessageChannel.SLACK, hostile)["text"]
    assert "<!channel>" not in slack and "@everyone" not in slack and "](" not in slack
    assert slack.count("<") == 1, "only our own link"
    [embed] = sent(MessageChannel.DISCORD, hostile)["embeds"]
    assert r"\[bank\]\(https://evil.example\)" in embed["description"]


@pytest.mark.parametrize(
    ("event", "data", "title", "text"),
    [
        (WebhookEvent.RUN_STARTED, {}, "Shop: started", "The run has started."),
        (
            WebhookEvent.RUN_SUCCEEDED,
            {"result_count": 1200, "running_duration": 61},
            "Shop: succeeded",
            "1,200 rows in 61 s",
        ),
        (
            WebhookEvent.RUN_FAILED,
            {"result_count": 1, "running_duration": 5, "error_message": "KeyError: 'price'"},
            "Shop: failed",
            "KeyError: 'price'\n1 row in 5 s",
        ),
        (TEST_EVENT, {"name": "ops"}, "Test message from Fyke", "ops works."),
    ],
)
def test_a_run_is_described_in_a_line(
    event: str, data: dict[str, Any], title: str, text: str
) -> None:
    found = chat_message(message(event, 0, {"run_slug": "01RUN", **data}), "Shop", LINKS)
    assert (found.title, found.text) == (title, text)


def test_a_long_error_is_cut() -> None:
    found = chat_message(alert(sentence="x" * 9000), "Shop", LINKS)
    assert len(found.text) == MAX_TEXT and found.text.endswith("…")


def test_what_gives_access_is_not_shown() -> None:
    shown = shown_address("https://hooks.slack.com/services/T0/B0/secret?x=1")
    assert shown == f"https://hooks.slack.com/{HIDDEN}"
    assert TOKEN not in shown_address(TELEGRAM)


def test_a_title_of_signs_fits_into_an_embed() -> None:
    [embed] = sent(MessageChannel.DISCORD, message(WebhookEvent.RUN_FAILED, 0, {}), "_" * 500)[
        "embeds"
    ]
    assert len(embed["title"]) <= MAX_TITLE
    assert embed["title"].startswith(r"\_\_") and embed["title"].endswith("…")
