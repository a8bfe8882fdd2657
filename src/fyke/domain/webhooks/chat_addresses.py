"""The addresses of chats: which service one belongs to, and whether it can take messages.

Only the hosts of the services themselves are known. Servers of Mattermost and Rocket.Chat, and
proxies in front of a service, have names of their own, so any other host is accepted.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from fyke.errors import InvalidRequest, Problem
from fyke.model.webhook import MessageChannel

HIDDEN = "***"  # in the place of the path in an address that may be shown
NAMES = {
    MessageChannel.SLACK: "Slack",
    MessageChannel.TEAMS: "Microsoft Teams",
    MessageChannel.DISCORD: "Discord",
    MessageChannel.TELEGRAM: "Telegram",
}
_HOSTS = {
    "hooks.slack.com": MessageChannel.SLACK,
    "hooks.slack-gov.com": MessageChannel.SLACK,
    "discord.com": MessageChannel.DISCORD,
    "discordapp.com": MessageChannel.DISCORD,
    "canary.discord.com": MessageChannel.DISCORD,
    "ptb.discord.com": MessageChannel.DISCORD,
    "api.telegram.org": MessageChannel.TELEGRAM,
}
_CONNECTORS = re.compile(r"(.+\.)?webhook\.office\.com|outlook\.office(365)?\.com")
_WORKFLOWS = re.compile(r".+\.(logic\.azure\.com|api\.powerplatform\.com)")
_SLACK_PATH = re.compile(r"/services/[^/]+/[^/]+/[^/]+/?")
_DISCORD_PATH = re.compile(r"/api(/v[0-9]+)?/webhooks/[0-9]+/[A-Za-z0-9_-]+/?")
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{20,100}")
_BOT = re.compile(rf"/bot{_TOKEN.pattern}/sendMessage")
_CHAT = re.compile(r"-?[0-9]{1,20}|@[A-Za-z0-9_]{1,64}")
_TELEGRAM_RULE = (
    "the token of a bot and the id of a chat, or the @name of a channel, are needed, as in "
    "https://api.telegram.org/bot<token>/sendMessage?chat_id=<chat>"
)


def check_chat_address(channel: str, url: str) -> None:
    """Raise ``InvalidRequest`` for an address of another service than that of the channel, and for
    one that takes no messages in its form.
    """
    parts = urlsplit(url)
    service = _service_of(parts, channel)
    if service is not None and service != channel:
        name = NAMES[service]
        raise _invalid(f"this is an address of {name}; choose {name}, or enter another address")
    fault = ""
    if service is MessageChannel.SLACK:
        fault = _slack_fault(parts)
    elif service is MessageChannel.DISCORD:
        fault = _discord_fault(parts)
    elif service is MessageChannel.TEAMS:
        fault = _teams_fault(parts)
    if fault:
        raise _invalid(fault)
    if channel == MessageChannel.TELEGRAM:
        telegram_chat(url)


def telegram_address(token: str, chat: str) -> str:
    """The address of a chat for a bot. Raise ``InvalidRequest`` with the problems of the fields
    ``token`` and ``chat``.
    """
    token, chat = token.strip(), chat.strip()
    problems = []
    if not _TOKEN.fullmatch(token):
        rule = "must be a number, a colon and at least 20 letters, digits, hyphens or underscores"
        problems.append(Problem(rule, "token", "copy all of it from @BotFather"))
    if not _CHAT.fullmatch(chat):
        rule = "must be a number, such as -1001234567890, or the @name of a channel"
        problems.append(Problem(rule, "chat"))
    if problems:
        raise InvalidRequest.of(problems)
    return f"https://api.telegram.org/bot{token}/sendMessage?chat_id={quote(chat, safe='')}"


def telegram_chat(url: str) -> str:
    """The chat in an address of Telegram. Raise ``InvalidRequest`` for another address."""
    parts = urlsplit(url)
    chats = parse_qs(parts.query).get("chat_id", [""])
    if not _BOT.fullmatch(parts.path) or not _CHAT.fullmatch(chats[0]):
        raise _invalid(_TELEGRAM_RULE)
    return chats[0]


def _service_of(parts: SplitResult, channel: str) -> MessageChannel | None:
    host = (parts.hostname or "").rstrip(".")
    if channel == MessageChannel.SLACK and _HOSTS.get(host) is MessageChannel.DISCORD:
        # Discord also takes messages in the form of Slack
        return MessageChannel.DISCORD if not parts.path.rstrip("/").endswith("/slack") else None
    if _CONNECTORS.fullmatch(host):
        return MessageChannel.TEAMS
    if _WORKFLOWS.fullmatch(host) and channel != MessageChannel.WEBHOOK:
        return MessageChannel.TEAMS  # but a workflow may also take the events of a webhook
    return _HOSTS.get(host)


def _slack_fault(parts: SplitResult) -> str:
    if parts.path.startswith(("/triggers/", "/workflows/")):
        return "this address starts a workflow of Slack; create an incoming webhook of an app"
    if not _SLACK_PATH.fullmatch(parts.path):
        return "it must be https://hooks.slack.com/services/ and three parts; copy all of it"
    return ""


def _discord_fault(parts: SplitResult) -> str:
    if _DISCORD_PATH.fullmatch(parts.path):
        return ""
    return "it must be https://discord.com/api/webhooks/<number>/<token>; copy all of it"


def _teams_fault(parts: SplitResult) -> str:
    if _CONNECTORS.fullmatch(parts.hostname or ""):
        return (
            "the connectors of Microsoft 365 were retired; create the workflow "
            "“Post to a channel when a webhook request is received” and enter its address"
        )
    if "sig" not in parse_qs(parts.query):
        return (
            "the signature (sig=) is missing; copy all of the address, and let anyone start the "
            "workflow"
        )
    return ""


def _invalid(rule: str) -> InvalidRequest:
    return InvalidRequest(rule, field="url")
