"""The tables of the state, for both databases.

Times are milliseconds and money is millionths of a US dollar, both BIGINT. Ids are TEXT. Text
sorts by bytes on both databases, and passes through ``storable`` on its way in.

Every index is here for a question that must cost the same with a million past runs as with a
thousand: the partial ones hold only what still waits or lives, and ``run_counts`` keeps the
number of runs per state, because counting a million rows for each page of a list would not do.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

from fyke.storage.sql.dialects import storable

VERSION_TABLE = "state_version"  # where Alembic notes the version of these tables

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class StorableText(TypeDecorator[str]):
    """Text that both databases can hold and sort alike; see ``dialects.storable``."""

    impl = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


# SQLite gives out row numbers only for a column that is exactly INTEGER
Sequence = BigInteger().with_variant(Integer(), "sqlite")


def _text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, StorableText(), primary_key=key, nullable=null)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _ref(name: str, target: str, *, key: bool = False, cascade: bool = False) -> Column[str]:
    reference = ForeignKey(target, ondelete="CASCADE" if cascade else None)
    return Column(name, StorableText(), reference, primary_key=key, nullable=False)


accounts = Table(
    "accounts",
    metadata,
    _text("id", key=True),
    _text("name"),
    _flag("operator"),
    _number("balance_micros"),
    _number("held_micros"),
    _number("traffic_bytes"),
    _number("traffic_expires_at"),
    _number("created_at"),
    Column("time_zone", StorableText(), nullable=False, server_default="UTC"),
    Column("plan", StorableText(), nullable=False, server_default="unlimited"),
    UniqueConstraint("name"),
)

# at most one account operates the installation, also when two processes start at once
Index(
    "uq_accounts_operator",
    accounts.c.operator,
    unique=True,
    sqlite_where=text("operator"),
    postgresql_where=text("operator"),
)

users = Table(
    "users",
    metadata,
    _text("id", key=True),
    _ref("account_id", "accounts.id"),
    _text("name"),
    _text("role"),
    _flag("disabled"),
    _text("password_hash"),
    _number("created_at"),
    UniqueConstraint("account_id", "name"),
    Index("uq_users_name", "name", unique=True),  # people sign in by name alone
)

api_keys = Table(
    "api_keys",
    metadata,
    _text("id", key=True),
    _ref("account_id", "accounts.id"),
    _text("user_id"),
    _text("name"),
    _text("prefix"),
    _text("digest"),
    _number("created_at"),
    _number("expires_at"),
    _number("revoked_at"),
    _number("last_used_at"),
    Column("rate_limit", BigInteger, nullable=False, server_default="0"),
    Column("scopes", StorableText(), nullable=False, server_default="read run write admin"),
    UniqueConstraint("digest"),
    Index(None, "account_id"),
)

workers = Table(
    "workers",
    metadata,
    _text("id", key=True),
    _ref("account_id", "accounts.id"),
    _text("owner"),
    _text("name"),
    _text("title"),
    _text("description"),
    _flag("public"),
    _number("created_at"),
    _text("latest"),
    _text("search_text"),  # what a search looks through, folded; see workers.py
    Column("categories", StorableText(), nullable=False, server_default="[]"),  # JSON list
    Column("icon", StorableText(), nullable=False, server_default=""),
    Column("deleted_at", BigInteger, nullable=False, server_default="0"),
    Column("latest_approved", StorableText(), nullable=False, server_default=""),
    UniqueConstraint("owner", "name"),
    Index(None, "account_id"),
)

versions = Table(
    "versions",
    metadata,
    _text("id", key=True),
    _ref("worker_id", "workers.id"),
    Column("seq", BigInteger, nullable=False),  # order of publication within the worker
    _text("number"),
    _text("digest"),
    _text("language"),
    _text("state"),
    _text("input_schema"),
    _text("output_schema"),
    _text("readme"),
    _text("requirements"),
    _number("memory_mb"),
    _number("timeout_s"),
    _number("max_charge_micros"),
    _number("max_traffic_bytes"),
    _number("created_at"),
    Column("approved", Boolean, nullable=False, server_default=true()),
    Column("notice", StorableText(), nullable=False, server_default=""),
    UniqueConstraint("worker_id", "number"),
    UniqueConstraint("worker_id", "seq"),
)

tasks = Table(
    "tasks",
    metadata,
    _text("id", key=True),
    _ref("account_id", "accounts.id"),
    _ref("worker_id", "workers.id"),
    _text("title"),
    _text("version"),
    _text("input_json"),
    _number("created_at"),
    _number("updated_at"),
    Column("description", StorableText(), nullable=False, server_default=""),
    Column("run_times", BigInteger, nullable=False, server_default="0"),
    Column("last_run_id", StorableText(), nullable=False, server_default=""),
    Column("search_text", StorableText(), nullable=False, server_default=""),  # folded; tasks.py
    Column("revision", BigInteger, nullable=False, server_default="0"),
    Index(None, "account_id", "created_at", "id"),
)

runs = Table(
    "runs",
    metadata,
    _text("id", key=True),
    _ref("account_id", "accounts.id"),
    _ref("worker_id", "workers.id"),
    _text("version"),
    _text("task_id"),
    _text("key_id"),
    _text("origin"),
    _text("state"),
    _text("outcome", null=True),
    _text("err_msg"),
    Column("cpus", Double, nullable=False),
    _number("memory_mb"),
    _number("timeout_s"),
    _number("max_charge_micros"),
    _number("max_traffic_bytes"),
    _text("region"),
    _text("egress_allow"),  # JSON list
    _text("input_json"),
    _text("callback_url"),
    _number("subtasks"),
    _number("subtasks_succeeded"),
    _number("subtasks_failed"),
    _number("results"),
    _number("usage_micros"),
    _number("traffic_bytes"),
    _number("hold_micros"),
    _number("created_at"),
    _number("started_at"),
    _number("finished_at"),
    Column("summary", StorableText(), nullable=False, server_default=""),
    # with all that a list filters by, so that it looks at nothing but this index; see run_lists.py
    Index(
        "ix_runs_account_id_created_at_id_and_facts",
        *("account_id", "created_at", "id"),
        *("worker_id", "state", "outcome", "origin", "version", "task_id"),
    ),
    Index(None, "account_id", "state", "created_at", "id"),
    Index(None, "account_id", "worker_id", "created_at", "id"),
)
Index(
    "ix_runs_finished",
    runs.c.finished_at,
    runs.c.id,
    sqlite_where=text("finished_at > 0"),
    postgresql_where=text("finished_at > 0"),
)

# what counts against a plan, and what may still be handed out; see plan_room.py and leases.py
Index(
    "ix_runs_under_way",
    runs.c.account_id,
    runs.c.id,
    sqlite_where=text("state IN ('running', 'ending', 'aborting')"),
    postgresql_where=text("state IN ('running', 'ending', 'aborting')"),
)
# with account and state, so that what a plan holds is passed over without a look at the run itself
Index(
    "ix_runs_open",
    runs.c.id,
    runs.c.account_id,
    runs.c.state,
    sqlite_where=text("state IN ('ready', 'running')"),
    postgresql_where=text("state IN ('ready', 'running')"),
)

# what a schedule asks before it starts another run of its task
Index(
    "ix_runs_open_of_task",
    runs.c.task_id,
    sqlite_where=text("finished_at = 0 AND task_id <> ''"),
    postgresql_where=text("finished_at = 0 AND task_id <> ''"),
)

# what a search in error messages looks through, and the history of a task
Index(
    "ix_runs_with_error",
    *(runs.c.account_id, runs.c.created_at, runs.c.id),
    sqlite_where=text("err_msg <> ''"),
    postgresql_where=text("err_msg <> ''"),
)
Index(
    "ix_runs_of_task",
    *(runs.c.account_id, runs.c.task_id, runs.c.created_at, runs.c.id),
    sqlite_where=text("task_id <> ''"),
    postgresql_where=text("task_id <> ''"),
)

run_counts = Table(
    "run_counts",
    metadata,
    _text("account_id", key=True),
    _text("worker_id", key=True),
    _text("state", key=True),
    Column("n", BigInteger, nullable=False),
)

subtasks = Table(
    "subtasks",
    metadata,
    _ref("run_id", "runs.id", key=True, cascade=True),
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),
    _text("number"),
    _text("input_json"),
    _text("state"),
    _text("outcome", null=True),
    _text("err_msg"),
)
# the queue: holds what waits and nothing else, so leasing never looks at history
Index(
    "ix_subtasks_waiting",
    subtasks.c.run_id,
    subtasks.c.ordinal,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)

attempts = Table(
    "attempts",
    metadata,
    _text("id", key=True),
    _ref("run_id", "runs.id", cascade=True),
    _number("ordinal"),
    _text("number"),
    _text("runner_id"),
    _number("token"),
    _number("lease_until"),
    _text("outcome", null=True),
    _text("err_msg"),
    _number("rows"),
    _number("traffic_bytes"),
    _number("cpu_ms"),
    _number("memory_peak_bytes"),
    _number("started_at"),
    _number("finished_at"),
    # what a living one holds now, as last reported; not part of its record
    Column("memory_bytes", BigInteger, nullable=False, server_default=text("0")),
    Index(None, "run_id", "ordinal", "id"),
)
Index(
    "ix_attempts_living",
    attempts.c.runner_id,
    sqlite_where=text("outcome IS NULL"),
    postgresql_where=text("outcome IS NULL"),
)
Index(
    "ix_attempts_leases",
    attempts.c.lease_until,
    sqlite_where=text("outcome IS NULL"),
    postgresql_where=text("outcome IS NULL"),
)

run_events = Table(
    "run_events",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    _ref("run_id", "runs.id", cascade=True),
    _number("at"),
    _text("kind"),
    _text("before"),
    _text("after"),
    _text("actor"),
    _text("detail"),
    Index(None, "run_id", "seq"),
)

runners = Table(
    "runners",
    metadata,
    _text("id", key=True),
    _text("node"),
    _text("isolation"),
    _text("reason"),
    Column("cpus", Double, nullable=False),
    _number("memory_mb"),
    _number("heartbeat_at"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    _text("id"),
    _ref("account_id", "accounts.id"),
    _number("at"),
    _text("kind"),
    _number("usd_micros"),
    _number("traffic_bytes"),
    _text("run_id"),  # no reference: the ledger outlives the run
    _text("note"),
    UniqueConstraint("id"),
    Index(None, "account_id", "at", "seq"),
)

deliveries = Table(
    "deliveries",
    metadata,
    _text("id", key=True),
    _text("account_id"),
    _ref("run_id", "runs.id", cascade=True),
    _text("url"),
    _text("payload"),
    _text("state"),
    _number("tries"),
    _number("next_at"),
    _number("last_status"),
    _text("last_error"),
    _number("created_at"),
    _number("ended_at"),
    Column("kind", StorableText(), nullable=False, server_default="terminal"),
    Column("receiver", StorableText(), nullable=False, server_default=""),
    Column("host", StorableText(), nullable=False, server_default=""),
    Column("claimed_until", BigInteger, nullable=False, server_default="0"),
    Column("endpoint_id", StorableText(), nullable=False, server_default=""),
    Column("event", StorableText(), nullable=False, server_default=""),
    Index(None, "run_id", "created_at"),
    Index(None, "account_id", "created_at", "id"),
)
# for each host the earliest that waits, from the index alone
Index(
    "ix_deliveries_due",
    deliveries.c.host,
    deliveries.c.next_at,
    sqlite_where=text("state = 'pending'"),
    postgresql_where=text("state = 'pending'"),
)
Index(
    "ix_deliveries_claimed",
    deliveries.c.host,
    deliveries.c.claimed_until,
    sqlite_where=text("claimed_until > 0"),
    postgresql_where=text("claimed_until > 0"),
)
# what holds back the terminal call of its run
Index(
    "ix_deliveries_running",
    deliveries.c.run_id,
    sqlite_where=text("state = 'pending' AND kind = 'running'"),
    postgresql_where=text("state = 'pending' AND kind = 'running'"),
)
# the log of an endpoint, and what waits for it
Index(
    "ix_deliveries_of_endpoint",
    deliveries.c.endpoint_id,
    deliveries.c.account_id,
    deliveries.c.created_at,
    deliveries.c.id,
    deliveries.c.state,  # counted from the index alone
    sqlite_where=text("endpoint_id <> ''"),
    postgresql_where=text("endpoint_id <> ''"),
)
Index(
    "ix_deliveries_waiting_of_endpoint",
    deliveries.c.endpoint_id,
    deliveries.c.next_at,
    sqlite_where=text("state = 'pending' AND endpoint_id <> ''"),
    postgresql_where=text("state = 'pending' AND endpoint_id <> ''"),
)
