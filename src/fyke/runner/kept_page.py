"""The last page of an attempt's browser: taken at the end of the Worker, stored before the end of
the attempt. Nothing of it changes that end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from fyke.contracts.node import NodeFiles
from fyke.domain.secrets.masking import Masker
from fyke.errors import Unavailable
from fyke.model.last_page import LastPage, TakenPage
from fyke.model.run import AttemptKey, End, Outcome
from fyke.runner.browser import AttemptBrowser
from fyke.runner.last_page import page_content

# in which the files of the last page are stored, and those of one that is not kept are removed: the
# end of the attempt waits for both, and a storage that hangs is silent for minutes
PAGE_SECONDS = 8.0
DISCARD_SECONDS = 2.0

log = structlog.get_logger()


class KeptPage:
    """The last page of one attempt. ``note`` writes a line to its log."""

    def __init__(
        self, key: AttemptKey, files: Callable[[], NodeFiles], note: Callable[[str], None]
    ) -> None:
        self.taken: TakenPage | None = None
        self._key = key
        self._files = files
        self._note = note

    async def take(self, browser: AttemptBrowser | None, end: End) -> None:
        """Take the last page of the browser, if it is to be kept and there is room for it."""
        if browser is None or end.outcome is Outcome.RUNNER_LOST:
            return
        try:
            if not browser.keeps_page(succeeded=end.outcome is Outcome.SUCCEEDED):
                return
            if await self._files().page_room(self._key):
                self.taken = await browser.last_page()
        except Exception as error:
            log.warning("last_page_not_taken", attempt=self._key.id, error=repr(error))
            self._note_missing(error)

    async def store(self, masker: Masker | None) -> LastPage | None:
        """Store the files of the page that was taken, with secrets masked; return the page."""
        taken, self.taken = self.taken, None
        if taken is None or masker is None:
            return None
        try:
            content = await asyncio.to_thread(page_content, taken, masker)
            async with asyncio.timeout(PAGE_SECONDS):
                await self._files().put_page(self._key, content)
        except Exception as error:  # the disk is full, or the page cannot be written as files
            log.warning("last_page_not_stored", attempt=self._key.id, error=repr(error))
            self._note_missing(error)  # first: discarding may take long as well
            await self.discard()
            return None
        return content.page

    async def discard(self) -> None:
        """Remove the stored files of the page. What is left is removed by ``fyke prune``."""
        try:
            async with asyncio.timeout(DISCARD_SECONDS):
                await self._files().discard_page(self._key)
        except Exception as error:
            log.warning("last_page_not_discarded", attempt=self._key.id, error=repr(error))

    def _note_missing(self, error: Exception) -> None:
        cause = "the log of Fyke says why"
        if isinstance(error, Unavailable):
            cause = str(error)
        elif isinstance(error, TimeoutError):
            cause = f"it was not stored within {PAGE_SECONDS:g} s"
        self._note(f"The last page of the browser is not kept: {cause}.")
