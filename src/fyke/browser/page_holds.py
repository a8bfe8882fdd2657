"""What a client says before its pages go, and how long it waits for them to be taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fyke.browser.attached import AttachedBrowser
from fyke.browser.page_keeper import PageKeeper
from fyke.browser.taps import CLOSE, Command, Tap, decoded

_PAGE = "Page.close"
_TARGET = "Target.closeTarget"
_CONTEXT = "Target.disposeBrowserContext"
_BIDI_CONTEXT = "browsingContext.close"
# What clients send to a page because the Worker wants something of it. Of other commands, each new
# page gets some from the client itself.
_ACTS = (
    "Runtime.callFunctionOn", "Runtime.evaluate", "Page.navigate", "Page.reload",
    "Page.navigateToHistoryEntry", "Page.captureScreenshot", "Page.printToPDF", "DOM.querySelector",
    "DOM.querySelectorAll", "DOM.performSearch", "Input.dispatchMouseEvent",
    "Input.dispatchKeyEvent", "Input.insertText", "Input.dispatchTouchEvent",
)  # fmt: skip


class PageHold:
    """One connection of a client to a Chromium. ``target_of`` gives the page of a session."""

    def __init__(
        self,
        keeper: PageKeeper,
        browser: AttachedBrowser,
        instance: int,
        target_of: Callable[[str], str],
    ) -> None:
        self._keeper = keeper
        self._browser = browser
        self._instance = instance
        self._target_of = target_of
        self._due: Callable[[], Awaitable[None]] | None = None

    def taps(self, others: dict[str, Sequence[Tap]]) -> dict[str, Sequence[Tap]]:
        """``others`` and those that see a page go."""
        own: dict[str, Tap] = {
            _PAGE: self._see_page,
            _TARGET: self._see_page,
            _BIDI_CONTEXT: self._see_page,
            _CONTEXT: self._see_context,
            CLOSE: self._see_end,
            **dict.fromkeys(_ACTS, self._see_act),
        }
        return others | {method: (*others.get(method, ()), tap) for method, tap in own.items()}

    async def wait(self) -> None:
        """Wait until the page that is about to go was taken; called before its end is passed on."""
        if self._due is not None:
            due, self._due = self._due, None
            await due()

    async def client_left(self) -> None:
        """Take the latest page of a client that has gone."""
        await self._keeper.client_left(self._browser, self._instance)

    def ends(self) -> None:
        """The client is about to end its Chromium."""
        self._due = self._end

    # within

    def _see_act(self, command: Command) -> None:
        target = self._target_of(command.session or "")
        if target:
            self._keeper.acts(self._browser, self._instance, target)

    def _see_page(self, command: Command) -> None:
        if command.method == _PAGE:
            target = self._target_of(command.session or "")
        else:
            given = command.given
            named = given.target if command.method == _TARGET else given.context
            target = decoded(named, str) or ""
        self._due = lambda: self._close(target)

    def _see_context(self, command: Command) -> None:
        self._due = lambda: self._keeper.before_end(self._browser, self._instance, context=True)

    def _see_end(self, command: Command) -> None:
        self.ends()

    async def _close(self, target: str) -> None:
        await self._keeper.before_close(self._browser, self._instance, target)

    async def _end(self) -> None:
        await self._keeper.before_end(self._browser, self._instance)
