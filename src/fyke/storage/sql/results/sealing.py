"""Moves the rows of ended runs into files, in steps with pauses as long as each took.

At any moment the process may be killed; see ``seal`` for what is left and how it is continued.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Protocol, TypeVar

import structlog

from fyke.contracts.blobs import Blobs
from fyke.errors import Unavailable
from fyke.kit.ids import new_ulid
from fyke.storage.sql.results import delete, seal
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.frames import Frame, compress, encode_attempts, index
from fyke.storage.sql.results.noted_keys import NotedKeys
from fyke.storage.sql.results.seal import Changed, SealClaim

T = TypeVar("T")

MAX_PAUSE = 1.0
_RENEW_SECONDS = 20.0
_CHECK_BYTES = 8 * 2**20  # of a file, after which the space on the disk is looked at again
_READ_BYTES = 2**20
_FIRST_ROWS = 10  # removed from the table: they may be large

log = structlog.get_logger(__name__)


class _Do(Protocol):
    """Calls a function with a connection, in a thread."""

    def __call__(self, work: Callable[[Driver], T]) -> Awaitable[T]: ...


class _NoSpace(Unavailable):
    """The file might fill the disk."""


class _LineFeed(Exception):
    """A row has a line feed, so it cannot be a line of the file."""


class RowSealer:
    """``write`` calls a function in a transaction, ``read`` outside of one."""

    def __init__(self, write: _Do, read: _Do, blobs: Blobs) -> None:
        self._write = write
        self._read = read
        self._blobs = blobs

    async def seal(self, run_ids: Sequence[str], at_least: int) -> None:
        """See ``Results.seal_runs``."""
        now = _now_ms()
        numbers = await self._read(lambda driver: seal.unfinished(driver, now))
        if at_least:
            numbers += await self._read(lambda driver: seal.candidates(driver, run_ids, at_least))
        failures: list[Exception] = []
        for number in numbers:
            try:
                await self._seal(number, may_start=at_least > 0)
            except _NoSpace:
                raise
            except Exception as error:  # other runs may be intact
                failures.append(error)
        if failures:
            raise failures[0]

    async def _seal(self, number: int, *, may_start: bool) -> None:
        unique = new_ulid().lower()
        claim = await self._write(lambda driver: seal.claim(driver, number, unique, _now_ms()))
        if claim is None:
            return
        await delete_file(self._blobs, claim.abandoned)
        rows = claim.sealed
        if not rows:
            rows = await self._store(claim) if may_start else await self._give_up(claim)
        if rows:
            await self._remove_rows(number, rows)

    async def _store(self, claim: SealClaim) -> int:
        """Write the file and make it the place of the rows; return how many, 0 if it is not."""
        file = _RowsFile(self._read, self._write, claim, self._blobs)
        try:
            # compressed rows take half of their space at most
            size = await self._read(lambda driver: seal.bytes_of(driver, claim.run))
            await check_space(self._blobs, size // 2)
            await self._remove_upserts(claim.run)
            async with aclosing(file.chunks()) as chunks:
                await self._blobs.put_stream(claim.blob, chunks)
            await file.verify()
            if await self._write(file.commit):
                log.info("rows_sealed", run=claim.run_id, rows=file.rows, bytes=file.size)
                return file.rows
        except Changed:
            pass
        except _NoSpace:
            await self._give_up(claim)
            raise
        except _LineFeed:
            return await self._give_up(claim, for_good=True)
        return await self._give_up(claim)

    async def _give_up(self, claim: SealClaim, *, for_good: bool = False) -> int:
        if await self._write(lambda driver: seal.give_up(driver, claim, for_good=for_good)):
            await delete_file(self._blobs, claim.blob)
        return 0

    async def _remove_upserts(self, number: int) -> None:
        step = removed = delete.FIRST_STEP
        while removed == step:
            start = time.monotonic()
            removed = await self._write(lambda driver: seal.remove_upserts(driver, number, step))
            await _pause_since(start)

    async def _remove_rows(self, number: int, rows: int) -> None:
        position, step = 0, _FIRST_ROWS
        while position < rows:
            start = time.monotonic()
            last = min(position + step, rows)
            await self._write(
                partial(seal.remove_rows, number=number, position=position, last=last)
            )
            position, step = last, delete.next_step(step, time.monotonic() - start)
            await _pause_since(start)
        start = time.monotonic()
        while await self._write(lambda driver: driver.release_pages()):
            await _pause_since(start)
            start = time.monotonic()
        await self._write(lambda driver: seal.finish(driver, number))


class _RowsFile:
    """The file of one run while it is written."""

    def __init__(self, read: _Do, write: _Do, claim: SealClaim, blobs: Blobs) -> None:
        self._read = read
        self._write = write
        self._blobs = blobs
        self._claim = claim
        self._digest = hashlib.sha256()
        self._frames: list[Frame] = []
        self._keys = NotedKeys()
        self._renewed = time.monotonic()
        self.rows = 0
        self.size = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The parts of the file. Raises ``Changed``, ``_LineFeed`` and ``_NoSpace``."""
        claim = self._claim
        rows, attempts = await self._read(lambda driver: seal.count_rows(driver, claim))
        checked = 0
        while self.rows < rows:
            start = time.monotonic()
            await self._renew(start)
            if self.size - checked >= _CHECK_BYTES:
                await check_space(self._blobs, _CHECK_BYTES)
                checked = self.size
            yield await self._read(lambda driver: self._next(driver, rows))
            await _pause_since(start)
        yield self._add(index(claim.run_id, self._frames, attempts))

    def _next(self, driver: Driver, last: int) -> bytes:
        """The next frame, made in the thread that reads its rows."""
        claim = self._claim
        attempts, rows = seal.next_frame(driver, claim.run, self.rows, last)
        if any(b"\n" in row for row in rows):
            raise _LineFeed
        data = compress(rows)
        shares = seal.shares(driver, claim.run, self.rows, self.rows + len(rows))
        self._keys.add(self.rows + 1, attempts, rows, shares)
        self.rows += len(rows)
        self._frames.append(
            Frame(
                blob=claim.blob,
                last=self.rows,
                rows=len(rows),
                start_byte=self.size,
                length=len(data),
                attempts=encode_attempts(attempts),
            )
        )
        return self._add(data)

    def _add(self, data: bytes) -> bytes:
        self._digest.update(data)
        self.size += len(data)
        return data

    async def verify(self) -> None:
        """Read the stored file and compare it with what was written: the rows are about to be
        removed. Raises ``Changed`` and ``Unavailable``.
        """
        digest, read = hashlib.sha256(), 0
        while read < self.size:
            start = time.monotonic()
            await self._renew(start)
            data = await asyncio.to_thread(
                self._blobs.read_range, self._claim.blob, read, _READ_BYTES
            )
            if not data:
                break
            await asyncio.to_thread(digest.update, data)
            read += len(data)
            await _pause_since(start)
        if digest.digest() != self._digest.digest():
            raise Unavailable(
                f"The file {self._claim.blob} has not the rows that were written to it"
            )

    async def _renew(self, now: float) -> None:
        """Keep the claim. Raises ``Changed`` if it was lost."""
        if now - self._renewed > _RENEW_SECONDS:
            await self._write(lambda driver: seal.renew(driver, self._claim, _now_ms()))
            self._renewed = now

    def commit(self, driver: Driver) -> bool:
        """See ``seal.commit``."""
        digest, keys = self._digest.digest(), self._keys.encode()
        return seal.commit(driver, self._claim, self._frames, self.size, digest, keys)


async def delete_file(blobs: Blobs, blob: str) -> None:
    """Delete a file; do nothing for an empty name."""
    if blob:
        await blobs.delete(blob)


async def check_space(blobs: Blobs, size: int) -> None:
    """Raise ``_NoSpace`` if a file of so many bytes would leave too little of the disk free."""
    free = await asyncio.to_thread(blobs.free_bytes)
    if free < size:
        raise _NoSpace(
            f"Rows stay in the database: the disk has {free // 2**20} MiB for a file of up to "
            f"{size // 2**20} MiB; see disk_floor_mb"
        )


async def _pause_since(start: float) -> None:
    """Pause as long as the work since ``start`` has taken, so that other work can run."""
    await asyncio.sleep(min(time.monotonic() - start, MAX_PAUSE))


def _now_ms() -> int:
    return int(time.time() * 1000)
