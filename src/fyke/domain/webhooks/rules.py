"""Validation of endpoints: name, address, events, description. Every error names its field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.webhooks.chat_addresses import HIDDEN, check_chat_address
from fyke.errors import InvalidRequest, Problem
from fyke.model.webhook import MAX_DESCRIPTION, MAX_NAME, MessageChannel, WebhookEvent


@dataclass(frozen=True, slots=True)
class EndpointFields:
    """The fields of an endpoint that its owner sets; validated by ``validate_endpoint``. Without a
    ``channel`` a new endpoint is a webhook, and a known one keeps its own.
    """

    name: str
    url: str
    events: tuple[str, ...]
    description: str = ""
    enabled: bool = True
    channel: str = MessageChannel.WEBHOOK


def validate_endpoint(
    addresses: CallbackRules,
    fields: EndpointFields,
    *,
    address: bool = True,
    service: bool = True,
) -> EndpointFields:
    """The normalized fields. ``address``: whether to check it, too; ``service``: also whether it
    belongs to the service of the channel. Raise ``InvalidRequest`` with all problems.
    """
    name = " ".join(fields.name.split())
    url = fields.url.strip()
    problems = [
        *_name_problems(name),
        *_channel_problems(fields.channel),
        *(_url_problems(addresses, fields.channel, url, service=service) if address else ()),
        *_event_problems(fields.events),
        *_description_problems(fields.description),
    ]
    if problems:
        raise InvalidRequest.of(problems)
    events = tuple(event.value for event in WebhookEvent if event.value in fields.events)
    return EndpointFields(
        name, url, events, fields.description.strip(), fields.enabled, fields.channel
    )


def _name_problems(name: str) -> Iterable[Problem]:
    if not 1 <= len(name) <= MAX_NAME:
        yield Problem(f"it must have 1 to {MAX_NAME} characters", "name")


def _channel_problems(channel: str) -> Iterable[Problem]:
    names = [known.value for known in MessageChannel]
    if channel not in names:
        yield Problem(
            f"there is no channel {channel[:40]!r}; use one of {', '.join(names)}", "channel"
        )


def _url_problems(
    addresses: CallbackRules, channel: str, url: str, *, service: bool
) -> Iterable[Problem]:
    if url.endswith(f"/{HIDDEN}"):
        yield Problem("this is how the address of a chat is shown; enter all of it", "url")
        return
    try:
        addresses.check(url)
        if service:
            check_chat_address(channel, url)
    except InvalidRequest as error:
        yield from (replace(problem, field="url") for problem in error.problems)


def _event_problems(events: tuple[str, ...]) -> Iterable[Problem]:
    names = [event.value for event in WebhookEvent]
    unknown = sorted(set(events) - set(names))
    if unknown:
        rule = f"there is no event {unknown[0][:40]!r}; choose from {', '.join(names)}"
        yield Problem(rule, "events")
    elif not events:
        yield Problem(f"choose at least one of {', '.join(names)}", "events")


def _description_problems(description: str) -> Iterable[Problem]:
    if len(description) > MAX_DESCRIPTION:
        yield Problem(f"it must have at most {MAX_DESCRIPTION} characters", "description")
