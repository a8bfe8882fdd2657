"""Alert rules, checks of ended runs, and alerts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Double,
    Index,
    PrimaryKeyConstraint,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    union_all,
    update,
)

from fyke.model.alert import Alert, AlertCheck, AlertFilter, PreviousRun, Rule
from fyke.model.billing import UsageDimension
from fyke.model.run import TERMINAL_STATES, Run, RunState, duration
from fyke.model.task import Task
from fyke.storage.sql.dialects import insert_new
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.billing import WHOLE_DAY, usage_days
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
from fyke.storage.sql.state.records import SqlStore, columns, many, one, record, was_applied
from fyke.storage.sql.state.runs.tables import run_of, runs

alert_rules = Table(
    "alert_rules",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    text_column("name"),
    text_column("kind"),
    text_column("worker_id"),  # no reference: the rule is kept when worker or task are deleted
    text_column("task_id"),
    Column("factor", Double, nullable=False),
    text_column("field"),
    Column("percent", Double, nullable=False),
    number_column("usd_micros"),
    number_column("traffic_bytes"),
    text_column("endpoints"),  # JSON list
    text_column("emails"),  # JSON list
    flag_column("enabled"),
    number_column("since"),
    number_column("created_at"),
    number_column("updated_at"),
    text_column("reasons"),  # JSON list
    Index(None, "account_id"),
)

# ended runs to which the rules were not applied yet; written in the transaction that ends the run
alert_checks = Table(
    "alert_checks",
    metadata,
    serial_column("seq"),
    ref_column("run_id", "runs.id", cascade=True),
    text_column("account_id"),
    number_column("tries"),
    number_column("not_before"),
    Index(None, "run_id"),
)

# the calendar months in which a budget rule has raised its alert
alert_budgets = Table(
    "alert_budgets",
    metadata,
    ref_column("rule_id", "alert_rules.id", cascade=True),
    text_column("month"),
    PrimaryKeyConstraint("rule_id", "month"),
)

alerts = Table(
    "alerts",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    text_column("rule_id"),  # no references: the alert is kept when rule or run are deleted
    text_column("rule_name"),
    text_column("kind"),
    text_column("run_id"),  # "" for a start that was refused
    text_column("worker_id"),
    text_column("task_id"),
    text_column("sentence"),
    number_column("at"),
    number_column("read_at"),
    *reason_columns(),
    Index(None, "account_id", "at", "id", "rule_id"),  # with rule_id, to count alerts of a rule
    Index(None, "at"),
)
partial_index(
    "ix_alerts_of_run",
    alerts.c.rule_id,
    alerts.c.run_id,
    where="run_id <> ''",
    unique=True,
)
partial_index(
    "ix_alerts_without_run",
    alerts.c.rule_id,
    alerts.c.task_id,
    alerts.c.at,
    where="run_id = ''",
)
partial_index(
    "ix_alerts_unread",
    alerts.c.account_id,
    alerts.c.at,
    alerts.c.id,
    where="read_at = 0",
)

_LISTS = ("endpoints", "emails", "reasons")
# literals, because a partial index is used only if the statement has its condition verbatim
_ENDED = runs.c.finished_at > literal_column("0")
_OF_TASK = runs.c.task_id != literal_column("''")
_UNREAD = alerts.c.read_at == literal_column("0")

_RULES_FOR = Prepared(
    select(alert_rules)
    .where(
        alert_rules.c.account_id == bindparam("of_account"),
        alert_rules.c.enabled,
        alert_rules.c.worker_id.in_([literal_column("''"), bindparam("of_worker")]),
        alert_rules.c.task_id.in_([literal_column("''"), bindparam("of_task")]),
    )
    .order_by(alert_rules.c.created_at, alert_rules.c.id)
)


class SqlAlerts(SqlStore):
    """Implements ``AlertStore``."""

    # --- rules -----------------------------------------------------------------------------

    def add_rule(self, rule: Rule) -> None:
        self._db.execute(insert(alert_rules), _columns(rule))

    def rule(self, rule_id: str) -> Rule | None:
        return self._rule(select(alert_rules).where(alert_rules.c.id == rule_id))

    def lock_rule(self, rule_id: str) -> Rule | None:
        query = select(alert_rules).where(alert_rules.c.id == rule_id)
        return self._rule(query.with_for_update(key_share=True))

    def _rule(self, query: Any) -> Rule | None:
        row = self._db.execute(query).mappings().first()
        return None if row is None else _rule(row)

    def rules(self, account_id: str) -> list[Rule]:
        return self._rules(select(alert_rules).where(alert_rules.c.account_id == account_id))

    def rules_for(self, of: Run | Task) -> list[Rule]:
        task_id = of.id if isinstance(of, Task) else of.task_id
        scope = {"of_account": of.account_id, "of_worker": of.worker_id, "of_task": task_id}
        return [_rule(row) for row in _RULES_FOR.rows(self._db, scope)]

    def _rules(self, query: Select[Any]) -> list[Rule]:
        order = alert_rules.c.created_at, alert_rules.c.id
        return [_rule(row) for row in self._db.execute(query.order_by(*order)).mappings()]

    def save_rule(self, rule: Rule) -> None:
        self._db.execute(
            update(alert_rules).where(alert_rules.c.id == rule.id).values(**_columns(rule))
        )

    def delete_rule(self, rule_id: str) -> None:
        self._db.execute(delete(alert_rules).where(alert_rules.c.id == rule_id))

    # --- checks ----------------------------------------------------------------------------

    def add_check(self, run: Run) -> None:
        values = {"run_id": run.id, "account_id": run.account_id, "tries": 0, "not_before": 0}
        self._db.execute(insert(alert_checks), values)

    def next_check(self, now: int) -> AlertCheck | None:
        query = select(alert_checks).where(alert_checks.c.not_before <= now)
        return one(self._db.execute(query.order_by(alert_checks.c.seq).limit(1)), AlertCheck)

    def next_check_at(self) -> int | None:
        # the table is small: a check is removed as soon as it is made
        return self._db.execute(select(func.min(alert_checks.c.not_before))).scalar()

    def lock_check(self, seq: int) -> AlertCheck | None:
        query = select(alert_checks).where(alert_checks.c.seq == seq).with_for_update()
        return one(self._db.execute(query), AlertCheck)

    def postpone_check(self, seq: int, tries: int, not_before: int) -> None:
        change = update(alert_checks).where(alert_checks.c.seq == seq)
        self._db.execute(change.values(tries=tries, not_before=not_before))

    def drop_check(self, seq: int) -> None:
        self._db.execute(delete(alert_checks).where(alert_checks.c.seq == seq))

    def previous_runs(self, run: Run, *, of_task: bool, limit: int) -> list[PreviousRun]:
        rows = self._db.execute(previous_runs_query(run, of_task=of_task, limit=limit))
        return [
            PreviousRun(str(run_id), int(results), duration(started, finished, gap), str(summary))
            for run_id, results, summary, started, finished, gap in rows
        ]

    def last_ended(self, account_id: str, worker_id: str, task_id: str, limit: int) -> list[Run]:
        rows = self._db.execute(ended_query(account_id, worker_id, task_id, limit)).mappings()
        return [run_of(row) for row in rows]

    def usage_of(self, rule: Rule, first: int, last: int) -> tuple[int, int]:
        if rule.task_id:
            part, ref = UsageDimension.TASK.value, rule.task_id
        elif rule.worker_id:
            part, ref = UsageDimension.WORKER.value, rule.worker_id
        else:
            part, ref = WHOLE_DAY, ""
        usd, traffic = func.sum(usage_days.c.usage_micros), func.sum(usage_days.c.traffic_bytes)
        query = select(func.coalesce(usd, 0), func.coalesce(traffic, 0)).where(
            usage_days.c.account_id == rule.account_id,
            usage_days.c.part == part,
            usage_days.c.day.between(first, last),
            usage_days.c.ref == ref,
        )
        row = self._db.execute(query).one()
        return int(row[0]), int(row[1])

    def claim_month(self, rule_id: str, month: str) -> bool:
        values = {"rule_id": rule_id, "month": month}
        return was_applied(self._db.execute(insert_new(self._db, alert_budgets), values))

    # --- alerts ----------------------------------------------------------------------------

    def add_alert(self, alert: Alert) -> bool:
        return was_applied(self._db.execute(insert_new(self._db, alerts), columns(alert)))

    def has_refusal(self, rule: Rule, task_id: str, after: int) -> bool:
        query = select(alerts.c.id).where(
            alerts.c.rule_id == rule.id,
            alerts.c.task_id == task_id,
            alerts.c.at > after,
            alerts.c.run_id == literal_column("''"),  # as the index says it
        )
        return self._db.execute(query.limit(1)).first() is not None

    def alert(self, alert_id: str) -> Alert | None:
        return one(self._db.execute(select(alerts).where(alerts.c.id == alert_id)), Alert)

    def alerts(
        self, account_id: str, filter: AlertFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Alert]]:
        conditions: list[ColumnElement[bool]] = [alerts.c.account_id == account_id]
        if filter.unread:
            conditions.append(_UNREAD)
        if filter.rule_id:
            conditions.append(alerts.c.rule_id == filter.rule_id)
        count = self._db.execute(select(func.count()).select_from(alerts).where(*conditions))
        order = alerts.c.at.desc(), alerts.c.id.desc()
        ids = select(alerts.c.id).where(*conditions).order_by(*order).limit(limit).offset(offset)
        page = select(alerts).where(alerts.c.id.in_(ids)).order_by(*order)
        return count.scalar_one(), many(self._db.execute(page), Alert)

    def count_unread(self, account_id: str, limit: int) -> int:
        unread = select(alerts.c.id).where(alerts.c.account_id == account_id, _UNREAD).limit(limit)
        count = select(func.count()).select_from(unread.subquery())
        return int(self._db.execute(count).scalar_one())

    def mark_read(self, account_id: str, alert_ids: Collection[str] | None, at: int) -> int:
        change = update(alerts).where(alerts.c.account_id == account_id, _UNREAD)
        if alert_ids is not None:
            change = change.where(alerts.c.id.in_(sorted(alert_ids)))
        return self._db.execute(change.values(read_at=at)).rowcount

    def remove_alerts(self, before: int, limit: int) -> int:
        old = select(alerts.c.id).where(alerts.c.at < before).order_by(alerts.c.at).limit(limit)
        return self._db.execute(delete(alerts).where(alerts.c.id.in_(old))).rowcount


def previous_runs_query(run: Run, *, of_task: bool, limit: int) -> Select[Any]:
    """Return the query of ``previous_runs``; one index has the rows in order."""
    earlier = or_(
        runs.c.finished_at < run.finished_at,
        and_(runs.c.finished_at == run.finished_at, runs.c.id < run.id),
    )
    if of_task:
        scope = runs.c.task_id == run.task_id, _OF_TASK
    else:
        scope = runs.c.account_id == run.account_id, runs.c.worker_id == run.worker_id
    return (
        select(
            runs.c.id,
            runs.c.results,
            runs.c.summary,
            runs.c.started_at,
            runs.c.finished_at,
            runs.c.gap_ms,
        )
        .where(*scope, runs.c.state == RunState.SUCCEEDED.value, _ENDED, earlier)
        # implied by ``earlier``, but usable with the index
        .where(runs.c.finished_at <= run.finished_at)
        .order_by(runs.c.finished_at.desc(), runs.c.id.desc())
        .limit(limit)
    )


def ended_query(account_id: str, worker_id: str, task_id: str, limit: int) -> Select[Any]:
    """Return the query of ``last_ended``: the newest runs of each state from an index, merged."""
    parts = []
    for state in TERMINAL_STATES:
        ended = runs.alias("ended")
        ids = select(ended.c.id, ended.c.finished_at, ended.c.created_at).where(
            ended.c.account_id == account_id, ended.c.state == str(state)
        )
        order: tuple[Any, ...]
        if task_id or worker_id:
            ids = ids.where(text("ended.finished_at > 0"))
            order = ended.c.finished_at.desc(), ended.c.id.desc()
        else:
            order = ended.c.created_at.desc(), ended.c.id.desc()
        if task_id:
            ids = ids.where(ended.c.task_id == task_id, text("ended.task_id <> ''"))
        elif worker_id:
            ids = ids.where(ended.c.worker_id == worker_id)
        part = ids.order_by(*order).limit(limit).subquery()
        parts.append(select(part.c.id, part.c.finished_at))
    merged = union_all(*parts).subquery()
    newest = select(merged.c.id).order_by(merged.c.finished_at.desc(), merged.c.id.desc())
    page = select(runs).where(runs.c.id.in_(newest.limit(limit)))
    return page.order_by(runs.c.finished_at.desc(), runs.c.id.desc())


def _rule(row: Mapping[Any, Any]) -> Rule:
    return record({**row} | {name: json.loads(row[name]) for name in _LISTS}, Rule)


def _columns(rule: Rule) -> dict[str, Any]:
    values = columns(rule)
    return values | {name: json.dumps(values[name]) for name in _LISTS}
