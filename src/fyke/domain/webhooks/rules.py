"""Validation of endpoints: name, address, events, description. Every error names its field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fyke.domain.callbacks.url import CallbackRules
from fyke.errors import InvalidRequest, Problem
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
    """The fields in one spelling. Raise ``InvalidRequest`` with each problem."""
    name = " ".join(wanted.name.split())
    url = wanted.url.strip()
    faults = [
        *_name_faults(name),
        *_url_faults(addresses, url),
        *_event_faults(wanted.events),
        *_description_faults(wanted.description),
    ]
    if faults:
        raise InvalidRequest.of(faults)
    events = tuple(event.value for event in WebhookEvent if event.value in wanted.events)
    return EndpointFields(name, url, events, wanted.description.strip(), wanted.enabled)


def _name_faults(name: str) -> Iterable[Problem]:
    if not 1 <= len(name) <= MAX_NAME:
        yield Problem(f"it must have 1 to {MAX_NAME} characters", "name")


def _url_faults(addresses: CallbackRules, url: str) -> Iterable[Problem]:
    try:
        addresses.check(url)
    except InvalidRequest as error:
        yield from (replace(problem, field="url") for problem in error.problems)


def _event_faults(events: tuple[str, ...]) -> Iterable[Problem]:
    known = [event.value for event in WebhookEvent]
    strange = sorted(set(events) - set(known))
    if strange:
        rule = f"there is no event {strange[0][:40]!r}; choose from {', '.join(known)}"
        yield Problem(rule, "events")
    elif not events:
        yield Problem(f"choose at least one of {', '.join(known)}", "events")


def _description_faults(description: str) -> Iterable[Problem]:
    if len(description) > MAX_DESCRIPTION:
        yield Problem(f"it must have at most {MAX_DESCRIPTION} characters", "description")
