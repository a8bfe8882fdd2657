"""Answers of the four services, as they document them, and what they mean."""

from __future__ import annotations

import pytest

from fyke.contracts.delivery import ReceiverResponse
from fyke.domain.webhooks.chat_answers import ChatProblem, chat_problem
from fyke.model.webhook import MessageChannel

SLACK, TEAMS, DISCORD, TELEGRAM = (
    MessageChannel.SLACK,
    MessageChannel.TEAMS,
    MessageChannel.DISCORD,
    MessageChannel.TELEGRAM,
)
UPGRADED = (
    '{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a '
    'supergroup chat","parameters":{"migrate_to_chat_id":-100123}}'
)


@pytest.mark.parametrize(
    ("channel", "status", "reply", "problem"),
    [
        (SLACK, 200, "ok", None),
        (SLACK, 404, "no_service", ChatProblem.REMOVED),
        (SLACK, 410, "channel_is_archived", ChatProblem.CHANNEL),
        (SLACK, 403, "action_prohibited", ChatProblem.FORBIDDEN),
        (SLACK, 400, "invalid_payload", None),
        (SLACK, 429, "rate_limited", ChatProblem.BUSY),
        (TEAMS, 202, "", None),
        (TEAMS, 401, '{"error":{"code":"DirectApiAuthorizationRequired"}}', ChatProblem.FORBIDDEN),
        (TEAMS, 404, '{"error":{"code":"WorkflowNotFound"}}', ChatProblem.REMOVED),
        (DISCORD, 204, "", None),
        (DISCORD, 404, '{"message":"Unknown Webhook","code":10015}', ChatProblem.REMOVED),
        (DISCORD, 401, '{"message":"Invalid Webhook Token","code":50027}', ChatProblem.REMOVED),
        (DISCORD, 429, '{"retry_after":0.5}', ChatProblem.BUSY),
        (TELEGRAM, 200, '{"ok":true}', None),
        (TELEGRAM, 401, '{"description":"Unauthorized"}', ChatProblem.TOKEN),
        (TELEGRAM, 404, '{"description":"Not Found"}', ChatProblem.TOKEN),
        (TELEGRAM, 400, '{"description":"Bad Request: chat not found"}', ChatProblem.CHAT),
        (TELEGRAM, 403, '{"description":"Forbidden: bot was kicked"}', ChatProblem.MEMBER),
        (TELEGRAM, 400, UPGRADED, ChatProblem.MOVED),
        (MessageChannel.WEBHOOK, 429, "", None),
        (DISCORD, 0, "", None),
    ],
)
def test_an_answer_is_explained(
    channel: MessageChannel, status: int, reply: str, problem: ChatProblem | None
) -> None:
    assert chat_problem(channel, ReceiverResponse(status, reply=reply)) is problem
