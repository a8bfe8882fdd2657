"""Fields that count as secret, and the removal of their values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.workers.secret_fields import names_secret, without_secret_defaults

SECRET = "hunter2"


@pytest.mark.parametrize(
    "name",
    [
        "password", "shopPassword", "API_KEY", "apiKey", "apikey", "api-keys", "Access key",
        "clientSecret", "cookie", "sessionCookies", "auth_token", "JWT", "Login", "登录密码",
        "OpenAI API Key", "privateKey", "PIN",
    ],
)  # fmt: skip
def test_names_of_secrets_are_recognised(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize(
    "name",
    ["keyword", "keywords", "search_key", "passenger", "author", "urls", "max_results", "monkey",
     "compass", "pinned", "关键词", "key"],
)  # fmt: skip
def test_other_names_are_not_secrets(name: str) -> None:
    assert not names_secret(name)


@pytest.mark.parametrize(
    "item",
    [
        {"name": "password", "default": SECRET},
        {"name": "x", "title": "API key", "default": SECRET},
        {"name": "x", "editor": "password", "default": SECRET},
        {"name": "x", "format": "password", "default": SECRET, "placeholder": SECRET},
        {"name": "x", "secret": True, "default": SECRET},
        {"name": "SHOP_PIN_CODE", "default": SECRET, "example": SECRET},
        {"name": "declared", "default": SECRET},
        {"name": "x", "default": {"deep": [{"cookie": SECRET}]}},
        {"name": "proxy", "default": f"http://ada:{SECRET}@proxy.example:1080"},
        {"name": "proxies", "default": [f"socks5://:{SECRET}@proxy.example"]},
        {"name": "x", "default": [{"p": SECRET}], "param_list": [{"param": "p", "secret": True}]},
        {"name": "x", "param_list": [{"param": "token", "default": SECRET}]},
        {"name": "x", "default": [{"Declared": SECRET}]},
    ],
    ids=json.dumps,
)
def test_values_of_secret_fields_are_removed(item: dict[str, Any]) -> None:
    before = json.dumps(item)
    found = without_secret_defaults({"properties": [item]}, ("DECLARED",))
    assert SECRET not in json.dumps(found)
    assert found["properties"][0]["name"] == item["name"]
    assert json.dumps(item) == before, "the schema itself is not changed"


@pytest.mark.parametrize(
    "document",
    [
        {"properties": [{"name": "urls", "default": [{"url": "https://a.example/x?y=1@2"}]}]},
        {"properties": [{"name": "big", "default": 12345678901234567890}, "odd", 3]},
        {"properties": "no list", "default": "kept"},
        {"properties": [{"name": "x", "param_list": "no list", "default": None}]},
        {"properties": [{"default": 1}]},
    ],
    ids=json.dumps,
)
def test_other_values_are_unchanged(document: dict[str, Any]) -> None:
    assert without_secret_defaults(document, ()) == document
