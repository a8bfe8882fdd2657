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
_MAX_REPORTERS = 8  # of one dialog; the latest ones are kept

Ask = Callable[[str, dict[str, object], str], None]
"""Sends a command of ours on a connection of the Worker: method, parameters and session."""
Reporter = tuple[int, str]
"""Who has heard of a dialog: the number of a connection, and a session of it."""

_numbers = itertools.count(1)


@dataclass(slots=True)
class OpenDialog:
    """``kind`` is that of the DevTools protocol, ``proposal`` the text in a prompt at first, and
    ``since`` in seconds of ``time.monotonic``. Dialogs are equal when they show the same.
    """

    kind: str
    text: str
    proposal: str
    number: int = field(default_factory=lambda: next(_numbers), compare=False)
    since: float = field(default_factory=time.monotonic, compare=False)
    reporters: dict[Reporter, Ask] = field(default_factory=dict, compare=False)
    """The latest last."""

    def answer(self, text: str, *, accept: bool) -> None:
        """Answer it as the client would that has heard of it last."""
        (_, session), ask = next(reversed(self.reporters.items()))
        ask("Page.handleJavaScriptDialog", {"accept": accept, "promptText": text}, session)


class Dialogs:
    """Those that are open, by page; a page has one at a time."""

    def __init__(self) -> None:
        self._open: OrderedDict[Hashable, OpenDialog] = OrderedDict()

    def of(self, page: Hashable) -> OpenDialog | None:
        """The dialog of a page."""
        return self._open.get(page)

    def opened(self, page: Hashable, dialog: OpenDialog, reporter: Reporter, ask: Ask) -> bool:
        """A client has heard of a dialog; return whether it is the first one. A client hears of
        each dialog once: if it reports another one, the end of the one before was not heard.
        """
        known = self._open.get(page)
        is_new = known is None or known != dialog or reporter in known.reporters
        if known is None or is_new:
            known = self._open[page] = dialog
            self._open.move_to_end(page)
        known.reporters[reporter] = ask
        if len(known.reporters) > _MAX_REPORTERS:
            del known.reporters[next(iter(known.reporters))]
        if len(self._open) > _MAX_OPEN:
            self._open.popitem(last=False)
        return is_new

    def closed(self, page: Hashable) -> None:
        """It was answered, or its page shows another document."""
        self._open.pop(page, None)

    def left(self, page: Hashable, reporter: Reporter) -> None:
        """A client is not attached to a page any more."""
        dialog = self._open.get(page)
        if dialog is None:
            return
        dialog.reporters.pop(reporter, None)
        if not dialog.reporters:
            del self._open[page]

    def forget(self, connection: int) -> None:
        """A connection of the Worker has ended."""
        for page, dialog in list(self._open.items()):
            for reporter in list(dialog.reporters):
                if reporter[0] == connection:
                    self.left(page, reporter)
