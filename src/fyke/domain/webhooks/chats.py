"""Messages to chats: the address of each service, and a message in the form that it takes.

Such an address gives write access to the chat, so it is stored sealed and never shown. No text
of a run or a Worker can mention people, or show a link under another text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fyke.domain.webhooks.chat_addresses import HIDDEN, telegram_chat
from fyke.model.webhook import TEST_EVENT, MessageChannel, WebhookEvent

MAX_TEXT = 1500  # characters; Telegram takes 4096, Discord too, where each may need an escape
MAX_TITLE = 256  # of an embed of Discord
_GOOD, _BAD, _PLAIN = 0x2E7D32, 0xC62828, 0x546E7A
_COLOURS: dict[str, int] = {
    WebhookEvent.RUN_SUCCEEDED: _GOOD,
    WebhookEvent.RUN_FAILED: _BAD,
    WebhookEvent.ALERT_RAISED: _BAD,
}


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """Plain text; ``link`` is "" without an address of the console."""

    title: str
    text: str
    link: str
    colour: int  # 0xRRGGBB


def shown_address(url: str) -> str:
    """The address without what gives access."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{HIDDEN}"


def chat_message(payload: str, worker: str, links: str) -> ChatMessage:
    """What the message of an event says. ``worker`` is the name of its worker, ``links`` the
    address of the console or "".
    """
    event = json.loads(payload)
    kind, data = str(event.get("type", "")), event.get("data", {})
    if kind == TEST_EVENT:
        return ChatMessage("Test message from Fyke", f"{data.get('name', '')} works.", links, _GOOD)
    link = links and links.rstrip("/") + page_of(data)
    colour = _COLOURS.get(kind, _PLAIN)
    if kind == WebhookEvent.ALERT_RAISED:
        sentence = str(data.get("sentence", ""))
        text = _cut(f"{worker}: {sentence}" if worker else sentence)
        return ChatMessage(_cut(str(data.get("rule", "")), 100), text, link, colour)
    word = kind.removeprefix("run.")
    return ChatMessage(_cut(f"{worker or 'Run'}: {word}", 150), _run_text(kind, data), link, colour)


def page_of(data: Mapping[str, Any]) -> str:
    """The path of the page that the data of a message are about: the run, or the task of a start
    that was refused.
    """
    if run := data.get("run_slug"):
        return f"/runs/{run}"
    task = data.get("task_slug")
    return f"/tasks/{task}" if task else "/alerts"


def chat_request(channel: MessageChannel, url: str, message: ChatMessage) -> tuple[str, bytes]:
    """The address to call and the body, for a channel that is not a webhook."""
    if channel is MessageChannel.TELEGRAM:
        body = _telegram(message) | {"chat_id": telegram_chat(url)}
        url = url.partition("?")[0]
    else:
        body = _FORMS[channel](message)
    return url, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _run_text(kind: str, data: Mapping[str, Any]) -> str:
    if kind == WebhookEvent.RUN_STARTED:
        return "The run has started."
    rows, seconds = data.get("result_count", 0), data.get("running_duration", 0)
    figures = f"{rows:,} {'row' if rows == 1 else 'rows'} in {seconds:,} s"
    reason = str(data.get("error_message", "")).strip()
    return _cut(f"{reason}\n{figures}" if reason else figures)


def _cut(text: str, most: int = MAX_TEXT) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _slack(message: ChatMessage) -> dict[str, Any]:
    lines = [f"*{_slack_text(message.title)}*", _slack_text(message.text)]
    if message.link:
        lines.append(f"<{message.link}|Open in Fyke>")
    return {"text": "\n".join(lines), "unfurl_links": False}


def _slack_text(text: str) -> str:
    """The three characters are those of links and of mentions such as ``<!channel>``; ``@`` is one
    in Mattermost and Rocket.Chat.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("@", "@\u200b").replace("](", "]\u200b(")


def _teams(message: ChatMessage) -> dict[str, Any]:
    """An adaptive card. Its text runs, unlike its text blocks, are no Markdown."""
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _teams_text(message.title, weight="Bolder", size="Medium"),
            *(_teams_text(line) for line in message.text.splitlines() if line),
        ],
    }
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Fyke", "url": message.link}]
    content_type = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": content_type, "content": card}]}


def _teams_text(text: str, **style: str) -> dict[str, Any]:
    run = {"type": "TextRun", "text": text, **style}
    return {"type": "RichTextBlock", "inlines": [run]}


def _discord(message: ChatMessage) -> dict[str, Any]:
    text = _discord_text(message.text)
    if message.link:
        text += f"\n{message.link}"
    title = _discord_text(message.title)
    if len(title) > MAX_TITLE:  # a half escape at the end would show the sign that we add
        title = _discord_text(_cut(message.title, MAX_TITLE // 2))
    embed = {"title": title, "description": text, "color": message.colour}
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def _discord_text(text: str) -> str:
    return re.sub(r"([\\*_~`|>\[\]()#<-])", r"\\\1", text)


def _telegram(message: ChatMessage) -> dict[str, Any]:
    """Without ``parse_mode`` the text is plain, but names and commands in it are links."""
    texts = [_telegram_text(message.title), _telegram_text(message.text), message.link]
    text = "\n".join(line for line in texts if line)
    return {"text": text, "link_preview_options": {"is_disabled": True}}


def _telegram_text(text: str) -> str:
    return re.sub(r"@|(?<![\w/:.])/(?=\w)", "\\g<0>\u200b", text)


_FORMS: dict[MessageChannel, Callable[[ChatMessage], dict[str, Any]]] = {
    MessageChannel.SLACK: _slack,
    MessageChannel.TEAMS: _teams,
    MessageChannel.DISCORD: _discord,
}
