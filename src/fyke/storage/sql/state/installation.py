"""Facts about the installation, runners, and queries across all accounts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from sqlalchemy import (
    Column,
    Double,
    Insert,
    Table,
    and_,
    case,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)

from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.model.runner import RunnerInfo
from fyke.storage.sql.dialects import insert_new, upsert
from fyke.storage.sql.state.columns import flag_column, metadata, number_column, text_column
from fyke.storage.sql.state.records import SqlStore, columns, record, was_applied
from fyke.storage.sql.state.runs.tables import run_counts, runs

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
    text_column("checks"),  # JSON list
    flag_column("unsafe"),
    flag_column("draining"),
    text_column("place"),
    text_column("trouble"),  # JSON object, empty without trouble
    number_column("idle_sandboxes"),
    number_column("idle_memory"),
    number_column("browsers"),
    Column("browser_share", Double, nullable=False),
    text_column("browser_problem"),
    text_column("browser_programs"),  # separated by blanks
    flag_column("browser_display"),
    text_column("pool"),
    text_column("labels"),  # JSON object, empty without labels
    number_column("settings_version"),
    text_column("environments"),  # separated by blanks
    *(number_column(f"disk_{name}") for name in ("free", "total", "floor")),
    number_column("cache_bytes"),
    number_column("clock_ms"),
    text_column("sites"),  # by ``put_site_uses`` only; the database has a default
)
_REPORTED = [column for column in runners.c if column.name != "sites"]


facts = Table("installation", metadata, text_column("name", key=True), text_column("value"))


class RunnerTable(SqlStore):
    """The part of ``RunStore`` for runners."""

    def put_runner(self, runner: RunnerInfo) -> tuple[int, int]:
        trouble = json.dumps(asdict(runner.trouble)) if runner.trouble else ""
        values = columns(runner) | {"checks": json.dumps(runner.checks), "trouble": trouble}
        values["browser_programs"] = " ".join(runner.browser_programs)
        values["labels"] = json.dumps(dict(runner.labels)) if runner.labels else ""
        values["environments"] = " ".join(runner.environments)
        other = runners.alias("other")
        others = (
            select(func.count())
            .select_from(other)
            .where(other.c.pool == runner.pool, other.c.id != runner.id, ~other.c.draining)
            .where(other.c.heartbeat_at >= runner.heartbeat_at - RUNNER_SILENCE_MS)
        )
        machines = (
            select(func.count(other.c.node.distinct()))
            .where(other.c.node != runner.node)
            .where(other.c.heartbeat_at >= runner.heartbeat_at - RUNNER_SILENCE_MS)
        )
        put = cast(Insert, upsert(self._db, runners, values, key=("id",)))
        put = put.returning(others.scalar_subquery(), machines.scalar_subquery())
        of_pool, elsewhere = self._db.execute(put).one()
        return int(of_pool), int(elsewhere)

    def has_runner(self, runner_id: str, active_since: int) -> bool:
        query = select(runners.c.id).where(runners.c.id == runner_id)
        query = query.where(runners.c.heartbeat_at >= active_since)
        return self._db.execute(query).first() is not None

    def runners(self, active_since: int) -> list[RunnerInfo]:
        query = select(*_REPORTED).where(runners.c.heartbeat_at >= active_since)
        rows = self._db.execute(query.order_by(runners.c.id)).mappings()
        return [_runner(row) for row in rows]

    def some_after(
        self, runner_id: str, pool: str, active_since: int, most: int
    ) -> list[RunnerInfo]:
        """Up to ``most`` other active runners of a pool: those that follow this one by their ids,
        then the first ones.
        """
        query = select(*_REPORTED).where(
            runners.c.pool == pool,
            runners.c.heartbeat_at >= active_since,
            runners.c.id != runner_id,
        )
        rows = self._db.execute(query.order_by(runners.c.id < runner_id, runners.c.id).limit(most))
        return [_runner(row) for row in rows.mappings()]

    def runners_of_place(self, place: str) -> list[str]:
        query = select(runners.c.id).where(runners.c.place == place).order_by(runners.c.id)
        return list(self._db.execute(query).scalars())

    def drop_earlier_runners(
        self, kept: str, place: str, node: str, *, silent_before: int, unused_before: int
    ) -> None:
        silent = and_(runners.c.node == node, runners.c.heartbeat_at < silent_before)
        unused = runners.c.heartbeat_at < unused_before
        earlier = or_(runners.c.place == place, silent, unused)
        self._db.execute(delete(runners).where(runners.c.id != kept, earlier))

    def drop_runner(self, runner_id: str) -> None:
        self._db.execute(delete(runners).where(runners.c.id == runner_id))

    def site_uses(self, active_since: int) -> list[tuple[str, str, str]]:
        query = select(runners.c.id, runners.c.node, runners.c.sites)
        query = query.where(runners.c.heartbeat_at >= active_since).order_by(runners.c.id)
        return [(row.id, row.node, row.sites) for row in self._db.execute(query)]

    def put_site_uses(self, uses: Mapping[str, str]) -> None:
        if uses:
            put = update(runners).where(runners.c.id.in_(list(uses)))
            self._db.execute(put.values(sites=case(dict(uses), value=runners.c.id)))


def _runner(row: Mapping[Any, Any]) -> RunnerInfo:
    values = {str(name): value for name, value in row.items()}
    values["checks"] = json.loads(values["checks"])
    values["trouble"] = json.loads(values["trouble"] or "null")
    values["browser_programs"] = values["browser_programs"].split()
    values["labels"] = json.loads(values["labels"] or "{}")
    values["environments"] = values["environments"].split()
    return record(values, RunnerInfo)


_FINISHED = runs.c.finished_at > literal_column("0")  # a literal, for the partial index


class SqlInstallation(SqlStore):
    """Implements ``InstallationStore``."""

    def fact(self, name: str) -> str | None:
        return self._db.execute(select(facts.c.value).where(facts.c.name == name)).scalar()

    def settle(self, name: str, value: str) -> str:
        self._db.execute(insert_new(self._db, facts), {"name": name, "value": value})
        return self.fact(name) or ""

    def replace(self, name: str, value: str) -> None:
        values = {"name": name, "value": value}
        self._db.execute(upsert(self._db, facts, values, key=("name",)))

    def exchange(self, name: str, before: str, value: str) -> bool:
        known = and_(facts.c.name == name, facts.c.value == before)
        return was_applied(self._db.execute(update(facts).where(known).values(value=value)))

    def removable(self, before: int, limit: int) -> tuple[int, int, int]:
        # runs with an end are terminal, so the index alone is enough
        ended = (
            select(runs.c.finished_at)
            .where(_FINISHED, runs.c.finished_at < before)
            .order_by(runs.c.finished_at)
            .limit(limit)
            .subquery()
        )
        at = ended.c.finished_at
        query = select(func.count(), func.min(at), func.max(at)).select_from(ended)
        count, oldest, newest = self._db.execute(query).one()
        return int(count), int(oldest or 0), int(newest or 0)

    def runs(self) -> int:
        return int(self._db.execute(select(func.sum(run_counts.c.n))).scalar() or 0)
