"""Reads and checks the fields of an input. Every error names the field and the rule."""

from __future__ import annotations

from typing import Any

MAX_TEXT = 500


class BadInput(ValueError):
    """A field of the input is invalid."""


class Fields:
    """Reads fields by name. A field that is absent, null or blank has its default."""

    def __init__(self, custom: dict[str, Any]) -> None:
        self._custom = custom

    def requests(self, name: str) -> list[str]:
        """The addresses of a list (strings or objects with ``url``), or ``url`` of a subtask."""
        single = self._custom.get("url")
        items = [single] if single else self._custom.get(name)
        return _texts_of(items)

    def switch(self, name: str, default: bool) -> bool:
        value = self._custom.get(name)
        if value is None or value == "":
            return default
        values = {"true": True, "1": True, "false": False, "0": False}
        found = values.get(str(value).strip().lower())
        if found is None:
            raise BadInput(f"{name}: {value!r} is neither true nor false")
        return found

    def number(
        self, name: str, default: float, minimum: float, maximum: float, whole: bool = False
    ) -> float:
        value = self._custom.get(name)
        if value is None or value == "":
            return default
        kind = "a whole number" if whole else "a number"
        try:
            if isinstance(value, bool):
                raise ValueError
            found = float(value)
        except (TypeError, ValueError):
            raise BadInput(f"{name}: {value!r} is not {kind}") from None
        if not minimum <= found <= maximum or (whole and found != int(found)):
            raise BadInput(f"{name}: {value!r} must be {kind} from {minimum:g} to {maximum:g}")
        return found

    def text(self, name: str, default: str) -> str:
        value = _text_of(self._custom.get(name))
        if len(value) > MAX_TEXT or not (value.isascii() and value.isprintable()):
            raise BadInput(f"{name}: at most {MAX_TEXT} printable ASCII characters are allowed")
        return value or default

    def texts(self, name: str) -> tuple[str, ...]:
        found = tuple(_texts_of(self._custom.get(name)))
        for text in found:
            if len(text) > MAX_TEXT:
                raise BadInput(f"{name}: a pattern has more than {MAX_TEXT} characters")
        return found

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        """One of ``options``, the first of which is the default."""
        value = self.text(name, options[0])
        if value not in options:
            raise BadInput(f"{name}: {value!r} must be one of {', '.join(options)}")
        return value


def _texts_of(value: Any) -> list[str]:
    return [text for text in map(_text_of, value if isinstance(value, list) else [value]) if text]


def _text_of(item: Any) -> str:
    """The text of a list item: a string, or an object's ``url``, ``string`` or first string."""
    if isinstance(item, dict):
        texts = [value for value in item.values() if isinstance(value, str)]
        item = item.get("url") or item.get("string") or (texts[0] if texts else "")
    return item.strip() if isinstance(item, str) else ""
