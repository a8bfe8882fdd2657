"""The input of a run is shown without its secrets, at a limited cost."""

from __future__ import annotations

import json

import pytest

from fyke.domain.runs import hidden_input
from fyke.domain.runs.hidden_input import (
    MAX_ENCODINGS,
    InputSecrets,
    masker_of,
    shown_input,
    unknown_secrets,
)
from fyke.domain.workers.secret_inputs import MAX_VALUE_CHARS, MAX_VALUES

KEY = "abcdef12"
SECRETS = InputSecrets(frozenset(), masker_of({"api_key": KEY}))


def test_a_secret_is_masked_in_other_fields_too() -> None:
    text = json.dumps({"api_key": KEY, "urls": [f"https://x/{KEY}/items"], KEY: 1})
    shown = json.loads(shown_input(text, SECRETS))
    assert shown == {"api_key": "***", "urls": ["https://x/***/items"], "***": 1}


def test_only_a_small_input_is_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"a": [1, 2]})
    assert b"\n  " in shown_input(text, SECRETS)
    monkeypatch.setattr(hidden_input, "INDENTED_BYTES", 4)
    assert b"\n" not in shown_input(text, SECRETS)


def test_nothing_is_shown_when_secrets_are_unknown() -> None:
    assert shown_input('{"a": 1}', unknown_secrets()) == b'"***"'
    assert shown_input("{", SECRETS) == b'"***"'


def test_the_encodings_of_all_values_are_limited() -> None:
    odd = "<&\"'/\u00e9\n%=`" * 60
    values = {f"n{n}": f"{n:03d}{odd}"[:MAX_VALUE_CHARS] for n in range(MAX_VALUES)}
    masker = masker_of(values)
    assert masker.weight <= 1 + (MAX_ENCODINGS + 4 * MAX_VALUES) // 8
    for value in values.values():
        assert value not in masker.text(f"a {value} b")
