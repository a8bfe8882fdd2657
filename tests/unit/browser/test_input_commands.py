"""Input as commands of the DevTools protocol."""

from __future__ import annotations

import pytest

from fyke.browser.input_commands import command_of
from fyke.contracts.browser_view import BrowserInput, KeyInput, PointerInput, ScrollInput, TextInput


def test_places_are_shares_of_the_viewport() -> None:
    method, event = command_of(PointerInput("release", 1, 0.5, "right", 2, 8), 1280, 720)
    assert method == "Input.dispatchMouseEvent"
    assert event == {
        "type": "mouseReleased",
        "button": "right",
        "clickCount": 2,
        "modifiers": 8,
        "x": 1280,
        "y": 360,
    }
    assert command_of(ScrollInput(0.25, 0, -3, 120), 400, 100) == (
        "Input.dispatchMouseEvent",
        {"type": "mouseWheel", "deltaX": -3, "deltaY": 120, "x": 100, "y": 0},
    )


def test_a_text_is_inserted_whole() -> None:
    assert command_of(TextInput("ä\n中"), 1, 1) == ("Input.insertText", {"text": "ä\n中"})


@pytest.mark.parametrize(
    ("given", "kind", "code", "more"),
    [
        (KeyInput(True, "a", "KeyA"), "keyDown", 65, {"text": "a"}),
        (KeyInput(True, "A", "KeyA", 8), "keyDown", 65, {"text": "A"}),
        (KeyInput(True, "7", "Digit7"), "keyDown", 55, {"text": "7"}),
        (KeyInput(True, "é", "Digit2"), "keyDown", 50, {"text": "é"}),
        (KeyInput(True, "中"), "keyDown", 0, {"text": "中"}),
        (KeyInput(True, "Enter", "Enter"), "keyDown", 13, {"text": "\r"}),
        (KeyInput(True, " ", "Space"), "keyDown", 32, {"text": " "}),
        (KeyInput(True, "F5", "F5"), "rawKeyDown", 116, {}),
        (KeyInput(True, "Shift", "ShiftLeft", 8), "rawKeyDown", 16, {}),
        (KeyInput(True, "a", "KeyA", 2), "rawKeyDown", 65, {"commands": ["selectAll"]}),
        (KeyInput(True, "q", "KeyQ", 2), "rawKeyDown", 81, {}),
        (KeyInput(False, "a", "KeyA"), "keyUp", 65, {}),
    ],
)
def test_keys_are_what_pages_expect(
    given: BrowserInput, kind: str, code: int, more: dict[str, object]
) -> None:
    method, event = command_of(given, 1, 1)
    assert method == "Input.dispatchKeyEvent"
    assert isinstance(given, KeyInput)
    assert event == {
        "type": kind,
        "key": given.key,
        "code": given.code,
        "modifiers": given.modifiers,
        "windowsVirtualKeyCode": code,
        **more,
    }
