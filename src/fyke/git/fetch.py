"""Fetches one revision of a repository as a ZIP: its objects are read, nothing is checked out.

git runs in a sandbox without access to this machine. It can reach only the named host, through a
proxy that resolves the name, checks every address, and dials only a checked one. Because nothing is
checked out, no hook, filter, attribute, link or path of the repository has any effect. The archive
is then validated like any upload.
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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from fyke.contracts.execution import SandboxFault
from fyke.contracts.git import FetchedProject, GitFailed
from fyke.contracts.tools import ToolRun, ToolRunner, ToolStop
from fyke.domain.workers.archive import MAX_ENTRIES
from fyke.errors import InvalidRequest
from fyke.git.address import Repository, parse_folder, parse_ref, parse_repository
from fyke.git.messages import explain, not_public
from fyke.git.process import (
    LISTING,
    MAX_FILES_BYTES,
    MAX_LIST,
    OBJECTS,
    PATH,
    GitLimits,
    GitRequest,
    tool_spec,
)
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver, Unresolvable
from fyke.model.upload import GitSource

OLDEST = (2, 37)  # the first version with all of ``process.SETTINGS``
_VERSION = re.compile(rb"git version (\d+)\.(\d+)")
_LINK, _MODULE = "120000", "160000"
_EXECUTABLE = "100755"
_HEADER_BYTES = 128  # of the header that git writes before each object
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

    ``tools`` runs git. ``addresses`` must be the rules of its egress: a host is checked by them
    before a sandbox is started. ``certificates`` is a file with the trusted authorities; None for
    the system's.
    """

    def __init__(
        self,
        tools: ToolRunner,
        addresses: AddressRules,
        *,
        resolver: Resolver | None = None,
        limits: GitLimits | None = None,
        certificates: Path | None = None,
    ) -> None:
        self._tools = tools
        self._addresses = addresses
        self._resolver = resolver or Resolver(keep=0, threads=4)
        self._limits = limits or GitLimits()
        self._certificates = certificates

    def close(self) -> None:
        """End the resolver's threads."""
        self._resolver.close()

    def check(self, source: GitSource) -> None:
        parse_repository(source.url)
        parse_ref(source)
        parse_folder(source)

    async def unavailable_reason(self) -> str:
        program = shutil.which("git", path=PATH)
        if program is None:
            return "git is not installed on the server; upload a ZIP, or install git there"
        match = _VERSION.match(await _version(program))
        if match is None or (int(match[1]), int(match[2])) < OLDEST:
            minimum = ".".join(map(str, OLDEST))
            return f"git on the server is older than {minimum}; upload a ZIP, or upgrade git there"
        return ""

    async def fetch(self, source: GitSource, on_progress: OnProgress) -> FetchedProject:
        request = GitRequest(parse_repository(source.url), parse_ref(source), parse_folder(source))
        missing = await self.unavailable_reason()
        program = shutil.which("git", path=PATH)
        if missing or program is None:
            raise GitFailed(missing)
        await self._check_host(request.repository)
        on_progress(f"connecting to {request.repository.authority}")
        certificates_text = self._certificates.read_text("ascii") if self._certificates else ""
        tool = tool_spec(program, request, self._limits, certificates_text)
        try:
            async with self._tools.run(tool) as run:
                commit = self._commit(run, request)
                return await _project(run, commit, on_progress)
        except SandboxFault as fault:
            log.error("git_sandbox_failed", error=str(fault))
            raise GitFailed(
                "the server could not start the sandbox for git; upload a ZIP, "
                "or ask the operator to check the log"
            ) from fault

    async def _check_host(self, repository: Repository) -> None:
        """Raise ``GitFailed`` for a host that the proxy would refuse."""
        answers: tuple[str, ...] = ()
        if isinstance(repository.host, str):
            with suppress(Unresolvable):
                answers = await self._resolver.resolve(repository.host)
        else:
            answers = (str(repository.host),)
        if not self._addresses.select(repository.host, answers, repository.port):
            raise GitFailed(not_public(repository))

    def _commit(self, run: ToolRun, request: GitRequest) -> str:
        """Return the fetched commit. Raise ``GitFailed`` or ``InvalidRequest``."""
        if run.stopped is not None:
            raise GitFailed(self._stop_message(run.stopped))
        try:
            answer = json.loads(run.stdout)
            if not run.code and isinstance(answer["commit"], str):
                return str(answer["commit"])
            step, message = str(answer["step"]), str(answer["message"])
        except (ValueError, KeyError, TypeError):
            step, message = "", run.output
        if step == "rev-parse":
            raise GitFailed("the revision is not a commit; name a branch, a tag or a commit")
        if step == "ls-tree":
            folder = request.folder
            raise InvalidRequest(f"there is no folder {folder!r} in the repository", field="folder")
        if step == "list":
            raise GitFailed(
                f"the project has more than {MAX_ENTRIES:,} files, the limit; keep data and "
                "build products out of the repository"
            )
        if step == "cat-file":
            raise GitFailed("the repository is damaged: not all of its files can be read")
        raise GitFailed(explain(message, request))

    def _stop_message(self, stopped: ToolStop) -> str:
        if stopped is ToolStop.TIME:
            return f"the repository did not arrive within {self._limits.seconds:.0f} s"
        if stopped is ToolStop.MEMORY:
            return "git needed more memory for the repository than its limit; upload a ZIP"
        max_mib = self._limits.folder // 2**20
        return (
            f"the repository is larger than {max_mib} MiB; keep data and build products out of "
            "it, or upload a ZIP of the project"
        )


async def _version(program: str) -> bytes:
    """Return the output of ``git --version``, which runs outside of a sandbox."""
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
    files = _files(await asyncio.to_thread(_read_output, run.work, LISTING, MAX_LIST), on_progress)
    on_progress(f"reading {len(files)} files of {commit[:12]}")
    total = sum(file.size for file in files)
    if total > MAX_FILES_BYTES:
        raise GitFailed(
            f"the project has {total:,} bytes, the limit is {MAX_FILES_BYTES:,}; keep data "
            "and build products out of the repository"
        )
    max_bytes = total + len(files) * _HEADER_BYTES
    objects = await asyncio.to_thread(_read_output, run.work, OBJECTS, max_bytes)
    return FetchedProject(await asyncio.to_thread(_archive, files, objects), commit)


def _read_output(work: Path, name: str, max_bytes: int) -> bytes:
    """Read a file from the sandbox's folder ``out``. It is untrusted, so no link is followed. Raise
    ``GitFailed``.
    """
    folder = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    parent = out = -1
    try:
        parent = os.open(work, folder)
        out = os.open("out", folder, dir_fd=parent)
        with open(os.open(name, flags, dir_fd=out), "rb") as file:  # noqa: PTH123
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode) or state.st_size > max_bytes:
                raise GitFailed(
                    "the project is too large; keep data and build products out of the repository"
                )
            return file.read(max_bytes + 1)
    except OSError:
        raise GitFailed("the repository is damaged: not all of its files can be read") from None
    finally:
        for descriptor in (out, parent):
            if descriptor >= 0:
                os.close(descriptor)


def _files(listing: bytes, on_progress: OnProgress) -> list[_File]:
    files = []
    for line in listing.split(b"\0"):
        if not line:
            continue
        fields, _, raw = line.partition(b"\t")
        mode, kind, name, size = fields.decode("ascii").split()
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
        raise InvalidRequest(f"the project has {len(files):,} files, the limit is {MAX_ENTRIES:,}")
    return files


def _archive(files: list[_File], objects: bytes) -> bytes:
    """Return the files as a ZIP. ``objects`` are their contents in order, each after a header line.
    Raise ``GitFailed``.
    """
    out, at = io.BytesIO(), 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in files:
            start = objects.find(b"\n", at) + 1
            at = start + file.size + 1
            if not start or objects[at - 1 : at] != b"\n":
                raise GitFailed("the repository is damaged: not all of its files can be read")
            info = zipfile.ZipInfo(file.path, _TIME)
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if file.mode == _EXECUTABLE else 0o100644) << 16
            archive.writestr(info, objects[start : start + file.size])
    return out.getvalue()
