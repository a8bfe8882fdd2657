"""Someone who does a task in the console, in any browser, and counts clicks and key presses.

A click is a press of the mouse, or the key that presses what has the focus. Typing a text, choosing
a file and moving the focus are none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

WAIT_SECONDS = 15.0
POLL_SECONDS = 0.02
MOST_STEPS = 60  # keys to reach a control from the beginning of the content

# The visible element of a target: the first one of the selector whose name has the text.
FIND = """(css, text) => [...document.querySelectorAll(css)].find((element) => {
  const label = element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent;
  const name = (label ?? element.textContent).replace(/\\s+/g, " ");
  return element.checkVisibility() && name.includes(text) && !element.disabled;
})"""
# "there" when the target has the focus, "beside" when another radio button of its group has it,
# "outside" when the focus is not in the content but the target is.
FOCUS = f"""(css, text) => {{
  const target = ({FIND})(css, text), now = document.activeElement;
  if (!target || now === target) return target ? "there" : "missing";
  if (now.type === "radio" && now.form === target.form && now.name === target.name) return "beside";
  const content = document.querySelector("#content");
  return content.contains(target) && !content.contains(now) ? "outside" : "";
}}"""
KIND = f"""(css, text) => {{
  const target = ({FIND})(css, text);
  return target.type || target.localName;
}}"""
HERE = f"(css, text) => Boolean(({FIND})(css, text))"


class Target(NamedTuple):
    """A control of the page: a selector, and what its label or content includes."""

    css: str
    text: str = ""


class ScreenError(Exception):
    """The page did not answer, as while the next one is loaded."""


class Screen(Protocol):
    """One page of a browser. Mouse and keys are those of the browser, not events of a script.

    Keys have the names of the DOM: Enter, " ", Tab, ArrowDown. Methods raise ``ScreenError``.
    """

    def open(self, address: str) -> None:
        """Load an address of the console, which begins with a slash."""

    def call(self, function: str, *arguments: str) -> Any:
        """What a JavaScript function returns for these arguments."""

    def click(self, target: Target) -> None: ...
    def key(self, key: str) -> None: ...
    def write(self, text: str) -> None:
        """Type into what has the focus."""

    def attach(self, target: Target, file: Path) -> None:
        """Choose a file."""


def until(condition: Callable[[], Any], event: str) -> None:
    """Wait until the condition is met; ``event`` names it in the error."""
    end = time.monotonic() + WAIT_SECONDS
    problem: object = "it did not happen"
    while time.monotonic() < end:
        try:
            if condition():
                return
        except ScreenError as error:
            problem = error
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"{event}: {problem}")


class Visit:
    """Someone at a screen. ``clicks`` and ``keys`` are what it took until now."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.clicks = 0
        self.keys = 0

    def press(self, css: str, text: str = "") -> None:
        """Press a control as soon as it is there."""
        target = Target(css, text)
        self.see(css, text)
        self.clicks += 1
        self._press(target)

    def choose_file(self, css: str, file: Path) -> None:
        self.see(css)
        self.screen.attach(Target(css), file)

    def see(self, css: str, text: str = "") -> None:
        """Wait until the page shows an element whose name includes the text."""
        until(lambda: self.screen.call(HERE, css, text), f"{css} {text!r}")

    def in_first_screen(self, css: str) -> bool:
        """Whether the element is visible without scrolling."""
        area = f'(css) => ({FIND})(css, "").getBoundingClientRect().bottom <= innerHeight'
        return bool(self.screen.call(area, css))

    def _press(self, target: Target) -> None:
        raise NotImplementedError


class WithMouse(Visit):
    def _press(self, target: Target) -> None:
        self.screen.click(target)


class WithKeys(Visit):
    """Never touches the mouse. The link to the content, the first one of a page, skips the menu."""

    def _press(self, target: Target) -> None:
        self._reach(target)
        kind = self.screen.call(KIND, *target)
        if kind == "radio":
            return  # an arrow, or Tab to an empty group, has chosen it
        self._key(" " if kind == "checkbox" else "Enter")

    def _reach(self, target: Target) -> None:
        for _ in range(MOST_STEPS):
            place = self.screen.call(FOCUS, *target)
            if place == "there":
                return
            if place == "outside" and not self._has_focus():
                self._key("Tab")
                self._key("Enter")
            else:
                self._key("ArrowDown" if place == "beside" else "Tab")
        raise AssertionError(f"{MOST_STEPS} keys do not lead to {target}")

    def _has_focus(self) -> bool:
        """Whether anything has the focus; nothing has it in a page that was just loaded."""
        return bool(self.screen.call("() => document.activeElement !== document.body"))

    def _key(self, key: str) -> None:
        self.keys += 1
        self.screen.key(key)


WAYS: dict[str, type[Visit]] = {"mouse": WithMouse, "keys": WithKeys}
