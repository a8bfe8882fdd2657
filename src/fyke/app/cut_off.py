"""Finds out whether PostgreSQL is out of reach for this runner only, or for others as well."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from fyke.app.heartbeat import REPORT_SECONDS
from fyke.contracts.liveness import StoreState
from fyke.storage.sql.dialects import make_engine, normalise_url

ANSWER_SECONDS = 3.0
DEFAULT_FOLDER = "/var/run/postgresql"  # of the socket, where no host is given
DEFAULT_PORT = 5432


class CutOff:
    """``peer`` returns the last state of the database that another role of this machine reported,
    None when there is none.
    """

    def __init__(
        self,
        database_url: str,
        peer: Callable[[], StoreState | None],
        *,
        next_report_seconds: float = REPORT_SECONDS + 0.5,
    ) -> None:
        self._url = database_url
        self._peer = peer
        self._next_report_seconds = next_report_seconds

    async def is_cut_off(self, servers: int) -> bool:
        """Whether others may reach the database although this runner does not; if in doubt, True.
        ``servers`` is the last known number of servers, which may declare its attempts lost.

        - A new connection that is answered shows that the runner is not cut off.
        - A role of this machine that reads the database shows that only the runner is cut off. Its
          report may be from before the database went down, so where nothing listens any more, the
          next one decides.
        - A role that does not read it either shows that the whole machine is affected; without
          another server, no process is left to declare attempts lost.
        - Machines that refuse connections, or have only a standby, show that the database is down
          for all.
        """
        if not self._url:  # a file, which every process of this machine reaches
            return False
        # at the same time, because each may take the ``ANSWER_SECONDS`` that a lease has for this
        answers, refuses = await asyncio.gather(self._answers(), self._refuses())
        if answers:
            return False
        peer = self._peer()
        if peer is StoreState.ANSWERED and refuses:
            await asyncio.sleep(self._next_report_seconds)
            peer = self._peer()
        if peer is StoreState.ANSWERED:
            return True
        if peer is not None and servers <= 1:
            return False
        return not (refuses or self._is_local())

    async def _answers(self) -> bool:
        """Whether the database answers on a new connection."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.to_thread(_select, self._url)
        return False

    async def _refuses(self) -> bool:
        """Whether the database is down for all: at each of its addresses nothing listens, or there
        is only a standby, as before it becomes the primary.
        """
        addresses = self._addresses()
        several = len(addresses) > 1
        found = await asyncio.gather(*(self._is_without(*one, several) for one in addresses))
        return all(found)

    async def _is_without(self, host: str, port: int, several: bool) -> bool:
        """Whether there is no primary at this address, as its machine itself says."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if not await _listens(host, port):
                    return True
                return several and await asyncio.to_thread(_select, self._standby(host, port))
        except OSError:  # TimeoutError is one
            return False

    def _standby(self, host: str, port: int) -> str:
        """The address of this server, if it is a standby."""
        url = normalise_url(self._url).set(host=None, port=None)
        query = {"host": host, "port": str(port), "target_session_attrs": "standby"}
        return url.update_query_dict(query).render_as_string(hide_password=False)

    def _is_local(self) -> bool:
        """Whether the database listens on a socket in the file system, which is on this machine and
        which no other reaches.
        """
        return all(host.startswith("/") for host, _ in self._addresses())

    def _addresses(self) -> list[tuple[str, int]]:
        """Host and port of each server; the host is a folder for a socket in the file system."""
        url = normalise_url(self._url)
        _, given = url.get_dialect()().create_connect_args(url)
        hosts = str(given.get("host") or DEFAULT_FOLDER).split(",")
        ports = str(given.get("port") or DEFAULT_PORT).split(",")
        if len(ports) == 1:
            ports *= len(hosts)
        return [
            (host or DEFAULT_FOLDER, int(port or DEFAULT_PORT))
            for host, port in zip(hosts, ports, strict=True)
        ]


async def _listens(host: str, port: int) -> bool:
    """Raises ``OSError`` for a machine that does not answer."""
    try:
        if host.startswith("/"):
            _, writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            _, writer = await asyncio.open_connection(host, port)
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    writer.close()
    return True


def _select(url: str) -> bool:
    engine = make_engine(url, durable=False, pool_size=1)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()
    return True
