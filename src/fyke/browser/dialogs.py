"""The JavaScript dialogs that are open in the pages of a browser sandbox.

Chromium reports them only to clients that have switched on Page, and only those may answer. So what
is known comes from the connections of the Worker, and an answer goes over one of them.
"""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

MAX_TEXT = 1000  # characters of a message, and of a proposed answer
_MAX_OPEN = 200

Ask = Callable[[str, dict[str, object], str], None]
"""Sends a command of ours on a connection of the Worker: method, parameters and session."""

_numbers = itertools.count(1)


@dataclass(slots=True)
class OpenDialog:
    """``kind`` is that of the DevTools protocol, ``proposal`` the text in a prompt at first, and
    ``since`` in seconds of ``time.monotonic``.
    """

    kind: str
    text: str
    proposal: str
    number: int = field(default_factory=lambda: next(_numbers))
    since: float = field(default_factory=time.monotonic)
    tellers: dict[tuple[int, str], Ask] = field(default_factory=dict)
    """By connection and session."""

    def answer(self, text: str, *, accept: bool) -> None:
        """Answer it as one of its clients would."""
        (_, session), ask = next(iter(self.tellers.items()))
        ask("Page.handleJavaScriptDialog", {"accept": accept, "promptText": text}, session)


class Dialogs:
    """Those that are open, by page; a page has one at a time."""

    def __init__(self) -> None:
        self._open: OrderedDict[Hashable, OpenDialog] = OrderedDict()

    def of(self, page: Hashable) -> OpenDialog | None:
        """The dialog of a page."""
        return self._open.get(page)

    def opened(self, page: Hashable, dialog: OpenDialog, teller: tuple[int, str], ask: Ask) -> None:
        """A client has heard of a dialog."""
        known = self._open.setdefault(page, dialog)
        known.tellers[teller] = ask
        if len(self._open) > _MAX_OPEN:
            self._open.popitem(last=False)

    def closed(self, page: Hashable) -> None:
        """It was answered, or its page shows another document."""
        self._open.pop(page, None)

    def forget(self, connection: int) -> None:
        """A connection of the Worker has ended."""
        for page, dialog in list(self._open.items()):
            for teller in [one for one in dialog.tellers if one[0] == connection]:
                del dialog.tellers[teller]
            if not dialog.tellers:
                del self._open[page]
