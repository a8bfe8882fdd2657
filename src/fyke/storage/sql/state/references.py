"""The versions whose files are needed, for checks and for ``fyke prune``.

A version of a deleted worker is never started again. Its bundle is kept for as long as a run of
that version exists, because the page of the run shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

_OF_RUNS = "SELECT DISTINCT worker_id, version FROM runs"
# two queries, each of which is answered from a partial index
_OF_OPEN_RUNS = (
    "SELECT worker_id, version FROM runs WHERE state IN ('ready', 'running') UNION"
    " SELECT worker_id, version FROM runs WHERE state IN ('running', 'ending', 'aborting')"
)
_VERSIONS = (
    "SELECT {columns} FROM versions v JOIN workers w ON w.id = v.worker_id"
    " LEFT JOIN ({of_runs}) r ON r.worker_id = v.worker_id AND r.version = v.number"
    " WHERE w.deleted_at = 0 OR r.worker_id IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class StartableVersion:
    """A version that can be started, or that has a run that has not ended."""

    worker_id: str
    number: str
    digest: str
    account_id: str  # of its worker


def needed_bundles(connection: Connection) -> set[str]:
    """The digests of the bundles that must exist."""
    query = _VERSIONS.format(columns="DISTINCT v.digest", of_runs=_OF_RUNS)
    return {digest for (digest,) in connection.exec_driver_sql(query)}


def needed_archives(connection: Connection) -> set[str]:
    """The digests of the packed environments that machines may fetch."""
    versions = _VERSIONS.format(columns="v.id", of_runs=_OF_OPEN_RUNS)
    query = f"SELECT digest FROM environment_archives WHERE version_id IN ({versions})"  # noqa: S608 - our own text
    return {digest for (digest,) in connection.exec_driver_sql(query)}


def usable_uploads(connection: Connection) -> set[str]:
    """The ids of the uploads that may be published, perhaps again."""
    query = "SELECT id FROM uploads WHERE state IN ('ready', 'published')"
    return {upload for (upload,) in connection.exec_driver_sql(query)}


def startable_versions(connection: Connection) -> set[StartableVersion]:
    columns = "v.worker_id, v.number, v.digest, w.account_id"
    query = _VERSIONS.format(columns=columns, of_runs=_OF_OPEN_RUNS)
    return {StartableVersion(*row) for row in connection.exec_driver_sql(query)}
