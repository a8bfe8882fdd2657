"""Validation of endpoints; each refusal names the field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.webhooks.rules import EndpointFields, validate_endpoint
from fyke.errors import InvalidRequest
from fyke.kit.addresses import AddressRules

ADDRESSES = CallbackRules(AddressRules(()))
GOOD = EndpointFields("Operations", "https://hooks.example/x", ("run.failed", "run.started"))


def test_valid_fields_are_normalised() -> None:
    spaced = replace(GOOD, name="  Operations  team ", url=" https://hooks.example/x ")
    found = validate_endpoint(ADDRESSES, spaced)
    assert (found.name, found.url) == ("Operations team", "https://hooks.example/x")
    assert found.events == ("run.started", "run.failed")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": " "}, "name: it must have 1 to 80 characters"),
        ({"name": "x" * 81}, "name: it must have 1 to 80 characters"),
        ({"url": "ftp://a.example/"}, "url: it must be absolute and start with http://"),
        ({"url": "http://127.0.0.1:9000/"}, "url: 127.0.0.1 port 9000 is not on the public"),
        (
            {"url": "https://hooks.slack.com/***"},
            "url: this is how the address of a chat is shown; enter all of it",
        ),
        ({"url": ""}, "url: it must have 1 to 2048 characters"),
        ({"events": ()}, "events: choose at least one of run.started,"),
        ({"events": ("run.exploded",)}, "events: there is no event 'run.exploded'; choose from"),
        ({"events": ("webhook.test",)}, "events: there is no event 'webhook.test'"),
        ({"description": "x" * 501}, "description: it must have at most 500"),
    ],
)
def test_each_error_names_the_field_and_the_rule(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match="^" + sentence[:20]) as caught:
        validate_endpoint(ADDRESSES, replace(GOOD, **changes))
    assert caught.value.message.startswith(sentence)


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        validate_endpoint(ADDRESSES, EndpointFields("", "x", ()))
    assert [text.partition(":")[0] for text in caught.value.details] == ["name", "url", "events"]
