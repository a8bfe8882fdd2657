"""Three ways to use a page: with a mouse, with a keyboard alone, with a finger on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from playwright.sync_api import Locator, Page, expect

from support.browser import PHONE, WIDE

STEPS = 250  # presses of Tab after which a user would give up
# Whether the focus is on the element, or on another choice of the same group of radio buttons.
_FOCUS = """(target) => {
  const now = document.activeElement;
  if (now === target) return 'there';
  const group = (input) => input.type === 'radio' && input.form === target.form && input.name;
  return group(now) && group(now) === group(target) ? 'beside' : '';
}"""
# The reason why a focus cannot be seen (WCAG 2.4.7, 2.4.11); empty when it can.
_UNSEEN = """(element) => {
  const area = element.getBoundingClientRect(), style = getComputedStyle(element);
  if (!element.matches(':focus-visible')) return 'no :focus-visible';
  if (area.bottom <= 0 || area.top >= innerHeight) return 'outside of the window';
  const at = document.elementFromPoint(
    Math.min(Math.max(area.left + area.width / 2, 0), innerWidth - 1),
    Math.min(Math.max(area.top + Math.min(area.height / 2, 12), 0), innerHeight - 1),
  );
  const label = element.labels && [...element.labels].some((label) => label.contains(at));
  if (at && !element.contains(at) && !at.contains(element) && !label)
    return 'covered by ' + at.outerHTML;
  if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) return 'no outline';
  return '';
}"""


class InputDevice(Protocol):
    """Every method waits until the element is there."""

    name: str
    page: Page

    def press(self, locator: Locator) -> None:
        """Use a link, a button or a choice."""

    def write(self, locator: Locator, text: str) -> None:
        """Replace the content of the field with the text."""

    def attach(self, locator: Locator, file: Path) -> None:
        """Choose a file."""


class Mouse:
    name = "mouse"

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, locator: Locator) -> None:
        expect(locator).to_be_visible()  # its error shows the page
        locator.click()

    def write(self, locator: Locator, text: str) -> None:
        self.press(locator)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def attach(self, locator: Locator, file: Path) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.press(locator)
        chooser.value.set_files(file)


class Finger(Mouse):
    name = "finger"

    def press(self, locator: Locator) -> None:
        expect(locator).to_be_visible()
        locator.tap()


class Keyboard:
    """Keys only: Tab to move, and the keys of each kind of control."""

    name = "keyboard"

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, locator: Locator) -> None:
        self.reach(locator)
        kind = locator.evaluate("(element) => element.type || element.localName")
        self.page.keyboard.press("Space" if kind in ("checkbox", "radio", "file") else "Enter")

    def write(self, locator: Locator, text: str) -> None:
        self.reach(locator)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def attach(self, locator: Locator, file: Path) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.press(locator)
        chooser.value.set_files(file)

    def reach(self, locator: Locator) -> None:
        """Move the focus to ``locator`` with Tab, and check that it can be seen."""
        expect(locator).to_be_visible()
        for _ in range(STEPS):
            focus = locator.evaluate(_FOCUS)
            if focus == "there":
                break
            self.page.keyboard.press("ArrowDown" if focus == "beside" else "Tab")
        else:
            raise AssertionError(f"pressing Tab {STEPS} times does not reach {locator}")
        unseen = locator.evaluate(_UNSEEN)
        assert not unseen, f"the focus on {locator} cannot be seen: {unseen}"


INPUT_DEVICES: dict[str, tuple[type[Mouse] | type[Keyboard], dict[str, int], bool]] = {
    "mouse": (Mouse, WIDE, False),
    "keyboard": (Keyboard, WIDE, False),
    "phone": (Finger, PHONE, True),
}
