"""The two pools: in processes with limits, for a server, and in threads, for one user's own files.

Processes are started when they are needed and ended when they have been idle for a while, so an
idle server has none.
"""

from __future__ import annotations

import asyncio
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from fyke.contracts.parsing import QUICK, ParserLimits
from fyke.errors import RateLimited, TooComplex, Unavailable
from fyke.kit.turns import Turns
from fyke.parsing import frames
from fyke.parsing.frames import Call, Reply, ReplyKind

T = TypeVar("T")
Item = TypeVar("Item")
OnItem = Callable[[Any], Awaitable[None]]

log = structlog.get_logger()

PROCESSES = 2
MAX_WAITING = 20  # calls of one account, including the one in progress
MAX_CALLS = 200  # per process, which is then replaced: memory is not always released
IDLE_SECONDS = 60.0
_RETRY_SECONDS = 5
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR")


class _Pool(ABC):
    """Implements ``ParserPool`` by one method for both kinds of functions."""

    async def run(
        self,
        account_id: str,
        function: Callable[..., T],
        *args: Any,
        limits: ParserLimits = QUICK,
    ) -> T:
        result: T = await self._run(account_id, (function, args, limits), _ignore)
        return result

    async def run_steps(
        self,
        account_id: str,
        function: Callable[..., Generator[Item, None, T]],
        *args: Any,
        on_item: OnItem,
        limits: ParserLimits = QUICK,
    ) -> T:
        result: T = await self._run(account_id, (function, args, limits), on_item)
        return result

    @abstractmethod
    async def _run(self, account_id: str, call: Call, on_item: OnItem) -> Any:
        """Call the function; ``on_item`` gets the items if it is a generator."""


class ProcessPool(_Pool):
    """``close`` it at the end."""

    def __init__(self, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._turns = Turns(PROCESSES, MAX_WAITING, lambda: RateLimited(_RETRY_SECONDS))
        self._idle_seconds = idle_seconds
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()

    async def _run(self, account_id: str, call: Call, on_item: OnItem) -> Any:
        async with self._turns.turn(account_id):
            process = await self._take()
            try:
                return await process.call(call, on_item)
            finally:
                await self._release(process)

    async def close(self) -> None:
        """Stop all processes; calls in progress fail."""
        for process in list(self._all):
            await process.kill()
        self._all.clear()
        self._idle.clear()

    async def _take(self) -> _Process:
        while self._idle:
            process = self._idle.pop()
            process.stop_timer()
            if process.usable:
                return process
            self._all.discard(process)
        try:
            process = await _Process.start()
        except OSError as error:
            log.warning("parser_not_started", error=str(error))
            raise Unavailable("no process can be started to read this; try again") from None
        self._all.add(process)
        return process

    async def _release(self, process: _Process) -> None:
        if process.usable and process.calls < MAX_CALLS:
            process.timer = asyncio.get_running_loop().call_later(
                self._idle_seconds, self._retire, process
            )
            self._idle.append(process)
        else:
            self._all.discard(process)
            await process.kill()

    def _retire(self, process: _Process) -> None:
        self._idle.remove(process)
        self._all.discard(process)
        process.end()


class _Process:
    """A process of the pool, see ``fyke.parsing.process``."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        calls: asyncio.StreamWriter,
        replies: asyncio.StreamReader,
    ) -> None:
        self._process = process
        self._calls = calls
        self._replies = replies
        self._broken = False
        self.calls = 0
        self.timer: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls) -> _Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "fyke.parsing.process",
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
        assert process.stdin and process.stdout  # noqa: S101 - for mypy
        return cls(process, process.stdin, process.stdout)

    @property
    def usable(self) -> bool:
        """Whether the process can take a call: it lives, and no call was left unanswered."""
        return self._process.returncode is None and not self._broken

    async def call(self, call: Call, on_item: OnItem) -> Any:
        """The result of a call. Raise what it raises, ``TooComplex`` beyond a limit."""
        deadline = _deadline(call[2])
        self.calls += 1
        self._broken = True
        self._calls.write(frames.encode(call))
        await self._within(call, deadline, self._calls.drain())
        while (reply := await self._within(call, deadline, self._reply()))[0] is ReplyKind.ITEM:
            await on_item(reply[1])
        self._broken = False
        return _result(*reply)

    async def _within(self, call: Call, deadline: float, step: Awaitable[T]) -> T:
        """Raise ``TooComplex`` when the process ends or is late."""
        try:
            async with asyncio.timeout_at(deadline):
                return await step
        except (asyncio.IncompleteReadError, ConnectionError):
            log.warning("parser_ended", status=await self._process.wait(), function=str(call[0]))
        except TimeoutError:
            log.warning("parser_timed_out", function=str(call[0]))
        raise TooComplex

    async def _reply(self) -> Reply:
        head = await self._replies.readexactly(frames.HEAD)
        reply: Reply = frames.decode(await self._replies.readexactly(int.from_bytes(head, "big")))
        return reply

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()

    def end(self) -> None:
        """Let the process end when it has read its input."""
        self.stop_timer()
        self._calls.close()

    async def kill(self) -> None:
        self.end()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _result(kind: ReplyKind, value: Any) -> Any:
    """The result in the last reply. Raise its error."""
    if kind is ReplyKind.RESULT:
        return value
    if kind is ReplyKind.ERROR:
        type_, args, attributes = value
        error = type_.__new__(type_, *args)
        vars(error).update(attributes)
        raise error
    if kind is ReplyKind.LIMIT:
        raise TooComplex
    raise RuntimeError(value)


class ThreadPool(_Pool):
    """For texts of the user of this process: the only limit is the deadline, after which a function
    continues in its thread.
    """

    async def _run(self, account_id: str, call: Call, on_item: OnItem) -> Any:
        function, args, limits = call
        deadline = _deadline(limits)
        result = await _in_thread(deadline, function, *args)
        if not isinstance(result, Generator):
            return result
        while not isinstance(item := await _in_thread(deadline, _next, result), StopIteration):
            await on_item(item)
        return item.value


def _deadline(limits: ParserLimits) -> float:
    return asyncio.get_running_loop().time() + limits.seconds


async def _ignore(item: Any) -> None:
    """Ignore an item; for calls of functions that yield none."""


async def _in_thread(deadline: float, function: Callable[..., Any], *args: Any) -> Any:
    try:
        async with asyncio.timeout_at(deadline):
            return await asyncio.to_thread(function, *args)
    except TimeoutError:
        raise TooComplex from None


def _next(items: Any) -> Any:
    """The next item, or the ``StopIteration``, which a thread cannot raise into a coroutine."""
    try:
        return next(items)
    except StopIteration as end:
        return end
