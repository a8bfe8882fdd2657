"""Which tables of an installation exist."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results.migrate import SCHEMA as RESULTS
from fyke.storage.sql.schema import Schema, first_value
from fyke.storage.sql.state.schema import SCHEMA as STATE


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether there are tables of the state and of the rows, and an account in the state."""

    state: bool
    accounts: bool
    rows: bool


def presence(state: str, results: str) -> Presence:
    """Find out what exists in the databases with these URLs. Changes nothing; raises
    ``SQLAlchemyError``.

    A first start may run at the same time. It creates state, rows and account in this order, so
    they are looked up in the reverse order, and the rows again if there is an account: no partial
    result of a first start looks like a lost database.
    """
    rows = _has_tables(RESULTS, results)
    has_state = _has_tables(STATE, state)
    accounts = has_state and _has_account(state)
    return Presence(has_state, accounts, rows or (accounts and _has_tables(RESULTS, results)))


def _has_tables(schema: Schema, url: str) -> bool:
    return _has_row(url, schema.version_table, "version_num")


def _has_account(url: str) -> bool:
    return _has_row(url, "accounts", "id")


def _has_row(url: str, table: str, column: str) -> bool:
    engine = make_engine(url, durable=False, pool_size=1)
    try:
        return first_value(engine, table, column) != ""
    finally:
        engine.dispose()
