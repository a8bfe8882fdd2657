"""A webhook endpoint of an account, and the events that it can subscribe to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_ENDPOINTS = 20  # of one account
MAX_NAME = 80
MAX_DESCRIPTION = 500
OLD_SECRET_MS = 24 * 3600 * 1000  # how long messages are also signed with a replaced secret


class MessageChannel(StrEnum):
    """What receives the messages: a program of the account, with a signature, or a chat, in the
    form that its service takes.
    """

    WEBHOOK = "webhook"
    SLACK = "slack"  # also Mattermost and Rocket.Chat
    TEAMS = "teams"
    DISCORD = "discord"
    TELEGRAM = "telegram"


class WebhookEvent(StrEnum):
    """The events that an endpoint can subscribe to."""

    RUN_STARTED = "run.started"
    RUN_SUCCEEDED = "run.succeeded"
    RUN_FAILED = "run.failed"
    RUN_ABORTED = "run.aborted"
    ALERT_RAISED = "alert.raised"


TEST_EVENT = "webhook.test"  # sent only on request, to test an endpoint


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that events are sent to. Times in ms since the epoch, 0 = never.

    The secrets are derived from ``salt`` and ``old_salt`` (``secrets.py``); the old one is valid
    until ``old_until``. The address of a chat is a secret: ``sealed`` is the whole address, ``url``
    the part that may be shown (``chats.py``). The ``last_`` members describe the latest attempt of
    any of its deliveries;
    ``failing_since`` is the first failure since the last success.
    """

    id: str
    account_id: str
    name: str
    url: str
    events: tuple[WebhookEvent, ...]
    description: str
    enabled: bool
    salt: str
    old_salt: str
    old_until: int
    created_at: int
    updated_at: int
    last_at: int = 0
    last_status: int = 0
    last_error: str = ""
    last_reply: str = ""
    failing_since: int = 0
    channel: MessageChannel = MessageChannel.WEBHOOK
    sealed: str = ""
