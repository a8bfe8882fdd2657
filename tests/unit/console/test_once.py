from __future__ import annotations

import re

from fyke.console.forms import PostedForm
from fyke.console.once import MAX_CHARS, once_field, once_key


def key_of(once: str, *asked: object) -> str | None:
    key = once_key(PostedForm([("once", once)]), *asked)
    return key.text if key else None


def test_each_form_has_another_value() -> None:
    values = [re.findall(r'name="once" value="(\w+)"', once_field()) for _ in range(2)]
    assert len(values[0]) == len(values[1]) == 1 and values[0] != values[1]


def test_the_key_is_of_the_value_and_of_what_is_asked_for() -> None:
    assert key_of("a", "start", {"n": 1}) == key_of("a", "start", {"n": 1})
    keys = {key_of("a", 1), key_of("a", 2), key_of("b", 1)}
    assert len(keys) == 3 and None not in keys


def test_a_form_without_a_value_has_no_key() -> None:
    assert key_of("") is None and once_key(PostedForm()) is None
    assert key_of("x" * (MAX_CHARS + 1)) is None
