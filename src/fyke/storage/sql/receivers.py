"""How the receivers of callbacks behave."""

from __future__ import annotations

from sqlalchemy import Connection, Select, select, update

from fyke.model.callback import Receiver
from fyke.storage.sql.callback_tables import receivers
from fyke.storage.sql.dialects import insert_new
from fyke.storage.sql.records import columns, many, one

_KEY = ("account_id", "receiver")


class SqlReceivers:
    """``contracts.ReceiverStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, account_id: str, receiver: str) -> Receiver | None:
        return one(self._db.execute(_named(account_id, receiver)), Receiver)

    def lock(self, account_id: str, receiver: str) -> Receiver:
        fresh = Receiver(account_id, receiver)
        self._db.execute(insert_new(self._db, receivers), columns(fresh))
        query = _named(account_id, receiver).with_for_update()
        return one(self._db.execute(query), Receiver) or fresh

    def save(self, receiver: Receiver) -> None:
        values = columns(receiver)
        named = [receivers.c[name] == values.pop(name) for name in _KEY]
        self._db.execute(update(receivers).where(*named).values(**values))

    def of_account(self, account_id: str) -> list[Receiver]:
        query = select(receivers).where(receivers.c.account_id == account_id)
        return many(self._db.execute(query.order_by(receivers.c.receiver)), Receiver)


def _named(account_id: str, receiver: str) -> Select[tuple[object, ...]]:
    return select(receivers).where(
        receivers.c.account_id == account_id, receivers.c.receiver == receiver
    )
