"""Runs git with nothing of ours around it: no settings, no keys, no proxy, no home, no hooks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fyke.domain.contracts.git import GitFailed

PATH = "/usr/local/bin:/usr/bin:/bin"
MEMORY = 2 * 2**30
MAX_SAID = 16 * 1024
_LOOK = 0.2  # seconds between two looks at the size of what came

# Said to every command. What a server might ask for (another host, a bundle, an alternate) is off;
# what a repository might bring (hooks, submodules, attributes) finds nobody to run it.
SETTINGS = (
    "protocol.allow=never",
    "protocol.https.allow=always",
    "http.followRedirects=false",
    "http.proxy=",
    "http.sslVerify=true",
    "http.emptyAuth=false",
    "http.saveCookies=false",
    "credential.helper=",
    "credential.interactive=false",
    "core.hooksPath=/dev/null",
    "core.askPass=",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "transfer.fsckObjects=true",
    "transfer.bundleURI=false",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one fetch may use: seconds, and bytes of its folder."""

    seconds: float = 120.0
    folder: int = 200 * 2**20


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, with what it wrote."""

    code: int
    out: bytes
    err: str


class GitProcess:
    """Runs commands in the scratch folder ``home``, which must be empty and private."""

    def __init__(self, program: str, home: Path, bounds: Bounds) -> None:
        self._program = program
        self._home = home
        self._bounds = bounds

    async def run(
        self,
        *arguments: str,
        settings: Sequence[str] = (),
        feed: bytes = b"",
        most: int = MAX_SAID,
    ) -> Said:
        """Run to the end, with ``feed`` as its input, and return at most ``most`` bytes of what it
        wrote. Raise ``GitFailed`` when it took too long, grew too large, or wrote more.
        """
        process = await asyncio.create_subprocess_exec(
            self._program,
            *(part for setting in (*SETTINGS, *settings) for part in ("-c", setting)),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._home,
            env=_environment(self._home),
            start_new_session=True,
        )
        _limit(process.pid, self._bounds)
        try:
            async with asyncio.timeout(self._bounds.seconds):
                return await self._watched(process, feed, most)
        except TimeoutError:
            seconds = f"{self._bounds.seconds:.0f} s"
            raise GitFailed(f"the repository did not arrive within {seconds}") from None
        finally:
            await _end(process)

    async def _watched(self, process: asyncio.subprocess.Process, feed: bytes, most: int) -> Said:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("git was started without its pipes")
        watch = asyncio.create_task(self._watch_size())
        out = asyncio.create_task(_read(process.stdout, most))
        err = asyncio.create_task(_read(process.stderr, MAX_SAID, cut=True))
        done = asyncio.gather(out, err, _write(process.stdin, feed), process.wait())
        try:
            either: set[asyncio.Future[Any]] = {watch, done}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                watch.result()  # raises
            await done
            self._refuse_size()
            words = err.result().decode("utf-8", "replace")
            return Said(process.returncode or 0, out.result(), words)
        finally:
            for task in (watch, done):
                task.cancel()
            await asyncio.gather(watch, done, return_exceptions=True)

    async def _watch_size(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            self._refuse_size()

    def _refuse_size(self) -> None:
        if _size(self._home) > self._bounds.folder:
            most = self._bounds.folder // 2**20
            raise GitFailed(
                f"the repository is larger than {most} MiB; keep data and build products out of "
                "it, or upload a ZIP of the project"
            )


def _environment(home: Path) -> dict[str, str]:
    return {
        "PATH": PATH,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "TMPDIR": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": "https",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CEILING_DIRECTORIES": str(home),
    }


def _limit(pid: int, bounds: Bounds) -> None:
    """Bounds beneath the watching: its children inherit them."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        for kind, most in (
            (resource.RLIMIT_FSIZE, bounds.folder),
            (resource.RLIMIT_AS, MEMORY),
            (resource.RLIMIT_CPU, int(bounds.seconds) + 1),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.prlimit(pid, kind, (most, most))


async def _write(stream: asyncio.StreamWriter, feed: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(feed)
        await stream.drain()
    stream.close()


async def _read(stream: asyncio.StreamReader, most: int, *, cut: bool = False) -> bytes:
    found = bytearray()
    while data := await stream.read(64 * 1024):
        if len(found) + len(data) > most:
            if not cut:
                raise GitFailed("the project is larger than what is taken; see its size")
            data = data[: most - len(found)]
        found += data
    return bytes(found)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the whole family, and wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        await process.wait()


def _size(folder: Path) -> int:
    total = 0
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue  # git moves its files while they are counted
    return total
