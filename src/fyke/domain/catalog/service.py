"""The catalog: the published workers that people find by searching."""

from __future__ import annotations

from fyke.domain.accounts.model import Caller
from fyke.domain.contracts import Storage
from fyke.domain.workers.model import Worker
from fyke.errors import InvalidRequest

MAX_RESULTS = 100
MAX_TEXT = 500


class Catalog:
    """Searching, for everybody; a caller also finds the private workers of the account."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def search(self, caller: Caller | None, text: str, limit: int = 10) -> list[Worker]:
        """Return at most ``limit`` workers (1 to 100) that hold ``text`` in id, path, title or
        description. Raise ``InvalidRequest`` for a blank text.
        """
        wanted = text.strip()
        if not wanted or len(wanted) > MAX_TEXT:
            rule = f"1 to {MAX_TEXT} characters that are not all blank"
            raise InvalidRequest(f"search must be {rule}; send a word of the worker's title")
        _, found = await self.page(caller, wanted, offset=0, limit=max(1, min(limit, MAX_RESULTS)))
        return found

    async def page(
        self, caller: Caller | None, text: str, *, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        """Total count and one page, newest first, of what ``search`` finds; everything for a
        blank text.
        """
        account_id = caller.account_id if caller is not None else None
        return await self._storage.read(
            lambda tx: tx.workers.search(
                text.strip(), account_id=account_id, offset=offset, limit=limit
            )
        )
