"""Input of a user who has taken a browser over, as commands of the DevTools protocol."""

from __future__ import annotations

from typing import Any

from fyke.contracts.browser_view import KeyInput, PointerInput, ScrollInput, TextInput

_ACTIONS = {"move": "mouseMoved", "press": "mousePressed", "release": "mouseReleased"}
_SHIFT = 8
# by the name of the key, as Windows numbers them: pages read ``keyCode``
_KEY_CODES = {
    "Backspace": 8,
    "Tab": 9,
    "Enter": 13,
    "Shift": 16,
    "Control": 17,
    "Alt": 18,
    "CapsLock": 20,
    "Escape": 27,
    " ": 32,
    "PageUp": 33,
    "PageDown": 34,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Insert": 45,
    "Delete": 46,
    "Meta": 91,
    **{f"F{number}": 111 + number for number in range(1, 13)},
}
_TEXTS = {"Enter": "\r", "Tab": "\t"}
_EDITS = {"a": "selectAll", "c": "copy", "x": "cut", "z": "undo"}
_CONTROL, _META, _ALT = 2, 4, 1

PageInput = PointerInput | ScrollInput | KeyInput | TextInput
Command = tuple[str, dict[str, Any]]


def command_of(given: PageInput, width: int, height: int) -> Command:
    """Method and parameters, for a page whose viewport has this size in CSS pixels."""
    if isinstance(given, PointerInput):
        return _pointer(given, width, height)
    if isinstance(given, ScrollInput):
        wheel = {"type": "mouseWheel", "deltaX": given.right, "deltaY": given.down}
        return _mouse(wheel, given.x * width, given.y * height)
    if isinstance(given, TextInput):
        return "Input.insertText", {"text": given.text}
    return "Input.dispatchKeyEvent", _key(given)


def _pointer(given: PointerInput, width: int, height: int) -> Command:
    event = {
        "type": _ACTIONS[given.action],
        "button": given.button,
        "clickCount": given.clicks,
        "modifiers": given.modifiers,
    }
    return _mouse(event, given.x * width, given.y * height)


def _mouse(event: dict[str, Any], x: float, y: float) -> Command:
    return "Input.dispatchMouseEvent", {**event, "x": round(x, 1), "y": round(y, 1)}


def _key(given: KeyInput) -> dict[str, Any]:
    key, held = given.key, given.modifiers
    event: dict[str, Any] = {
        "type": "keyDown" if given.down else "keyUp",
        "key": key,
        "code": given.code,
        "modifiers": held,
        "windowsVirtualKeyCode": _key_code(key, given.code),
    }
    if not given.down:
        return event
    command = held & (_CONTROL | _META)
    if command and key.lower() in _EDITS and not held & (_ALT | _SHIFT):
        event["commands"] = [_EDITS[key.lower()]]
    text = _TEXTS.get(key, key if len(key) == 1 else "")
    if text and not command:
        event["text"] = text
    else:
        event["type"] = "rawKeyDown"
    return event


def _key_code(key: str, code: str) -> int:
    """The number of a key; of letters and digits, that of the character on the key."""
    if key in _KEY_CODES:
        return _KEY_CODES[key]
    for prefix in ("Key", "Digit"):
        if code.startswith(prefix) and len(code) == len(prefix) + 1 and code[-1].isascii():
            return ord(code[-1])
    return ord(key.upper()) if len(key) == 1 and key.isascii() and key.isalnum() else 0
