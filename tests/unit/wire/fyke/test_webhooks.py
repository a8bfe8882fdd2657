"""The members of a webhook in a request."""

from __future__ import annotations

import msgspec
import pytest

from fyke.wire.fyke.webhooks import WebhookFields


@pytest.mark.parametrize(
    ("body", "channel"),
    [({}, ""), ({"channel": "slack"}, "slack"), ({"channel": "webhook"}, "webhook")],
)
def test_an_absent_channel_is_not_a_choice(body: dict[str, str], channel: str) -> None:
    assert msgspec.convert(body, WebhookFields).fields.channel == channel
