"""The database of ``fleet.py``: its nodes, its waiting runs, and what it has done meanwhile."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from common import cpu_seconds
from fleet_gateway import settings_of
from idle_memory import memory
from sqlalchemy import Integer, create_engine, text

from fyke.app.folder import master_secret
from fyke.app.state import migrate_all
from fyke.domain.nodes.authority import NodeAuthority
from fyke.domain.runs.service import StartRequest
from fyke.kit.certificates import CertifiedKey
from fyke.kit.clock import SystemClock
from fyke.kit.sealing import Sealer
from fyke.model.node_registry import Node
from fyke.model.placement import DEFAULT_POOL
from fyke.model.run import AttemptKey, Origin
from fyke.storage.sql.state.runs import tables
from support.app import make_templates, open_app
from support.postgres import PostgresServer

FILLING_MS = 600_000  # a lease that was written into the database, until its node reports

# kinds of statements, each with a pattern of its text; the first one counts
KINDS = (
    ("renew leases", "WITH renewed"),
    ("check the node", r"SELECT nodes\.|FROM nodes"),
    ("node seen", "UPDATE nodes"),
    ("put the runner", "INSERT INTO runners"),
    ("read runners", "FROM runners"),
    ("loads of runners", r"GROUP BY attempts\.runner_id|sum\(runs\.cpus\)"),
    ("read the queue", "subtasks.*waiting"),
    ("add attempts", "INSERT INTO attempts"),
    ("start or end attempts", "UPDATE attempts"),
    ("samples", "run_samples"),
    ("results: COPY", "^COPY results_"),
    ("results: locks", "FROM results_(runs|attempts).*FOR UPDATE|SELECT a.attempt_id"),
    ("results: other", "results_"),
    ("commit marks", "commit_marks"),
    ("signals", "pg_notify"),
    ("begin, commit", "^(BEGIN|COMMIT|ROLLBACK|SET|START)"),
    ("runs", r"runs"),
)


class Database:
    """The PostgreSQL server of the bench, and its database ``fleet``."""

    def __init__(self, server: PostgresServer, home: Path) -> None:
        self._server = server
        with server.admin() as connection:
            connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
            connection.execute("ALTER SYSTEM SET max_wal_size = '4GB'")
            connection.execute("CREATE DATABASE fleet")
        server.stop()
        server.start()
        self.url = server.url("fleet")
        self.settings = settings_of(home, self.url)
        migrate_all(self.settings)
        self._admin = server.admin("fleet")
        self._admin.execute("CREATE EXTENSION pg_stat_statements")
        self._engine = create_engine(self.url)

    async def authority(self, storage: Any) -> CertifiedKey:
        sealer = Sealer(master_secret(self.settings))
        return await NodeAuthority(storage, sealer, SystemClock()).ensure()

    async def fill(self, folder: Path, names: Sequence[str], runs: int, subtasks: int) -> Any:
        """Add nodes that have joined, and ``runs`` waiting runs; return the authority, and the id
        of a run to copy.
        """
        templates = folder / "templates"
        templates.mkdir()
        async with open_app(folder, make_templates(templates), state_url=self.url) as app:
            authority = await self.authority(app.storage)

            def join(tx: Any) -> None:
                for name in names:
                    node = Node(name, DEFAULT_POOL, {}, "", join_of(name), False, tx.now)
                    tx.nodes.add(node)

            await app.storage.write(join)
            worker = await app.publish("fleet")
            urls = [{"url": f"https://example.org/{number}"} for number in range(subtasks)]
            body = {"parameters": {"system": {}, "custom": {"urls": urls}}}
            request = StartRequest(worker.id, None, body, "", Origin.API, "")
            sample = (await app.services.runs.start(app.owner, request)).id
            one = {"parameters": {"system": {}, "custom": {"urls": urls[:1]}}}
            request = StartRequest(worker.id, None, one, "", Origin.API, "")
            self.single = (await app.services.runs.start(app.owner, request)).id
        # no node takes it, so that it can still be copied as one that waits
        for table, of in (("runs", "id"), ("subtasks", "run_id")):
            self._admin.execute(f"UPDATE {table} SET pool = 'copied' WHERE {of} = '{self.single}'")
        if runs > 1:
            self.copy_runs(sample, "01HST", 1, runs - 1)
        self._admin.execute("VACUUM ANALYZE")
        return authority

    def copy_runs(self, sample: str, prefix: str, first: int, last: int) -> None:
        """Copies of a waiting run, with the ids ``prefix`` and a number of 21 digits."""
        values = {"sample": sample, "first": first, "last": last}
        run = f"'{prefix}' || lpad(i::text, 21, '0')"
        numbers = "generate_series(cast(:first AS bigint), :last) AS i"
        with self._engine.begin() as connection:
            for table, of in ((tables.runs, "id"), (tables.subtasks, "run_id")):
                names = [column.name for column in table.columns]
                own = {of: run, "pool": f"'{DEFAULT_POOL}'"}
                copied = ", ".join(own.get(name, f"t.{name}") for name in names)
                connection.execute(
                    text(
                        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {copied}"
                        f" FROM {numbers} CROSS JOIN {table.name} t WHERE t.{of} = :sample"
                    ),
                    values,
                )

    def hold(self, attempts: int, runner_ids: Sequence[str]) -> dict[str, list[AttemptKey]]:
        """Let these runners have so many of the waiting subtasks, as if they had leased and started
        them an instant ago. Return the attempts of each.
        """
        own = {
            "id": "'01HSA' || lpad(n::text, 21, '0')",
            "run_id": "run_id",
            "ordinal": "ordinal",
            "number": "number",
            "token": "1",
            "runner_id": "(%s::text[])[1 + n %% %s]",
            "outcome": "NULL",
            "lease_until": "%s",
            "started_at": "%s",
            "replaced": "false",
        }
        names = [column.name for column in tables.attempts.columns]
        empty = {c.name: "0" if isinstance(c.type, Integer) else "''" for c in tables.attempts.c}
        now = int(time.time() * 1000)
        values = {
            "runner_id": ([*runner_ids], len(runner_ids)),
            "lease_until": (now + FILLING_MS,),
            "started_at": (now,),
        }
        self._admin.execute(
            f"INSERT INTO attempts ({', '.join(names)})"  # type: ignore[arg-type]
            f" SELECT {', '.join(own.get(name, empty[name]) for name in names)}"
            " FROM (SELECT *, row_number() OVER (ORDER BY run_id, ordinal) AS n FROM subtasks"
            " WHERE state = 'waiting' AND pool = %s) AS waiting WHERE n <= %s",
            (*(value for name in names for value in values.get(name, ())), DEFAULT_POOL, attempts),
        )
        self._admin.execute(
            "UPDATE subtasks s SET state = 'running' FROM attempts a"
            " WHERE a.run_id = s.run_id AND a.ordinal = s.ordinal"
        )
        self._admin.execute(
            "UPDATE runs SET state = 'running', started_at = %s WHERE id IN"
            " (SELECT run_id FROM attempts)",
            (now,),
        )
        self._admin.execute("VACUUM ANALYZE")
        held: dict[str, list[AttemptKey]] = {runner_id: [] for runner_id in runner_ids}
        query = "SELECT runner_id, id, run_id, ordinal, number, token FROM attempts"
        for runner_id, *key in self._admin.execute(query):
            held[str(runner_id)].append(AttemptKey(*key))  # type: ignore[arg-type]
        return held

    def multiply(self, sample: str, attempts: int, runners: int) -> None:
        """Copies of a run that is under way, until there are so many living attempts, of so many
        runners, which are copies of one.
        """
        [(each,)] = self._admin.execute("SELECT count(*) FROM attempts")
        runs = attempts // int(each)  # type: ignore[call-overload]
        self.copy_runs(sample, "01HSR", 1, runs - 1)
        names = [column.name for column in tables.attempts.columns]
        own = {
            "id": "'01HSA' || lpad(i::text, 15, '0') || lpad(t.ordinal::text, 6, '0')",
            "run_id": "'01HSR' || lpad(i::text, 21, '0')",
            "runner_id": f"'RUNNER' || ((i * {each} + t.ordinal) % {runners})",
        }
        copied = ", ".join(own.get(name, f"t.{name}") for name in names)
        self._admin.execute(
            f"INSERT INTO attempts ({', '.join(names)}) SELECT {copied}"  # type: ignore[arg-type]
            f" FROM generate_series(1, {runs - 1}) AS i CROSS JOIN attempts t"
            f" WHERE t.run_id = '{sample}'"
        )
        found = self._admin.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'runners'"
            " AND column_name NOT IN ('id', 'node', 'place')"
        )
        rest = ", ".join(str(name) for (name,) in found)
        self._admin.execute(
            f"INSERT INTO runners (id, node, place, {rest})"  # type: ignore[arg-type]
            f" SELECT 'RUNNER' || i, 'm' || i, 'node/m' || i, {rest}"
            f" FROM generate_series(0, {runners - 1}) AS i"
            " CROSS JOIN (SELECT * FROM runners LIMIT 1) AS t"
        )
        # they do not report, and are active all the same
        self._admin.execute("UPDATE runners SET heartbeat_at = heartbeat_at + 3600000")
        self._admin.execute("VACUUM ANALYZE")

    def drop_waiting(self) -> None:
        """Delete the runs that wait."""
        self._admin.execute("DELETE FROM runs WHERE id LIKE '01HSX%' AND state = 'ready'")

    def notify(self, topic: str) -> None:
        self._admin.execute("SELECT pg_notify('fyke_signals_runner', %s)", (topic,))

    # --- what it has done ---------------------------------------------------------------------

    def reset(self) -> None:
        self._admin.execute("SELECT pg_stat_statements_reset()")

    def statements(self) -> tuple[Counter[str], Counter[str]]:
        """Calls and milliseconds of execution since ``reset``, by kind."""
        calls: Counter[str] = Counter()
        spent: Counter[str] = Counter()
        found = self._admin.execute(
            "SELECT query, calls, total_exec_time FROM pg_stat_statements s"
            " JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = 'fleet'"
        )
        for query, count, ms in found:
            name = kind_of(str(query))
            calls[name] += int(count)  # type: ignore[call-overload]
            spent[name] += float(ms)  # type: ignore[arg-type]
        return calls, spent

    def connections(self) -> int:
        """Those of Fyke."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fyke'"
        [(count,)] = self._admin.execute(query)
        return int(count)  # type: ignore[call-overload]

    def updates(self) -> tuple[int, int, int]:
        """Of attempts: rows updated, those of them within their page (HOT), and bytes of the table
        with its indexes.
        """
        query = (
            "SELECT n_tup_upd, n_tup_hot_upd, pg_total_relation_size(relid)"
            " FROM pg_stat_user_tables WHERE relname = 'attempts'"
        )
        self._admin.execute("SELECT pg_stat_force_next_flush()")
        [row] = self._admin.execute(query)
        return tuple(map(int, row))  # type: ignore[arg-type, return-value]

    def wal_bytes(self) -> int:
        [(written,)] = self._admin.execute("SELECT pg_current_wal_lsn() - '0/0'")
        return int(written)  # type: ignore[call-overload]

    def cpu(self) -> float:
        """Seconds of all its processes."""
        total = 0.0
        for pid in self._server.processes():
            with suppress(OSError):
                total += cpu_seconds(pid)
        return total

    def pss_mib(self) -> float:
        total = 0.0
        for pid in self._server.processes():
            with suppress(OSError):
                total += memory(pid)[0]
        return total


def join_of(name: str) -> str:
    """The id of the join of a node."""
    return "J" + name.upper().replace("-", "")


def kind_of(query: str) -> str:
    flat = " ".join(query.split())
    return next((name for name, pattern in KINDS if re.search(pattern, flat)), "other")
