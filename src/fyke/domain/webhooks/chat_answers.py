"""What the answer of a chat's service means, where its owner can do something about it."""

from __future__ import annotations

from enum import StrEnum

from fyke.contracts.delivery import ReceiverResponse
from fyke.model.webhook import MessageChannel


class ChatProblem(StrEnum):
    """Why a service has refused a message."""

    BUSY = "busy"  # too many messages
    REMOVED = "removed"  # the webhook or workflow does not exist any more
    CHANNEL = "channel"  # the channel was removed or archived
    FORBIDDEN = "forbidden"  # a rule of the workspace, or of who may start the workflow
    TOKEN = "token"  # noqa: S105 - the token of a bot is wrong
    CHAT = "chat"  # the chat is unknown to the bot
    MEMBER = "member"  # the bot may not write to the chat
    MOVED = "moved"  # the chat has another id, which is in the answer


_BY_WORD: dict[MessageChannel, tuple[tuple[str, ChatProblem], ...]] = {
    MessageChannel.SLACK: (
        ("channel_not_found", ChatProblem.CHANNEL),
        ("channel_is_archived", ChatProblem.CHANNEL),
        ("action_prohibited", ChatProblem.FORBIDDEN),
        ("posting_to_general_channel_denied", ChatProblem.FORBIDDEN),
        ("no_service", ChatProblem.REMOVED),
        ("no_team", ChatProblem.REMOVED),
        ("invalid_token", ChatProblem.REMOVED),
    ),
    MessageChannel.TELEGRAM: (
        ("supergroup", ChatProblem.MOVED),
        ("chat not found", ChatProblem.CHAT),
    ),
}
_BY_STATUS: dict[MessageChannel, dict[int, ChatProblem]] = {
    MessageChannel.TEAMS: {
        401: ChatProblem.FORBIDDEN,
        403: ChatProblem.FORBIDDEN,
        404: ChatProblem.REMOVED,
        410: ChatProblem.REMOVED,
    },
    MessageChannel.DISCORD: {401: ChatProblem.REMOVED, 404: ChatProblem.REMOVED},
    MessageChannel.TELEGRAM: {
        401: ChatProblem.TOKEN,
        403: ChatProblem.MEMBER,
        404: ChatProblem.TOKEN,
    },
}


def chat_problem(channel: MessageChannel, answer: ReceiverResponse) -> ChatProblem | None:
    """The problem that an answer reports; None for another one, for none, and for a webhook."""
    if channel is MessageChannel.WEBHOOK or not answer.status or 200 <= answer.status < 300:
        return None
    if answer.status == 429:
        return ChatProblem.BUSY
    for word, problem in _BY_WORD.get(channel, ()):
        if word in answer.reply:
            return problem
    return _BY_STATUS.get(channel, {}).get(answer.status)
