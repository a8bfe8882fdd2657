"""Validation of endpoints: name, address, events, description. Every error names its field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fyke.domain.callbacks.url import CallbackRules
from fyke.errors import InvalidRequest
from fyke.model.webhook import MAX_DESCRIPTION, MAX_NAME, WebhookEvent


@dataclass(frozen=True, slots=True)
class EndpointFields:
    """The fields of an endpoint that its owner sets; validated by ``checked``."""

    name: str
    url: str
    events: tuple[str, ...]
    description: str = ""
    enabled: bool = True


def checked(addresses: CallbackRules, wanted: EndpointFields) -> EndpointFields:
    """The normalised fields. Raise ``InvalidRequest`` with a sentence for each error."""
    name = " ".join(wanted.name.split())
    url = wanted.url.strip()
    faults = [
        *_name_faults(name),
        *_url_faults(addresses, url),
        *_event_faults(wanted.events),
        *_description_faults(wanted.description),
    ]
    if faults:
        raise InvalidRequest("; ".join(faults), details=faults)
    events = tuple(event.value for event in WebhookEvent if event.value in wanted.events)
    return EndpointFields(name, url, events, wanted.description.strip(), wanted.enabled)


def _name_faults(name: str) -> Iterable[str]:
    if not 1 <= len(name) <= MAX_NAME:
        yield f"name: it must have 1 to {MAX_NAME} characters"


def _url_faults(addresses: CallbackRules, url: str) -> Iterable[str]:
    try:
        addresses.check(url)
    except InvalidRequest as error:
        yield error.message.replace("callback_url", "url", 1)


def _event_faults(events: tuple[str, ...]) -> Iterable[str]:
    known = [event.value for event in WebhookEvent]
    strange = sorted(set(events) - set(known))
    if strange:
        yield f"events: there is no event {strange[0][:40]!r}; choose from {', '.join(known)}"
    elif not events:
        yield f"events: choose at least one of {', '.join(known)}"


def _description_faults(description: str) -> Iterable[str]:
    if len(description) > MAX_DESCRIPTION:
        yield f"description: it must have at most {MAX_DESCRIPTION} characters"
