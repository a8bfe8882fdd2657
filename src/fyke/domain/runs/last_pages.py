"""The last pages of runs: stored at the end of attempts, shown, and removed after some days.

The files of a page are blobs. They are stored before the transaction that ends the attempt names
them, and deleted before the page is, so that no file is left without a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fyke.contracts.blobs import Blobs, Folder
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.errors import NotFound
from fyke.model.account import Caller
from fyke.model.last_page import MAX_PAGES, LastPage, PageContent, PageFileKind
from fyke.model.run import Attempt

BATCH = 100
SUFFIXES = {
    PageFileKind.SCREENSHOT: "jpg",
    PageFileKind.HTML: "html.txt",  # opened as text: nothing in it shall run
    PageFileKind.HAR: "har",
    PageFileKind.CONSOLE: "console.txt",
}


def page_blob(attempt_id: str, kind: PageFileKind) -> str:
    """The name of the blob of a file."""
    return f"{Folder.PAGES}/{attempt_id.lower()}.{SUFFIXES[kind]}"


@dataclass(frozen=True, slots=True)
class NumberedPage:
    """The last page of an attempt. ``number`` is that of the subtask in the log. ``ended_at``: when
    it was stored.
    """

    attempt_id: str
    number: str
    page: LastPage
    ended_at: int = 0


@dataclass(frozen=True, slots=True)
class PageData:
    """The content of a file, and a name for it."""

    kind: PageFileKind
    name: str
    data: bytes


def pages_of(tx: Transaction, run_id: str, attempts: Mapping[str, Attempt]) -> list[NumberedPage]:
    """The last pages of the attempts of a run, that of the latest one first."""
    pages = tx.last_pages.of_run(run_id)
    return [
        NumberedPage(key, attempts[key].number, page, attempts[key].finished_at)
        for key, page in reversed(pages.items())
    ]


class LastPages:
    """The last pages of all runs; each account can read only those of its own runs."""

    def __init__(self, storage: Storage, blobs: Blobs) -> None:
        self._storage = storage
        self._blobs = blobs

    # --- reading ----------------------------------------------------------------------------

    async def file(self, caller: Caller, run_id: str, attempt_id: str, kind: str) -> PageData:
        """A file of a page. Raises ``RunNotFound``, and ``NotFound`` if there is none."""

        def work(tx: Transaction) -> list[NumberedPage]:
            run = own_run(tx, caller, run_id)
            return pages_of(tx, run.id, {one.id: one for one in tx.runs.attempts(run.id)})

        pages = await self._storage.read(work)
        found = next((item for item in pages if item.attempt_id == attempt_id), None)
        file = found.page.file(kind) if found is not None else None
        if found is None or file is None:
            raise NotFound
        try:
            data = await self._blobs.get(page_blob(attempt_id, file.kind))
        except FileNotFoundError:  # the page is being removed
            raise NotFound from None
        name = f"{run_id}-{found.number}.{SUFFIXES[file.kind]}"
        return PageData(file.kind, name, data)

    # --- storing ----------------------------------------------------------------------------

    async def has_room(self, run_id: str) -> bool:
        """Whether another page of a run may be stored: a run may have thousands of attempts."""
        return await self._storage.read(lambda tx: tx.last_pages.count(run_id)) < MAX_PAGES

    async def put(self, attempt_id: str, content: PageContent) -> None:
        """Store the files; ``Attempts.ended`` names them. Raises ``Unavailable`` when the disk is
        full.
        """
        for kind, data in content.files.items():
            await self._blobs.put(page_blob(attempt_id, kind), data)

    async def discard(self, attempt_id: str) -> None:
        """Delete the files of an attempt that nothing names."""
        for kind in PageFileKind:
            await self._blobs.delete(page_blob(attempt_id, kind))

    # --- removing ---------------------------------------------------------------------------

    async def remove_of(self, run_id: str) -> None:
        """Delete the pages of a run that is being removed."""
        pages = await self._storage.read(lambda tx: tx.last_pages.of_run(run_id))
        if pages:
            await self._remove(pages)

    async def remove_old(self, keep_ms: int) -> int:
        """Delete a batch of the pages that were stored more than ``keep_ms`` ago; return how many.
        Until it returns 0 there are more.
        """
        old = await self._storage.read(
            lambda tx: tx.last_pages.stored_before(tx.now - keep_ms, BATCH)
        )
        if old:
            await self._remove(old)
        return len(old)

    async def _remove(self, attempt_ids: Iterable[str]) -> None:
        removed = list(attempt_ids)
        for attempt_id in removed:
            await self.discard(attempt_id)
        await self._storage.write(lambda tx: tx.last_pages.remove(removed))
