"""The tables of the state, for both databases; those of single areas stand in modules beside this.

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
    Index,
    Table,
    UniqueConstraint,
    false,
    text,
    true,
)

from fyke.storage.sql.columns import (
    Sequence,
    StorableText,
    flag_column,
    metadata,
    number_column,
    partial_index,
    ref_column,
    text_column,
)

accounts = Table(
    "accounts",
    metadata,
    text_column("id", key=True),
    text_column("name"),
    flag_column("operator"),
    number_column("balance_micros"),
    number_column("held_micros"),
    number_column("traffic_bytes"),
    number_column("traffic_expires_at"),
    number_column("created_at"),
    Column("time_zone", StorableText(), nullable=False, server_default="UTC"),
    Column("plan", StorableText(), nullable=False, server_default="unlimited"),
    Column("run_cap_micros", BigInteger, nullable=False, server_default="0"),
    Column("month_cap_micros", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("name"),
)

# at most one account operates the installation, also when two processes start at once
partial_index(
    "uq_accounts_operator",
    accounts.c.operator,
    unique=True,
    where="operator",
)

users = Table(
    "users",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    text_column("name"),
    text_column("role"),
    flag_column("disabled"),
    text_column("password_hash"),
    number_column("created_at"),
    UniqueConstraint("account_id", "name"),
    Index("uq_users_name", "name", unique=True),  # people sign in by name alone
)

api_keys = Table(
    "api_keys",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    text_column("user_id"),
    text_column("name"),
    text_column("prefix"),
    text_column("digest"),
    number_column("created_at"),
    number_column("expires_at"),
    number_column("revoked_at"),
    number_column("last_used_at"),
    Column("rate_limit", BigInteger, nullable=False, server_default="0"),
    Column("scopes", StorableText(), nullable=False, server_default="read run write admin"),
    UniqueConstraint("digest"),
    Index(None, "account_id"),
)

workers = Table(
    "workers",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    text_column("owner"),
    text_column("name"),
    text_column("title"),
    text_column("description"),
    flag_column("public"),
    number_column("created_at"),
    text_column("latest"),
    text_column("search_text"),  # what a search looks through, folded; see workers.py
    Column("categories", StorableText(), nullable=False, server_default="[]"),  # JSON list
    Column("icon", StorableText(), nullable=False, server_default=""),
    Column("deleted_at", BigInteger, nullable=False, server_default="0"),
    Column("latest_approved", StorableText(), nullable=False, server_default=""),
    Column("builds_allowed", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("owner", "name"),
    Index(None, "account_id"),
)

versions = Table(
    "versions",
    metadata,
    text_column("id", key=True),
    ref_column("worker_id", "workers.id"),
    Column("seq", BigInteger, nullable=False),  # order of publication within the worker
    text_column("number"),
    text_column("digest"),
    text_column("language"),
    text_column("state"),
    text_column("input_schema"),
    text_column("output_schema"),
    text_column("readme"),
    text_column("requirements"),
    number_column("memory_mb"),
    number_column("timeout_s"),
    number_column("max_charge_micros"),
    number_column("max_traffic_bytes"),
    number_column("created_at"),
    Column("approved", Boolean, nullable=False, server_default=true()),
    Column("notice", StorableText(), nullable=False, server_default=""),
    text_column("egress", null=True),  # JSON list of domains; NULL = nothing declared
    Column("builds", Boolean, nullable=False, server_default=false()),
    Column("secrets", StorableText(), nullable=False, server_default="[]"),  # JSON list of names
    UniqueConstraint("worker_id", "number"),
    UniqueConstraint("worker_id", "seq"),
)

tasks = Table(
    "tasks",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    ref_column("worker_id", "workers.id"),
    text_column("title"),
    text_column("version"),
    text_column("input_json"),
    number_column("created_at"),
    number_column("updated_at"),
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
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    ref_column("worker_id", "workers.id"),
    text_column("version"),
    text_column("task_id"),
    text_column("key_id"),
    text_column("origin"),
    text_column("state"),
    text_column("outcome", null=True),
    text_column("err_msg"),
    Column("cpus", Double, nullable=False),
    number_column("memory_mb"),
    number_column("timeout_s"),
    number_column("max_charge_micros"),
    number_column("max_traffic_bytes"),
    text_column("region"),
    text_column("egress_allow"),  # JSON list
    text_column("input_json"),
    text_column("callback_url"),
    number_column("subtasks"),
    number_column("subtasks_succeeded"),
    number_column("subtasks_failed"),
    number_column("results"),
    number_column("usage_micros"),
    number_column("traffic_bytes"),
    number_column("hold_micros"),
    number_column("created_at"),
    number_column("started_at"),
    number_column("finished_at"),
    Column("summary", StorableText(), nullable=False, server_default=""),
    Column("bound", StorableText(), nullable=False, server_default="most"),
    # what all its attempts came to, written as it ends
    Column("busy_ms", BigInteger, nullable=False, server_default="0"),
    Column("cpu_ms", BigInteger, nullable=False, server_default="0"),
    Column("memory_mb_ms", BigInteger, nullable=False, server_default="0"),
    # with all that a list filters by, so that it looks at nothing but this index; see run_lists.py
    Index(
        "ix_runs_account_id_created_at_id_and_facts",
        *("account_id", "created_at", "id"),
        *("worker_id", "state", "outcome", "origin", "version", "task_id"),
    ),
    Index(None, "account_id", "state", "created_at", "id"),
    Index(None, "account_id", "worker_id", "created_at", "id"),
)
partial_index(
    "ix_runs_finished",
    runs.c.finished_at,
    runs.c.id,
    where="finished_at > 0",
)

# what counts against a plan, and what may still be handed out; see plan_room.py and leases.py
partial_index(
    "ix_runs_under_way",
    runs.c.account_id,
    runs.c.id,
    where="state IN ('running', 'ending', 'aborting')",
)
# with account and state, so that what a plan holds is passed over without a look at the run itself
partial_index(
    "ix_runs_open",
    runs.c.id,
    runs.c.account_id,
    runs.c.state,
    where="state IN ('ready', 'running')",
)

# what a schedule asks before it starts another run of its task
partial_index(
    "ix_runs_open_of_task",
    runs.c.task_id,
    where="finished_at = 0 AND task_id <> ''",
)

# what a search in error messages looks through, and the history of a task
partial_index(
    "ix_runs_with_error",
    *(runs.c.account_id, runs.c.created_at, runs.c.id),
    where="err_msg <> ''",
)
partial_index(
    "ix_runs_of_task",
    *(runs.c.account_id, runs.c.task_id, runs.c.created_at, runs.c.id),
    where="task_id <> ''",
)

run_counts = Table(
    "run_counts",
    metadata,
    text_column("account_id", key=True),
    text_column("worker_id", key=True),
    text_column("state", key=True),
    Column("n", BigInteger, nullable=False),
)

subtasks = Table(
    "subtasks",
    metadata,
    ref_column("run_id", "runs.id", key=True, cascade=True),
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),
    text_column("number"),
    text_column("input_json"),
    text_column("state"),
    text_column("outcome", null=True),
    text_column("err_msg"),
)
# the queue: holds what waits and nothing else, so leasing never looks at history
partial_index(
    "ix_subtasks_waiting",
    subtasks.c.run_id,
    subtasks.c.ordinal,
    where="state = 'waiting'",
)

attempts = Table(
    "attempts",
    metadata,
    text_column("id", key=True),
    ref_column("run_id", "runs.id", cascade=True),
    number_column("ordinal"),
    text_column("number"),
    text_column("runner_id"),
    number_column("token"),
    number_column("lease_until"),
    text_column("outcome", null=True),
    text_column("err_msg"),
    number_column("rows"),
    number_column("traffic_bytes"),
    number_column("cpu_ms"),
    number_column("memory_peak_bytes"),
    number_column("started_at"),
    number_column("finished_at"),
    # what a living one holds now, as last reported; not part of its record
    Column("memory_bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("memory_mb_ms", BigInteger, nullable=False, server_default="0"),
    Index(None, "run_id", "ordinal", "id"),
)
partial_index(
    "ix_attempts_living",
    attempts.c.runner_id,
    where="outcome IS NULL",
)
partial_index(
    "ix_attempts_leases",
    attempts.c.lease_until,
    where="outcome IS NULL",
)

run_events = Table(
    "run_events",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    ref_column("run_id", "runs.id", cascade=True),
    number_column("at"),
    text_column("kind"),
    text_column("before"),
    text_column("after"),
    text_column("actor"),
    text_column("detail"),
    Index(None, "run_id", "seq"),
)

runners = Table(
    "runners",
    metadata,
    text_column("id", key=True),
    text_column("node"),
    text_column("isolation"),
    text_column("reason"),
    Column("cpus", Double, nullable=False),
    number_column("memory_mb"),
    number_column("heartbeat_at"),
    Column("checks", StorableText(), nullable=False, server_default="[]"),  # JSON list
    Column("unsafe", Boolean, nullable=False, server_default=false()),
)

ledger = Table(
    "ledger",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    text_column("id"),
    ref_column("account_id", "accounts.id"),
    number_column("at"),
    text_column("kind"),
    number_column("usd_micros"),
    number_column("traffic_bytes"),
    text_column("run_id"),  # no reference: the ledger outlives the run
    text_column("note"),
    UniqueConstraint("id"),
    Index(None, "account_id", "at", "seq"),
)

deliveries = Table(
    "deliveries",
    metadata,
    text_column("id", key=True),
    text_column("account_id"),
    ref_column("run_id", "runs.id", cascade=True),
    text_column("url"),
    text_column("payload"),
    text_column("state"),
    number_column("tries"),
    number_column("next_at"),
    number_column("last_status"),
    text_column("last_error"),
    number_column("created_at"),
    number_column("ended_at"),
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
partial_index(
    "ix_deliveries_due",
    deliveries.c.host,
    deliveries.c.next_at,
    where="state = 'pending'",
)
partial_index(
    "ix_deliveries_claimed",
    deliveries.c.host,
    deliveries.c.claimed_until,
    where="claimed_until > 0",
)
# what holds back the terminal call of its run
partial_index(
    "ix_deliveries_running",
    deliveries.c.run_id,
    where="state = 'pending' AND kind = 'running'",
)
# the log of an endpoint, and what waits for it
partial_index(
    "ix_deliveries_of_endpoint",
    deliveries.c.endpoint_id,
    deliveries.c.account_id,
    deliveries.c.created_at,
    deliveries.c.id,
    deliveries.c.state,  # counted from the index alone
    where="endpoint_id <> ''",
)
partial_index(
    "ix_deliveries_waiting_of_endpoint",
    deliveries.c.endpoint_id,
    deliveries.c.next_at,
    where="state = 'pending' AND endpoint_id <> ''",
)
