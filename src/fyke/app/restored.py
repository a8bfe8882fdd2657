"""A restored copy of an installation with blobs in S3, whose original may still use them.

``fyke restore`` leaves the file ``restored`` in the data folder, with an id for the installation
that the copy becomes. Until the operator decides, nothing there stores or removes blobs.
"""

from __future__ import annotations

from pathlib import Path

from fyke.app.blob_place import INSTALLATION_ID, MARK
from fyke.contracts.blobs import Blobs
from fyke.contracts.state import Storage, Transaction
from fyke.errors import Conflict
from fyke.kit.files import flush_folder
from fyke.kit.ids import new_ulid
from fyke.settings import Settings

RESTORED = "restored"  # the file, in the data folder


def mark_restored(folder: Path) -> None:
    """Mark a data folder as that of a restored copy."""
    from fyke.app.folder import write_private

    write_private(folder / RESTORED, new_ulid())


def is_restored(settings: Settings) -> bool:
    """Whether the data folder is one of a restored copy, about which nothing was decided yet."""
    return (settings.home / RESTORED).exists()


def id_of_copy(settings: Settings) -> str:
    """The id of the installation that a restored copy becomes."""
    return (settings.home / RESTORED).read_text().strip()


def refuse_restored(settings: Settings) -> None:
    """Raise ``Conflict`` for a restored copy whose blobs are in S3."""
    if settings.blobs_url and is_restored(settings):
        raise Conflict(
            f"{settings.home} was restored from a backup, and its blobs are in "
            f"{settings.blobs_url}. Two installations must never use the same place: each removes "
            "what only the other needs. If the original is never started again, run: fyke db "
            "accept-blobs. If this is a copy beside it, such as a trial, set blobs_url to nothing "
            "or to a new place, and run: fyke db copy-blobs"
        )


async def become_another(settings: Settings, storage: Storage, blobs: Blobs | None) -> None:
    """Give a restored copy and its place ``blobs`` in S3, if any, another id: its original is then
    refused there. May be repeated when it was interrupted.
    """
    new = id_of_copy(settings)
    if blobs is not None:
        await blobs.put(MARK, new.encode())

    def work(tx: Transaction) -> None:
        own = tx.installation.settle(INSTALLATION_ID, new)
        tx.installation.exchange(INSTALLATION_ID, own, new)

    await storage.write(work)
    (settings.home / RESTORED).unlink()
    flush_folder(settings.home)
