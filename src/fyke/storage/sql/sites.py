"""Traffic of runs by site: sums of attempts that have ended, and what living ones reported last."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, select

from fyke.contracts import SiteTraffic
from fyke.storage.sql.dialects import upsert
from fyke.storage.sql.records import columns, many
from fyke.storage.sql.run_page_tables import attempt_sites, run_sites

_decode = msgspec.json.Decoder(tuple[SiteTraffic, ...]).decode


class SqlSites:
    """``contracts.SiteStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def report(self, attempt_id: str, run_id: str, sites: tuple[SiteTraffic, ...]) -> None:
        told = msgspec.json.encode(sites).decode()
        values = {"attempt_id": attempt_id, "run_id": run_id, "sites": told}
        self._db.execute(upsert(self._db, attempt_sites, values, key=("attempt_id",)))

    def take(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        mine = attempt_sites.c.attempt_id == attempt_id
        told = self._db.execute(select(attempt_sites.c.sites).where(mine)).scalar()
        if told is None:
            return ()
        self._db.execute(delete(attempt_sites).where(mine))
        return _decode(told)

    def living(self, run_id: str) -> list[tuple[SiteTraffic, ...]]:
        query = select(attempt_sites.c.sites).where(attempt_sites.c.run_id == run_id)
        told = self._db.execute(query.order_by(attempt_sites.c.attempt_id)).scalars()
        return [_decode(text) for text in told]

    def put(self, run_id: str, site: SiteTraffic) -> None:
        values = {"run_id": run_id} | columns(site)
        self._db.execute(upsert(self._db, run_sites, values, key=("run_id", "domain")))

    def of_run(self, run_id: str) -> tuple[SiteTraffic, ...]:
        query = select(run_sites).where(run_sites.c.run_id == run_id)
        return tuple(many(self._db.execute(query.order_by(run_sites.c.domain)), SiteTraffic))
