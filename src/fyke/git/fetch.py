"""One state of a repository as a ZIP: fetched, read as objects, never checked out.

git runs in a sandbox: it sees nothing of this machine, and can reach only the named host, through
a proxy that resolves the name, checks every address, and dials only a checked one. Because nothing
is ever checked out, no hook, filter, attribute, link or path of the repository has an effect: its
files are read as objects and go into an archive that is then validated like any upload.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from fyke.contracts.execution import SandboxFault
from fyke.contracts.git import FetchedProject, GitFailed
from fyke.contracts.tools import ToolRun, ToolRunner, ToolStop
from fyke.domain.workers.archive import MAX_ENTRIES
from fyke.errors import InvalidRequest
from fyke.git.address import Repository, checked_folder, checked_ref, repository
from fyke.git.messages import explain, inside
from fyke.git.process import (
    LISTING,
    MAX_FILES_BYTES,
    MAX_LIST,
    OBJECTS,
    PATH,
    GitLimits,
    GitRequest,
    spec,
)
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver, Unresolvable
from fyke.model.upload import GitSource

OLDEST = (2, 37)  # the first that knows all the settings that it is given
_VERSION = re.compile(rb"git version (\d+)\.(\d+)")
_LINK, _MODULE = "120000", "160000"
_EXECUTABLE = "100755"
_ROOM = 128  # bytes of a header in what git writes of one object
_TIME = (1980, 1, 1, 0, 0, 0)
_VERSION_SECONDS = 10.0

OnProgress = Callable[[str], None]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    mode: str
    name: str  # of the object
    size: int


class SystemGit:
    """Implements ``contracts.Git``. ``close`` it at the end.

    ``tools`` runs git; its egress must follow the same rules as ``addresses``, by which a host is
    checked before a sandbox is started for it. ``certificates`` is a file with the authorities to
    trust, the system's when None.
    """

    def __init__(
        self,
        tools: ToolRunner,
        addresses: AddressRules,
        *,
        resolver: Resolver | None = None,
        bounds: GitLimits | None = None,
        certificates: Path | None = None,
    ) -> None:
        self._tools = tools
        self._addresses = addresses
        self._resolver = resolver or Resolver(keep=0, threads=4)
        self._bounds = bounds or GitLimits()
        self._certificates = certificates

    def close(self) -> None:
        """Give up the resolver's threads."""
        self._resolver.close()

    def check(self, source: GitSource) -> None:
        repository(source.url)
        checked_ref(source)
        checked_folder(source)

    async def unavailable_reason(self) -> str:
        program = shutil.which("git", path=PATH)
        if program is None:
            return "git is not installed on the server; upload a ZIP, or install git there"
        found = _VERSION.match(await _version(program))
        if found is None or (int(found[1]), int(found[2])) < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            return f"git on the server is older than {wanted}; upload a ZIP, or upgrade git there"
        return ""

    async def fetch(self, source: GitSource, on_progress: OnProgress) -> FetchedProject:
        wanted = GitRequest(repository(source.url), checked_ref(source), checked_folder(source))
        missing = await self.unavailable_reason()
        program = shutil.which("git", path=PATH)
        if missing or program is None:
            raise GitFailed(missing)
        await self._check_host(wanted.where)
        on_progress(f"asking {wanted.where.authority}")
        trusted = self._certificates.read_text("ascii") if self._certificates else ""
        order = spec(program, wanted, self._bounds, trusted)
        try:
            async with self._tools.run(order) as run:
                commit = self._commit(run, wanted)
                return await _project(run, commit, on_progress)
        except SandboxFault as fault:
            log.error("git_sandbox_failed", error=str(fault))
            raise GitFailed(
                "the server could not start the sandbox that fetches repositories; upload a ZIP, "
                "or ask the operator to check the log"
            ) from fault

    async def _check_host(self, where: Repository) -> None:
        """Refuse early a host that the proxy would refuse. Raise ``GitFailed``."""
        answers: tuple[str, ...] = (str(where.host),)
        if isinstance(where.host, str):
            try:
                answers = await self._resolver.resolve(where.host)
            except Unresolvable:
                raise GitFailed(f"the name {where.host} does not resolve") from None
        if not self._addresses.select(where.host, answers, where.port):
            raise GitFailed(inside(where))

    def _commit(self, run: ToolRun, wanted: GitRequest) -> str:
        """The commit that was fetched. Raise ``GitFailed`` or ``InvalidRequest``."""
        if run.stopped is not None:
            raise GitFailed(self._why(run.stopped))
        try:
            answer = json.loads(run.stdout)
            if not run.code and isinstance(answer["commit"], str):
                return str(answer["commit"])
            step, words = str(answer["step"]), str(answer["said"])
        except (ValueError, KeyError, TypeError):
            step, words = "", run.output
        if step == "rev-parse":
            raise GitFailed("what was fetched is not a commit; name a branch, a tag or a commit")
        if step == "ls-tree":
            folder = wanted.folder
            raise InvalidRequest(f"there is no folder {folder!r} in the repository", field="folder")
        if step == "list":
            raise GitFailed(
                f"the project has too many files, at most {MAX_ENTRIES:,} are taken; keep data and "
                "build products out of the repository"
            )
        if step == "cat-file":
            raise GitFailed("the repository is damaged: not every file of it can be read")
        raise GitFailed(explain(words, wanted))

    def _why(self, stopped: ToolStop) -> str:
        if stopped is ToolStop.TIME:
            return f"the repository did not arrive within {self._bounds.seconds:.0f} s"
        if stopped is ToolStop.MEMORY:
            return "git needed more memory for the repository than it is given; upload a ZIP"
        most = self._bounds.folder // 2**20
        return (
            f"the repository is larger than {most} MiB; keep data and build products out of "
            "it, or upload a ZIP of the project"
        )


async def _version(program: str) -> bytes:
    """What git says of itself, with nothing of a stranger's in reach."""
    process = await asyncio.create_subprocess_exec(
        program,
        "--version",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        env={"PATH": PATH, "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"},
    )
    try:
        async with asyncio.timeout(_VERSION_SECONDS):
            return (await process.communicate())[0]
    except TimeoutError:
        process.kill()
        await process.wait()
        return b""


async def _project(run: ToolRun, commit: str, on_progress: OnProgress) -> FetchedProject:
    files = _files(await asyncio.to_thread(_left, run.work, LISTING, MAX_LIST), on_progress)
    on_progress(f"reading {len(files)} files of {commit[:12]}")
    total = sum(file.size for file in files)
    if total > MAX_FILES_BYTES:
        raise GitFailed(
            f"the project has {total:,} bytes, at most {MAX_FILES_BYTES:,} are fetched; keep data "
            "and build products out of the repository"
        )
    most = total + len(files) * _ROOM
    objects = await asyncio.to_thread(_left, run.work, OBJECTS, most)
    return FetchedProject(await asyncio.to_thread(_archive, files, objects), commit)


def _left(work: Path, name: str, most: int) -> bytes:
    """Read a file from the sandbox's folder ``out``. It was made by a process that read an
    untrusted repository, so no link is followed. Raise ``GitFailed``.
    """
    folder = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    above = out = -1
    try:
        above = os.open(work, folder)
        out = os.open("out", folder, dir_fd=above)
        with open(os.open(name, flags, dir_fd=out), "rb") as file:  # noqa: PTH123
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode) or state.st_size > most:
                raise GitFailed("the project is larger than what is taken; see its size")
            return file.read(most + 1)
    except OSError:
        raise GitFailed("the repository is damaged: not every file of it can be read") from None
    finally:
        for descriptor in (out, above):
            if descriptor >= 0:
                os.close(descriptor)


def _files(listing: bytes, on_progress: OnProgress) -> list[_File]:
    files = []
    for line in listing.split(b"\0"):
        if not line:
            continue
        facts, _, raw = line.partition(b"\t")
        mode, kind, name, size = facts.decode("ascii").split()
        path = raw.decode("utf-8", "replace")
        if mode == _MODULE:
            on_progress(f"the submodule {path} is left out")
            continue
        if mode == _LINK:
            raise InvalidRequest(
                f"{path}: it is a symbolic link; put the file itself there or remove it"
            )
        if kind == "blob":
            files.append(_File(path, mode, name, int(size)))
    if len(files) > MAX_ENTRIES:
        raise InvalidRequest(
            f"the project has {len(files):,} files, at most {MAX_ENTRIES:,} are taken"
        )
    return files


def _archive(files: list[_File], objects: bytes) -> bytes:
    """The files as a ZIP; ``objects`` is their contents in order, each after a header line.
    Raise ``GitFailed``.
    """
    out, at = io.BytesIO(), 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in files:
            start = objects.find(b"\n", at) + 1
            at = start + file.size + 1
            if not start or objects[at - 1 : at] != b"\n":
                raise GitFailed("the repository is damaged: not every file of it can be read")
            info = zipfile.ZipInfo(file.path, _TIME)
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if file.mode == _EXECUTABLE else 0o100644) << 16
            archive.writestr(info, objects[start : start + file.size])
    return out.getvalue()
