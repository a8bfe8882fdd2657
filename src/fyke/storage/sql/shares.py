"""Links under which others may look at a run."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from fyke.model.run import Share
from fyke.storage.sql.records import columns, many, one, was_applied
from fyke.storage.sql.run_page_tables import run_shares


class SqlShares:
    """``contracts.ShareStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, share: Share) -> None:
        self._db.execute(insert(run_shares), columns(share))

    def get(self, share_id: str) -> Share | None:
        return one(self._db.execute(select(run_shares).where(run_shares.c.id == share_id)), Share)

    def of_run(self, run_id: str) -> list[Share]:
        query = select(run_shares).where(run_shares.c.run_id == run_id)
        order = run_shares.c.created_at.desc(), run_shares.c.id.desc()
        return many(self._db.execute(query.order_by(*order)), Share)

    def revoke(self, share_id: str, at: int) -> bool:
        valid = update(run_shares).where(run_shares.c.id == share_id, run_shares.c.revoked_at == 0)
        return was_applied(self._db.execute(valid.values(revoked_at=at)))
