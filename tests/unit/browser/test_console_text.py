"""How values are shown on a console."""

from __future__ import annotations

import msgspec
import pytest

from fyke.browser.console_text import Argument, text_of


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ({"description": "Object", "preview": {"overflow": True, "properties": [
            {"name": "k", "type": "number", "value": "1"},
            {"name": "s", "type": "string", "value": 'a"b'},
            {"name": "f", "type": "function", "value": ""}]}},
         '{k: 1, s: "a\\"b", f: function, …}'),
        ({"description": "Point", "preview": {"properties": []}}, "Point {}"),
        ({"subtype": "array", "description": "Array(2)", "preview": {"properties": [
            {"name": "0", "type": "number", "value": "1"},
            {"name": "1", "type": "string", "value": "x"}]}}, '[1, "x"]'),
        ({"subtype": "error", "description": "Error: no", "preview": {"properties": [
            {"name": "stack", "type": "string", "value": "Error"}]}}, "Error: no"),
        ({"description": "Object"}, "Object"),
    ],
)  # fmt: skip
def test_objects_are_shown_with_what_they_contain(argument: dict[str, object], text: str) -> None:
    assert text_of(msgspec.convert({"type": "object"} | argument, Argument)) == text
