"""Second factors and recovery codes of users."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Table, delete, func, select, update

from fyke.model.user import SecondFactor
from fyke.storage.sql.dialects import upsert
from fyke.storage.sql.state.columns import metadata, number_column, ref_column, text_column
from fyke.storage.sql.state.records import SqlStore, columns, one, was_applied

second_factors = Table(
    "second_factors",
    metadata,
    ref_column("user_id", "users.id", key=True, cascade=True),
    text_column("key_id"),
    text_column("sealed"),
    number_column("created_at"),
    number_column("enabled_at"),
    number_column("last_step"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    ref_column("user_id", "users.id", key=True, cascade=True),
    text_column("digest", key=True),
)


class SqlSecondFactors(SqlStore):
    """Implements ``SecondFactorStore``."""

    def get(self, user_id: str) -> SecondFactor | None:
        query = select(second_factors).where(second_factors.c.user_id == user_id)
        return one(self._db.execute(query), SecondFactor)

    def put(self, factor: SecondFactor) -> None:
        self._db.execute(upsert(self._db, second_factors, columns(factor), key=("user_id",)))

    def enable(self, user_id: str, at: int) -> bool:
        pending = second_factors.c.user_id == user_id, second_factors.c.enabled_at == 0
        change = update(second_factors).where(*pending).values(enabled_at=at)
        return was_applied(self._db.execute(change))

    def enabled(self, user_ids: Collection[str]) -> frozenset[str]:
        query = select(second_factors.c.user_id).where(
            second_factors.c.user_id.in_(list(user_ids)), second_factors.c.enabled_at > 0
        )
        return frozenset(self._db.execute(query).scalars())

    def use_step(self, user_id: str, step: int) -> bool:
        unused = second_factors.c.user_id == user_id, second_factors.c.last_step < step
        change = update(second_factors).where(*unused).values(last_step=step)
        return was_applied(self._db.execute(change))

    def remove(self, user_id: str) -> bool:
        self._db.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
        return was_applied(
            self._db.execute(delete(second_factors).where(second_factors.c.user_id == user_id))
        )

    def put_codes(self, user_id: str, digests: Collection[str]) -> None:
        self._db.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
        rows = [{"user_id": user_id, "digest": digest} for digest in digests]
        self._db.execute(recovery_codes.insert(), rows)

    def use_code(self, user_id: str, digest: str) -> bool:
        code = recovery_codes.c.user_id == user_id, recovery_codes.c.digest == digest
        return was_applied(self._db.execute(delete(recovery_codes).where(*code)))

    def count_codes(self, user_id: str) -> int:
        query = select(func.count()).where(recovery_codes.c.user_id == user_id)
        return int(self._db.execute(query).scalar_one())
