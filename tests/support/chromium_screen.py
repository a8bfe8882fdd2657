"""Chromium as a screen of ``clicks``, driven by Playwright."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ElementHandle, Error, Page

from support.browser import tab
from support.clicks import FIND, ScreenError, Target


class ChromiumScreen:
    def __init__(self, page: Page) -> None:
        self._page = page

    def open(self, address: str) -> None:
        self._page.goto(address)

    def call(self, function: str, *arguments: str) -> Any:
        try:
            return self._page.evaluate(called(function, *arguments))
        except Error as error:
            raise ScreenError(error.message) from error

    def click(self, target: Target) -> None:
        self._element(target).click()

    def key(self, key: str) -> None:
        self._page.keyboard.press(key)

    def write(self, text: str) -> None:
        self._page.keyboard.type(text)

    def attach(self, target: Target, file: Path) -> None:
        self._element(target).set_input_files(file)

    def _element(self, target: Target) -> ElementHandle:
        element = self._page.evaluate_handle(called(FIND, *target)).as_element()
        assert element, target
        return element


def called(function: str, *arguments: str) -> str:
    return f"({function})({', '.join(map(json.dumps, arguments))})"


@contextmanager
def chromium_screen(browser: Browser, base_url: str, token: str) -> Iterator[ChromiumScreen]:
    """A page in a new context, signed in. There must be no errors in it at the end."""
    with tab(browser, base_url, token) as (page, watch):
        yield ChromiumScreen(page)
        assert (watch.errors, watch.foreign, watch.dialogs) == ([], [], [])
