"""The tables of the state in release 0.1.0.

They are repeated here, not taken from the stores, because the tables of the stores change and a
released migration does not.
"""

from __future__ import annotations

from alembic import op

from fyke.storage.sql.state.migrations.ddl import (
    flag,
    index,
    nullable_text,
    number,
    real,
    serial,
    table,
    text,
)

revision = "s0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_accounts()
    create_workers()
    create_tasks()
    create_runs()
    create_starts()
    create_money()
    create_callbacks()
    create_alerts()
    protect_ledger()


def create_accounts() -> None:
    """Accounts, users, sessions, and the audit log."""
    table(
        "accounts",
        text("id name time_zone plan"),
        flag("operator"),
        number("balance_micros held_micros traffic_bytes traffic_expires_at created_at"),
        number("run_cap_micros month_cap_micros"),
        unique=("name",),
    )
    index("uq_accounts_operator", "accounts", "operator", "operator", unique=True)
    table(
        "users",
        text("id account_id name role password_hash"),
        flag("disabled"),
        number("created_at"),
        unique=("account_id name",),
        refs=("account_id accounts.id",),
    )
    index("uq_users_name", "users", "name", unique=True)
    table(
        "api_keys",
        text("id account_id user_id name prefix digest scopes"),
        number("created_at expires_at revoked_at last_used_at rate_limit"),
        unique=("digest",),
        refs=("account_id accounts.id",),
        indexes=("account_id",),
    )
    table(
        "sessions",
        text("id user_id digest agent address"),
        number("created_at seen_at expires_at ended_at"),
        unique=("digest",),
        refs=("user_id users.id cascade",),
        indexes=("expires_at", "user_id"),
    )
    table(
        "one_time_links",
        text("digest purpose user_id"),
        number("created_at expires_at"),
        key="digest",
        refs=("user_id users.id cascade",),
        indexes=("user_id",),
    )
    table(
        "preferences",
        text("user_id language theme time_zone snippets views"),
        key="user_id",
        refs=("user_id users.id cascade",),
    )
    table(
        "audit",
        serial("seq"),
        text("account_id user_id user_name key_id session_id address action target detail"),
        number("at"),
        key="seq",
        indexes=("account_id action seq", "account_id seq", "at"),
    )


def create_workers() -> None:
    """Workers, versions, secrets, uploads and submissions."""
    table(
        "workers",
        text("id account_id owner name title description latest search_text categories icon"),
        text("latest_approved"),
        flag("public builds_allowed"),
        number("created_at deleted_at"),
        unique=("owner name",),
        refs=("account_id accounts.id",),
        indexes=("account_id",),
    )
    table(
        "versions",
        text("id worker_id number digest language state input_schema output_schema readme"),
        text("requirements notice secrets"),
        number("seq memory_mb timeout_s max_charge_micros max_traffic_bytes created_at"),
        flag("approved builds"),
        nullable_text("egress"),
        unique=("worker_id number", "worker_id seq"),
        refs=("worker_id workers.id",),
    )
    table(
        "worker_facts",
        text("worker_id recent"),
        number("runs succeeded failed last_ok_at"),
        key="worker_id",
    )
    table(
        "version_facts",
        text("version_id findings"),
        number("size"),
        key="version_id",
        refs=("version_id versions.id",),
    )
    table(
        "worker_categories",
        text("worker_id"),
        number("category"),
        key="worker_id category",
        refs=("worker_id workers.id",),
        indexes=("category worker_id",),
    )
    table(
        "favourites",
        text("user_id worker_id"),
        number("added_at"),
        key="user_id worker_id",
        refs=("worker_id workers.id",),
    )
    table(
        "input_defaults",
        text("user_id worker_id input_json"),
        number("saved_at"),
        key="user_id worker_id",
        refs=("worker_id workers.id",),
    )
    table(
        "worker_secrets",
        text("account_id worker_id name key_id sealed set_by"),
        number("set_at used_at"),
        key="account_id worker_id name",
        refs=("account_id accounts.id", "worker_id workers.id"),
        indexes=("worker_id",),
    )
    table(
        "uploads",
        text("id account_id source state label git_url git_ref git_folder git_commit steps"),
        text("findings digest language title description input_schema output_schema worker_id"),
        text("version test_run_id"),
        number("size working_until created_at updated_at"),
        nullable_text("egress"),
        flag("builds"),
        refs=("account_id accounts.id",),
        indexes=("account_id created_at id", "created_at id"),
    )
    table(
        "submissions",
        text("id account_id worker_id version state note decided_by reply sample_run_id"),
        number("created_at decided_at"),
        refs=("account_id accounts.id", "worker_id workers.id"),
        indexes=("state created_at id", "worker_id created_at id"),
    )
    index("uq_submissions_waiting", "submissions", "worker_id", "state = 'waiting'", unique=True)


def create_tasks() -> None:
    """Saved inputs and their schedules."""
    table(
        "tasks",
        text("id account_id worker_id title version input_json description last_run_id"),
        text("search_text"),
        number("created_at updated_at run_times revision"),
        refs=("account_id accounts.id", "worker_id workers.id"),
        indexes=("account_id created_at id",),
    )
    table(
        "schedules",
        text("task_id account_id kind time date cron time_zone overlap last_error late"),
        number("weekday day every_s anchor_at next_at missed last_fired_at revision created_at"),
        number("updated_at failures paused_at"),
        flag("enabled"),
        key="task_id",
        refs=("task_id tasks.id cascade", "account_id accounts.id"),
        indexes=("account_id",),
    )
    index("ix_schedules_due", "schedules", "next_at task_id", "next_at > 0")
    table(
        "schedule_fires",
        text("task_id state run_id reason"),
        number("planned_at count at"),
        key="task_id planned_at",
        refs=("task_id schedules.task_id cascade",),
        indexes=("at",),
    )
    index("ix_schedule_fires_waiting", "schedule_fires", "task_id", "state = 'waiting'")


def create_runs() -> None:
    """Runs, subtasks, attempts, and measurements."""
    table(
        "runs",
        text("id account_id worker_id version task_id key_id origin state err_msg region"),
        text("egress_allow input_json callback_url summary bound reason_code reason_params"),
        nullable_text("outcome"),
        real("cpus"),
        number("memory_mb timeout_s max_charge_micros max_traffic_bytes subtasks"),
        number("subtasks_succeeded subtasks_failed results usage_micros traffic_bytes hold_micros"),
        number("created_at started_at finished_at busy_ms cpu_ms memory_mb_ms"),
        refs=("account_id accounts.id", "worker_id workers.id"),
        indexes=("account_id state created_at id", "account_id worker_id created_at id"),
    )
    index(
        "ix_runs_account_id_created_at_id_and_facts",
        "runs",
        "account_id created_at id worker_id state outcome reason_code origin version task_id",
    )
    index(
        "ix_runs_ended_of_task",
        "runs",
        "task_id state finished_at id",
        "finished_at > 0 AND task_id <> ''",
    )
    index(
        "ix_runs_ended_of_worker",
        "runs",
        "account_id worker_id state finished_at id",
        "finished_at > 0",
    )
    index("ix_runs_finished", "runs", "finished_at id", "finished_at > 0")
    index("ix_runs_of_task", "runs", "account_id task_id created_at id", "task_id <> ''")
    index("ix_runs_open", "runs", "id account_id state", "state IN ('ready', 'running')")
    index("ix_runs_open_of_task", "runs", "task_id", "finished_at = 0 AND task_id <> ''")
    index(
        "ix_runs_under_way", "runs", "account_id id", "state IN ('running', 'ending', 'aborting')"
    )
    index("ix_runs_with_error", "runs", "account_id created_at id", "err_msg <> ''")
    table(
        "run_counts",
        text("account_id worker_id state"),
        number("n"),
        key="account_id worker_id state",
    )
    table(
        "subtasks",
        text("run_id number input_json state err_msg reason_code reason_params"),
        number("ordinal"),
        nullable_text("outcome"),
        key="run_id ordinal",
        refs=("run_id runs.id cascade",),
    )
    index("ix_subtasks_waiting", "subtasks", "run_id ordinal", "state = 'waiting'")
    table(
        "attempts",
        text("id run_id number runner_id err_msg reason_code reason_params"),
        number("ordinal token lease_until rows traffic_bytes cpu_ms memory_peak_bytes started_at"),
        number("finished_at memory_bytes memory_mb_ms"),
        nullable_text("outcome"),
        refs=("run_id runs.id cascade",),
        indexes=("run_id ordinal id",),
    )
    index("ix_attempts_leases", "attempts", "lease_until", "outcome IS NULL")
    index("ix_attempts_living", "attempts", "runner_id", "outcome IS NULL")
    table(
        "run_events",
        serial("seq"),
        text("run_id kind before after actor detail reason_code reason_params"),
        number("at"),
        key="seq",
        refs=("run_id runs.id cascade",),
        indexes=("run_id seq",),
    )
    table(
        "run_samples",
        text("run_id"),
        number("at cpu_ms memory_bytes traffic_bytes rows"),
        key="run_id at",
        refs=("run_id runs.id cascade",),
    )
    table(
        "run_sites",
        text("run_id domain"),
        number("requests bytes_up bytes_down failures refused"),
        key="run_id domain",
        refs=("run_id runs.id cascade",),
    )
    table(
        "attempt_sites",
        text("attempt_id run_id sites"),
        key="attempt_id",
        refs=("run_id runs.id cascade",),
        indexes=("run_id",),
    )
    table(
        "run_shares",
        text("id account_id run_id made_by"),
        flag("rows log"),
        number("created_at expires_at revoked_at"),
        refs=("account_id accounts.id", "run_id runs.id cascade"),
        indexes=("run_id created_at",),
    )


def create_starts() -> None:
    """The run queue, start keys, runners and servers."""
    table(
        "queue_items",
        serial("number"),
        text("id account_id worker_id version input_json callback_url reason_text run_id"),
        text("reason_code reason_params"),
        flag("waiting"),
        number("created_at ended_at"),
        key="number",
        unique=("id",),
        refs=("account_id accounts.id", "worker_id workers.id"),
        indexes=("account_id waiting number",),
        sqlite_autoincrement=True,
    )
    index("ix_queue_items_ended", "queue_items", "ended_at id", "ended_at > 0")
    table(
        "start_keys",
        text("account_id key digest made ref"),
        number("expires_at"),
        key="account_id key",
        indexes=("expires_at",),
    )
    table(
        "runners",
        text("id node isolation reason checks"),
        real("cpus"),
        number("memory_mb heartbeat_at"),
        flag("unsafe"),
    )
    table("servers", text("id"), number("heartbeat_at"))


def create_money() -> None:
    """The ledger and daily usage."""
    table(
        "ledger",
        serial("seq"),
        text("id account_id kind run_id note"),
        number("at usd_micros traffic_bytes"),
        key="seq",
        unique=("id",),
        refs=("account_id accounts.id",),
        indexes=("account_id at seq",),
    )
    table(
        "usage_days",
        text("account_id part ref"),
        number("day runs failed aborted results usage_micros traffic_bytes run_ms credited_micros"),
        number("cpu_ms memory_mb_ms"),
        key="account_id part day ref",
    )


def create_callbacks() -> None:
    """Deliveries, receivers and webhook endpoints."""
    table(
        "deliveries",
        text("id account_id run_id url payload state last_error kind receiver host endpoint_id"),
        text("event"),
        number("tries next_at last_status created_at ended_at claimed_until"),
        refs=("run_id runs.id cascade",),
        indexes=("account_id created_at id", "run_id created_at"),
    )
    index("ix_deliveries_claimed", "deliveries", "host claimed_until", "claimed_until > 0")
    index("ix_deliveries_due", "deliveries", "host next_at", "state = 'pending'")
    index(
        "ix_deliveries_of_endpoint",
        "deliveries",
        "endpoint_id account_id created_at id state",
        "endpoint_id <> ''",
    )
    index("ix_deliveries_running", "deliveries", "run_id", "state = 'pending' AND kind = 'running'")
    index(
        "ix_deliveries_waiting_of_endpoint",
        "deliveries",
        "endpoint_id next_at",
        "state = 'pending' AND endpoint_id <> ''",
    )
    table(
        "delivery_tries",
        serial("seq"),
        text("delivery_id error reply"),
        number("at status duration_ms"),
        key="seq",
        refs=("delivery_id deliveries.id cascade",),
        indexes=("delivery_id seq",),
    )
    table(
        "receivers",
        text("account_id receiver"),
        number("failing_since last_success_at last_failure_at disabled_at"),
        key="account_id receiver",
        refs=("account_id accounts.id",),
    )
    table("callback_hosts", text("host standing"), number("next_at"), key="host")
    table(
        "webhook_endpoints",
        text("id account_id name url events description salt old_salt last_error last_reply"),
        flag("enabled"),
        number("old_until created_at updated_at last_at last_status failing_since"),
        unique=("account_id name",),
        refs=("account_id accounts.id",),
    )


def create_alerts() -> None:
    """Alert rules, checks and alerts."""
    table(
        "alert_rules",
        text("id account_id name kind worker_id task_id field endpoints emails reasons"),
        real("factor percent"),
        number("usd_micros traffic_bytes since created_at updated_at"),
        flag("enabled"),
        refs=("account_id accounts.id",),
        indexes=("account_id",),
    )
    table(
        "alert_checks",
        serial("seq"),
        text("run_id account_id"),
        number("tries not_before"),
        key="seq",
        refs=("run_id runs.id cascade",),
        indexes=("run_id",),
    )
    table(
        "alert_budgets",
        text("rule_id month"),
        key="rule_id month",
        refs=("rule_id alert_rules.id cascade",),
    )
    table(
        "alerts",
        text("id account_id rule_id rule_name kind run_id worker_id task_id sentence reason_code"),
        text("reason_params"),
        number("at read_at"),
        unique=("rule_id run_id",),
        refs=("account_id accounts.id",),
        indexes=("account_id at id rule_id", "at"),
    )
    index("ix_alerts_unread", "alerts", "account_id at id", "read_at = 0")


def protect_ledger() -> None:
    """Make the database reject updates and deletions of ledger entries."""
    refusal = "the ledger is only ever added to"
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER ledger_no_{verb} BEFORE {verb} ON ledger"
                f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION ledger_stays() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER ledger_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger"
        " FOR EACH STATEMENT EXECUTE FUNCTION ledger_stays()"
    )
