"""Secrets in the input of a run are hidden at every depth, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.workers.secret_inputs import (
    MAX_VALUE_CHARS,
    MAX_VALUES,
    find_secrets,
    hide_named,
    secret_names,
)

SCHEMA = {
    "properties": [
        {"name": "apiKey", "editor": "input"},
        {"name": "shop", "title": "Password of the shop", "editor": "input"},
        {"name": "plain", "editor": "input"},
        {"name": "pages", "param_list": [{"param": "pin"}, {"param": "code", "isSecret": True}]},
    ]
}


def hidden(value: dict[str, Any], declared: tuple[str, ...] = ()) -> tuple[Any, dict[str, str]]:
    names = secret_names(json.dumps(SCHEMA), declared)
    found = find_secrets(json.dumps(value), names)
    assert found is not None
    return json.loads(hide_named(json.dumps(value), names)), dict(found.values)


def test_fields_that_ask_for_a_secret_are_hidden() -> None:
    value = {"apiKey": "abcdefgh", "shop": "open sesame", "plain": "kept", "MY_TAG": "of mine"}
    assert hidden(value, ("my_tag",)) == (
        {"apiKey": "***", "shop": "***", "plain": "kept", "MY_TAG": "***"},
        {"apiKey": "abcdefgh", "shop": "open sesame", "MY_TAG": "of mine"},
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"pages": [{"url": "u", "code": "123456"}]}, {"pages": [{"url": "u", "code": "***"}]}),
        (
            {"login": {"user": "u", "ok": True, "n": 5}},
            {"login": {"user": "***", "ok": True, "n": "***"}},
        ),
        (
            {"headers": [{"name": "X-Api-Key", "value": "v"}]},
            {"headers": [{"name": "X-Api-Key", "value": "***"}]},
        ),
        ({"proxy": "http://u:secret1@h:1/p"}, {"proxy": "http://u:***@h:1/p"}),
        (
            {"url": "https://a.example/?q=1&access_token=t1#x"},
            {"url": "https://a.example/?q=1&access_token=***#x"},
        ),
        (
            {"raw": "Accept: x\nCookie: a=b; c\nX-Auth-Token: t"},
            {"raw": "Accept: x\nCookie: ***\nX-Auth-Token: ***"},
        ),
        (
            {"config": '{"a": 1.50, "password": "p", "to": [{"url": "http://u:secret1@h/p"}]}'},
            {"config": '{"a": 1.5, "password": "***", "to": [{"url": "http://u:***@h/p"}]}'},
        ),
        ({"config": '"{\\"token\\": 123456}"'}, {"config": r'"{\"token\": \"***\"}"'}),
        (
            {"lines": '{"token":"a\\"b"}\n{\'pin_token\': \'"c"\', "x": "y"}'},
            {"lines": '{"token":"***"}\n{\'pin_token\': \'***\', "x": "y"}'},
        ),
        ({"plain": '{"a":  1.50,"b":""}'}, {"plain": '{"a":  1.50,"b":""}'}),
        ({"plain": "[" * 100_000}, {"plain": "[" * 100_000}),
        ({"token": "", "cookies": []}, {"token": "", "cookies": []}),
        (
            {"plain": "a: b = c ://d", "n": 1.5, "none": None},
            {"plain": "a: b = c ://d", "n": 1.5, "none": None},
        ),
    ],
)
def test_secrets_are_found_at_every_place(value: dict[str, Any], shown: dict[str, Any]) -> None:
    assert hidden(value)[0] == shown


def test_values_to_mask_are_long_enough_distinct_and_few() -> None:
    many = {"tokens": ["short", "a" * 6, "a" * 6, *(f"value-{n}" for n in range(MAX_VALUES + 5))]}
    shown, values = hidden(many)
    assert set(shown["tokens"]) == {"***"}
    assert len(values) == MAX_VALUES and values["tokens"] == "a" * 6


def test_what_cannot_be_read_is_hidden_as_a_whole() -> None:
    assert secret_names("{", ("A",)) == {"a"}
    for text in ("{", "[" * 100_000 + "]" * 100_000):
        assert hide_named(text, frozenset()) == '"***"'
        assert find_secrets(text, frozenset()) is None
    shown = hide_named('{"a": 1, "token": "t"}', secret_names("[]", ()))
    assert json.loads(shown) == {"a": 1, "token": "***"}


def test_values_that_are_not_searched_for_are_counted() -> None:
    tokens = [f"value-{n}" for n in range(MAX_VALUES + 2)]
    found = find_secrets(json.dumps({"tokens": tokens}), frozenset())
    assert found is not None and found.others == 2
    odd = ["x" * (MAX_VALUE_CHARS + 1), "short", "\ud800-half", "short"]
    found = find_secrets(json.dumps({"tokens": odd}), frozenset())
    assert found is not None and (found.others, found.values) == (3, {})


@pytest.mark.parametrize(
    ("value", "sought"),
    [
        ({"proxy": "http://u:p%40sswd@h"}, {"p%40sswd", "p@sswd"}),
        ({"raw": "Authorization: Bearer abc.def"}, {"Bearer abc.def", "abc.def"}),
        ({"raw": "X-Auth-Token: Custom abcdef"}, {"Custom abcdef", "abcdef"}),
        ({"headers": {"Authorization": "Bearer abc.def"}}, {"Bearer abc.def", "abc.def"}),
        ({"config": '{"password": "JSONPASS77"}'}, {"JSONPASS77"}),
        ({"config": r'x = {"password": "open \"sesame"}'}, {'open "sesame', r"open \"sesame"}),
        ({"url": "https://tokens@h/a"}, {"tokens"}),
        ({"proxy": "http://keykey:@h"}, {"keykey"}),
        ({"url": "https://h/@user?mail=a:b@c"}, set[str]()),
    ],
)
def test_each_form_of_a_secret_is_searched_for(value: dict[str, Any], sought: set[str]) -> None:
    shown, values = hidden(value)
    assert set(values.values()) == sought
    assert not any(text in json.dumps(shown) for text in sought)
