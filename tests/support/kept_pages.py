"""A last page of a run in the files of an installation."""

from __future__ import annotations

from pathlib import Path

from fyke.contracts.state import Transaction
from fyke.domain.runs.last_pages import LastPages, page_blob
from fyke.model.last_page import LastPage, PageContent, PageFile, PageFileKind
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support import records
from support.stores import open_state

HTML = b"<p>kept</p>"


async def kept_page_in(home: Path) -> tuple[str, str]:
    """Store the HTML of a last page; return the id of its run and the name of the blob."""
    kind = PageFileKind.HTML
    page = LastPage(5, "https://a.example/", "", (PageFile(kind, len(HTML)),))

    def work(tx: Transaction) -> str:
        run = records.seed_run(tx, *records.seed(tx))
        tx.last_pages.add("01ATTEMPT", run.id, page, tx.now)
        return run.id

    async with open_state(f"sqlite:///{home / 'state.db'}") as state:
        run_id: str = await state.write(work)
        pages = LastPages(state, FilesystemBlobs(home / "blobs", durable=False))
        await pages.put("01ATTEMPT", PageContent(page, {kind: HTML}))
    return run_id, page_blob("01ATTEMPT", kind)
