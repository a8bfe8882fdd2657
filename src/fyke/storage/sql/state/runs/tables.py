"""The tables of runs, and conversion of runs to rows and back.

The indexes make the cost of queries independent of the number of past runs: partial ones contain
only waiting and active rows, and ``run_counts`` has the number of runs per state, because counting
a million rows for each page of a list would be too slow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Double, Index, Table

from fyke.kit.typed import convert
from fyke.model.run import Run, RunLimits
from fyke.storage.sql.dialects import fetch_all
from fyke.storage.sql.state.columns import (
    flag_column,
    metadata,
    number_column,
    partial_index,
    reason_columns,
    ref_column,
    serial_column,
    text_column,
)
from fyke.storage.sql.state.records import columns, with_reason

ENDED_COUNTERS = "cpu_ms", "traffic_bytes", "rows"

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
    Column("browser_cpus", Double, nullable=False),
    number_column("browser_memory_mb"),
    flag_column("browser_required"),
    flag_column("browser_memory_asked"),
    text_column("browser_mode"),
    text_column("browser_program"),
    text_column("pool"),
    flag_column("pool_asked"),
    text_column("labels"),  # JSON object with sorted names, empty without labels
    flag_column("region_of_node"),
    flag_column("operators_worker"),
    text_column("environment"),
    text_column("region"),
    text_column("egress_allow"),  # JSON list
    text_column("browser_block"),  # JSON list
    number_column("max_retries"),
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
    text_column("summary"),
    text_column("bound"),
    # the totals of its attempts, written when it ends
    number_column("busy_ms"),
    number_column("cpu_ms"),
    number_column("memory_mb_ms"),
    *reason_columns(),
    number_column("gap_ms"),
    number_column("browser_ms"),  # the same as ``busy_ms``
    number_column("subtasks_ended"),  # until its end; written with the subtasks alone
    # the usage of its ended attempts until its own end; written with the attempts alone
    *(number_column(f"ended_{name}") for name in ENDED_COUNTERS),
    # with all filter columns of lists, which scan only this index; see lists.py
    Index(
        "ix_runs_account_id_created_at_id_and_facts",
        *("account_id", "created_at", "id"),
        *("worker_id", "state", "outcome", "reason_code", "origin", "version", "task_id"),
    ),
    Index(None, "account_id", "state", "created_at", "id"),
    Index(None, "account_id", "worker_id", "created_at", "id"),
    Index(None, "account_id", "origin", "created_at", "id"),
    Index(None, "account_id", "version", "created_at", "id"),
)
partial_index(
    "ix_runs_finished",
    runs.c.finished_at,
    runs.c.id,
    where="finished_at > 0",
)

# runs that count for a plan, and runs with subtasks to lease; see admission.py and leases.py
partial_index(
    "ix_runs_under_way",
    runs.c.account_id,
    runs.c.id,
    where="state IN ('running', 'ending', 'aborting')",
)
# with account and state, so that runs that wait for their plan are skipped in the index
partial_index(
    "ix_runs_open_of_pool",
    runs.c.pool,
    runs.c.id,
    runs.c.account_id,
    runs.c.state,
    where="state IN ('ready', 'running')",
)

# whether a task has an open run, for the overlap policy of its schedule
partial_index(
    "ix_runs_open_of_task",
    runs.c.task_id,
    where="finished_at = 0 AND task_id <> ''",
)

# for searches in error messages, and for the runs of a task
partial_index(
    "ix_runs_with_error",
    *(runs.c.account_id, runs.c.created_at, runs.c.id),
    where="err_msg <> ''",
)
# for lists by reason or outcome, with all other filter columns
_FACTS = (runs.c.origin, runs.c.version, runs.c.task_id)
partial_index(
    "ix_runs_with_reason",
    *(runs.c.account_id, runs.c.reason_code, runs.c.created_at, runs.c.id),
    *(runs.c.worker_id, runs.c.state, runs.c.outcome, *_FACTS),
    where="reason_code <> ''",
)
partial_index(
    "ix_runs_not_succeeded",
    *(runs.c.account_id, runs.c.outcome, runs.c.created_at, runs.c.id),
    *(runs.c.worker_id, runs.c.state, runs.c.reason_code, *_FACTS),
    where="outcome <> 'succeeded'",
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
    number_column("n"),
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
    *reason_columns(),
    number_column("not_before"),
    text_column("pool"),  # that of its run
)
# the queues: only waiting subtasks
partial_index(
    "ix_subtasks_waiting_of_pool",
    subtasks.c.pool,
    subtasks.c.run_id,
    subtasks.c.ordinal,
    where="state = 'waiting'",
)

# each second every living attempt is renewed: no index has what a renewal changes
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
    # the last reported memory of an active attempt, and below that of its browser; not part of its
    # record
    number_column("memory_bytes"),
    number_column("memory_mb_ms"),
    *reason_columns(),
    number_column("busy_ms"),
    number_column("browser_ms"),
    number_column("browser_cpu_ms"),
    number_column("browser_memory_peak_bytes"),
    number_column("browser_memory_mb_ms"),
    text_column("browser_version"),
    number_column("browser_memory_bytes"),
    text_column("node"),  # the machine of its runner
    flag_column("replaced"),
    # what the Worker of an active attempt has reported; not part of its record
    number_column("progress_done"),
    number_column("progress_total"),
    text_column("progress_text"),
    Index(None, "run_id", "ordinal", "id"),
)
partial_index(
    "ix_attempts_living",
    attempts.c.run_id,
    where="outcome IS NULL",
)
partial_index(
    "ix_attempts_of_runner",
    attempts.c.runner_id,
    where="outcome IS NULL",
)

run_events = Table(
    "run_events",
    metadata,
    serial_column("seq"),
    ref_column("run_id", "runs.id", cascade=True),
    number_column("at"),
    text_column("kind"),
    text_column("before"),
    text_column("after"),
    text_column("actor"),
    text_column("detail"),
    *reason_columns(),
    text_column("number"),
    text_column("node"),
    Index(None, "run_id", "seq"),
)

# the last ended runs of a worker or a task, by state
partial_index(
    "ix_runs_ended_of_worker",
    runs.c.account_id,
    runs.c.worker_id,
    runs.c.state,
    runs.c.finished_at,
    runs.c.id,
    where="finished_at > 0",
)
partial_index(
    "ix_runs_ended_of_task",
    runs.c.task_id,
    runs.c.state,
    runs.c.finished_at,
    runs.c.id,
    where="finished_at > 0 AND task_id <> ''",
)

_LIMITS = tuple(field.name for field in fields(RunLimits))
_LISTS = "egress_allow", "browser_block"
NOTHING = "[]"  # of an empty one


def run_of(row: Mapping[Any, Any]) -> Run:
    values = with_reason({str(name): value for name, value in row.items()})
    values["limits"] = {name: values[name] for name in _LIMITS}
    for name in _LISTS:
        text = values[name]
        values[name] = () if text == NOTHING else json.loads(text)
    if values["labels"]:
        values["labels"] = json.loads(values["labels"])
    else:
        del values["labels"]
    return convert(values, Run, strict=False)


def run_columns(run: Run) -> dict[str, Any]:
    values = columns(run)
    values |= values.pop("limits")
    values |= {name: json.dumps(values[name]) for name in _LISTS}
    values["labels"] = json.dumps(values["labels"], sort_keys=True) if run.labels else ""
    return values


def runs_by_id(connection: Connection, ids: Iterable[str]) -> dict[str, Run]:
    """Return the runs that exist among ``ids``."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    statement = f"SELECT * FROM runs WHERE id IN ({', '.join('?' * len(wanted))})"  # noqa: S608
    return {row["id"]: run_of(row) for row in fetch_all(connection, statement, tuple(wanted))}
