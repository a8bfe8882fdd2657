"""One state of a repository as a ZIP: fetched, looked at as objects, never checked out.

The host is resolved once and judged by the rules for addresses; exactly a judged address is
dialled, under the host's own name. Because nothing is ever checked out, no hook, filter,
attribute, link or path of the repository can do anything: its files are read as objects and go
into an archive that is then read with the same distrust as any upload.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fyke.domain.contracts.git import Fetched, GitFailed
from fyke.domain.uploads.model import GitSource
from fyke.domain.workers.archive import MAX_ENTRIES
from fyke.errors import InvalidRequest
from fyke.git.address import Repository, checked_folder, checked_ref, repository
from fyke.git.process import PATH, Bounds, GitProcess, Said
from fyke.kit.addresses import AddressRules
from fyke.kit.names import Resolver, Unresolvable

OLDEST = (2, 37)  # the first that can be told which address to dial
MAX_FILES_BYTES = 100 * 2**20
MAX_LIST = 8 * 2**20
HERE = "refs/fyke/fetched"
_VERSION = re.compile(rb"git version (\d+)\.(\d+)")
_LINK, _MODULE = "120000", "160000"
_EXECUTABLE = "100755"
_ROOM = 128  # bytes of a header in what git writes of one object
_TIME = (1980, 1, 1, 0, 0, 0)

Sayer = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    mode: str
    name: str  # of the object
    size: int


class SystemGit:
    """Implements ``contracts.Git``. ``close`` it at the end.

    ``scratch`` is where its folders live while it works; ``certificates`` is a file with the
    authorities to trust, the system's when None.
    """

    def __init__(
        self,
        scratch: Path,
        addresses: AddressRules,
        *,
        resolver: Resolver | None = None,
        bounds: Bounds | None = None,
        certificates: Path | None = None,
    ) -> None:
        self._scratch = scratch
        self._addresses = addresses
        self._resolver = resolver or Resolver(keep=0, threads=4)
        self._bounds = bounds or Bounds()
        self._certificates = certificates

    def close(self) -> None:
        """Give up the resolver's threads."""
        self._resolver.close()

    def check(self, source: GitSource) -> None:
        repository(source.url)
        checked_ref(source)
        checked_folder(source)

    async def missing(self) -> str:
        program = shutil.which("git", path=PATH)
        if program is None:
            return "git is not installed on the server; upload a ZIP, or install git there"
        with self._folder() as home:
            said = await GitProcess(program, Path(home), self._bounds).run("--version")
        found = _VERSION.match(said.out)
        if found is None or (int(found[1]), int(found[2])) < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            return f"git on the server is older than {wanted}; upload a ZIP, or renew git there"
        return ""

    async def fetch(self, source: GitSource, said: Sayer) -> Fetched:
        where = repository(source.url)
        ref, folder = checked_ref(source), checked_folder(source)
        missing = await self.missing()
        program = shutil.which("git", path=PATH)
        if missing or program is None:
            raise GitFailed(missing)
        pinned = await self._pinned(where)
        with self._folder() as home:
            git = GitProcess(program, Path(home), self._bounds)
            said(f"asking {where.authority}")
            _check(await git.run("init", "-q", "--bare", "--template=", "."), ref)
            settings = [*pinned, *self._trusted()]
            _check(await git.run(*_fetching(where, ref), settings=settings), ref)
            return await _project(git, folder, said)

    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        self._scratch.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(
            prefix="git-", dir=self._scratch, ignore_cleanup_errors=True
        )

    def _trusted(self) -> list[str]:
        return [f"http.sslCAInfo={self._certificates}"] if self._certificates else []

    async def _pinned(self, where: Repository) -> list[str]:
        """The setting that has git dial a judged address. Raise ``GitFailed``."""
        answers: tuple[str, ...] = (str(where.host),)
        if isinstance(where.host, str):
            try:
                answers = await self._resolver.resolve(where.host)
            except Unresolvable:
                raise GitFailed(f"the name {where.host} does not resolve") from None
        good = self._addresses.select(where.host, answers, where.port)
        if not good:
            raise GitFailed(
                f"{where.host} is not on the public internet; FYKE_GIT_ALLOW can exempt it"
            )
        if not isinstance(where.host, str):
            return []
        listed = ",".join(f"[{each}]" if ":" in each else each for each in good)
        return [f"http.curloptResolve={where.host}:{where.port}:{listed}"]


def _fetching(where: Repository, ref: str) -> list[str]:
    return [
        "fetch",
        "--quiet",
        "--depth=1",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--end-of-options",
        where.url,
        f"{ref}:{HERE}",
    ]


def _check(said: Said, ref: str) -> None:
    if said.code:
        raise GitFailed(_explained(said.err, ref))


async def _project(git: GitProcess, folder: str, said: Sayer) -> Fetched:
    found = await git.run("rev-parse", "--verify", "--quiet", f"{HERE}^{{commit}}")
    commit = found.out.decode("ascii", "replace").strip()
    if found.code or not commit:
        raise GitFailed("what was fetched is not a commit; name a branch, a tag or a commit")
    listing = await git.run("ls-tree", "-r", "-z", "-l", f"{commit}:{folder}", most=MAX_LIST)
    if listing.code:
        raise InvalidRequest(f"folder: there is no folder {folder!r} in the repository")
    files = _files(listing.out, said)
    said(f"reading {len(files)} files of {commit[:12]}")
    total = sum(file.size for file in files)
    if total > MAX_FILES_BYTES:
        raise GitFailed(
            f"the project has {total:,} bytes, at most {MAX_FILES_BYTES:,} are fetched; keep data "
            "and build products out of the repository"
        )
    objects = await git.run(
        "cat-file",
        "--batch",
        feed="".join(f"{file.name}\n" for file in files).encode(),
        most=total + len(files) * _ROOM,
    )
    if objects.code:
        raise GitFailed("the repository is damaged: not every file of it can be read")
    return Fetched(await asyncio.to_thread(_archive, files, objects.out), commit)


def _files(listing: bytes, said: Sayer) -> list[_File]:
    files = []
    for line in listing.split(b"\0"):
        if not line:
            continue
        facts, _, raw = line.partition(b"\t")
        mode, kind, name, size = facts.decode("ascii").split()
        path = raw.decode("utf-8", "replace")
        if mode == _MODULE:
            said(f"the submodule {path} is left out")
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
    """The files as a ZIP; ``objects`` holds them in order, each behind a line about it."""
    out, at = io.BytesIO(), 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in files:
            start = objects.index(b"\n", at) + 1
            at = start + file.size + 1
            info = zipfile.ZipInfo(file.path, _TIME)
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if file.mode == _EXECUTABLE else 0o100644) << 16
            archive.writestr(info, objects[start : start + file.size])
    return out.getvalue()


def _explained(words: str, ref: str) -> str:
    """What git said, in words for the account."""
    low = words.lower()
    if "remote ref" in low or "not our ref" in low or "invalid refspec" in low:
        hint = "; a commit needs all 40 characters" if re.fullmatch("[0-9a-f]{4,39}", ref) else ""
        return f"the repository has no branch, tag or commit {ref!r}{hint}"
    if re.search("could not read username|authentication failed|not found|error: 40", low):
        return (
            "there is no repository at this address that everybody may read; check it, or upload "
            "a ZIP"
        )
    if "error: 30" in low or "redirect" in low:
        return "the repository has moved; write the address that a browser ends at"
    if "certificate" in low:
        return "TLS: the certificate of the host is not trusted here"
    if "could not connect" in low or "failed to connect" in low or "connection" in low:
        return "the host does not answer, or broke the connection off"
    if "not a valid" in low or "not valid: is this a git repository" in low:
        return "there is no git repository at this address"
    lines = [line for line in words.splitlines() if line.strip()]
    last = "".join(each for each in (lines or ["no reason"])[-1] if each.isprintable())
    return f"git could not fetch it: {last[:200]}"
