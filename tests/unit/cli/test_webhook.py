"""Output and requests of ``fyke webhook``."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from fyke.cli import webhook
from fyke.cli.errors import CommandFailed, Exit
from fyke_client.types.fyke import webhooks as types
from fyke_client.types.fyke.webhooks import WebhookItem, WebhookSecret, WebhookTest
from support.scripted import ScriptedServer

CHAT = WebhookItem(
    id="W1", name="team", url="https://hooks.slack.com/***", channel="slack",
    events=["alert.raised"], description="", enabled=True, old_secret_until=0, failing_since=0,
    disabled_at=0, last_at=0, last_status=0, last_error="", last_reply="", next_at=0, created_at=1,
    updated_at=1,
)  # fmt: skip


def result(*, taken: bool, status: int, error: str = "") -> WebhookTest:
    steps = [types.TestStep("resolve", "192.0.2.1", 3, ok=True)]
    return WebhookTest(taken, "msg_1", status, error, "", 12, "{}", steps)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address on standard input, with a line break."""

    class Piped:
        buffer = io.BytesIO(b"https://hooks.slack.com/services/x\n")

        @staticmethod
        def isatty() -> bool:
            return False

    monkeypatch.setattr(sys, "stdin", Piped)


def test_webhooks_are_listed_with_their_channel() -> None:
    server: Any = ScriptedServer(webhooks=[CHAT])
    webhook.list_webhooks(server)
    _, line = server.data.splitlines()
    assert line.split()[:5] == [
        "W1",
        "team",
        "slack",
        "https://hooks.slack.com/***",
        "alert.raised",
    ]
    server = ScriptedServer(as_json=True, webhooks=[CHAT])
    webhook.list_webhooks(server)
    assert json.loads(server.data)[0]["channel"] == "slack"


@pytest.mark.usefixtures("address")
def test_the_address_of_a_chat_comes_from_standard_input() -> None:
    server: Any = ScriptedServer(add_webhook=WebhookSecret("W1", "team", ""))
    webhook.add(server, "team", "slack", None)
    values = {"channel": "slack", "events": ["alert.raised"]}
    url = "https://hooks.slack.com/services/x"
    assert server.client.calls == [("add_webhook", "team", url, values)]
    assert server.data == "" and "fyke webhook test W1" in server.messages


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize("as_json", [False, True])
def test_the_secret_of_a_webhook_is_written_once(as_json: bool) -> None:
    server: Any = ScriptedServer(as_json, add_webhook=WebhookSecret("W1", "ops", "whsec_x"))
    webhook.add(server, "ops", "webhook", ["run.failed"])
    written = json.loads(server.data)["secret"] if as_json else server.data.strip()
    assert written == "whsec_x"


def test_a_test_shows_its_steps_and_fails_if_it_is_not_accepted() -> None:
    server: Any = ScriptedServer(test_webhook=result(taken=True, status=200))
    webhook.test(server, "W1")
    assert "resolve: 192.0.2.1" in server.messages and "was accepted" in server.messages
    for answer, text in (
        (result(taken=False, status=404), "HTTP 404"),
        (result(taken=False, status=0, error="no answer within 15 s"), "no answer within 15 s"),
    ):
        with pytest.raises(CommandFailed, match=text) as caught:
            webhook.test(ScriptedServer(test_webhook=answer), "W1")  # type: ignore[arg-type]
        assert caught.value.code is Exit.FAILED


def test_a_removed_webhook_is_reported() -> None:
    server: Any = ScriptedServer(delete_webhook=None)
    webhook.delete(server, "W1")
    assert server.client.calls == [("delete_webhook", "W1")] and "W1" in server.messages
