"""Helpers of the sandbox tests: data folders, bundles, specs and spawners."""

from __future__ import annotations

import asyncio
import atexit
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fyke.app.find_links import find_links_folders
from fyke.contracts.execution import Environment, Sandbox, SandboxExit, SandboxLimits, SandboxSpec
from fyke.kit.ids import new_ulid
from fyke.model.node import RunnableVersion
from fyke.model.worker import BrowserNeed, Language
from fyke.sandbox.factory import BubblewrapSandboxes
from fyke.sandbox.isolation.cgroup_files import ControlGroups
from fyke.sandbox.isolation.cgroup_v1 import GroupsV1
from fyke.sandbox.isolation.cgroups import NoGroups
from fyke.sandbox.process.launcher import CLIENT_SILENCE
from fyke.sandbox.process.launcher_client import LauncherClient
from fyke.sandbox.process.spawner import DirectSpawner, Spawner

PLAIN_UID = 12345
SERVICE_UID = 12346
UID_BASE = 31_000
UID_COUNT = 64
MIB = 2**20
# For test runs of a plain user: controller=path, comma-separated.
GROUPS_VARIABLE = "FYKE_TEST_GROUPS"

_LEAVE_SECONDS = 10
_KEPT = ("run", "work", "tool-caches", "sandbox-files")  # the launcher needs them between tests

ROOT = os.geteuid() == 0
SPAWNERS = ("launcher",) if ROOT else ("direct", "direct-soft")
WARM = "-warm"


@dataclass
class SandboxSetup:
    """A data folder and the sandbox factory that uses it."""

    home: Path
    sandbox: BubblewrapSandboxes
    spawner: Spawner
    launcher: subprocess.Popen[bytes] | None = None
    sandboxes: list[Sandbox] = field(default_factory=list)
    warm: bool = False  # whether sandboxes are started idle, then assigned

    @property
    def work(self) -> Path:
        return self.home / "work"

    def bundle(self, files: dict[str, str | bytes]) -> Path:
        """An unpacked version that every user can read."""
        folder = self.home / "cache" / "bundles" / new_ulid()
        folder.mkdir(parents=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
        return folder

    def spec(
        self,
        files: dict[str, str | bytes] | str,
        *,
        language: Language = Language.PYTHON,
        name: str = "",
        environment: Path | None = None,
        **limits: float,
    ) -> SandboxSpec:
        """A sandbox with these files; a string is the content of ``main.py``."""
        content = {"main.py": files} if isinstance(files, str) else files
        return SandboxSpec(
            name=name or new_ulid(),
            owner="ACCOUNT",
            version=version(language),
            bundle=self.bundle(dict(content)),
            environment=Environment(environment, ""),
            limits=SandboxLimits(**({"cpus": 1.0, "memory": 256 * MIB} | limits)),  # type: ignore[arg-type]
        )

    async def open(self, files: dict[str, str | bytes] | str, **options: Any) -> Sandbox:
        """Open a sandbox; the arguments are those of ``spec``."""
        spec = self.spec(files, **options)
        if not self.warm:
            sandbox = await self.sandbox.open(spec)
            self.sandboxes.append(sandbox)
            return sandbox
        idle = await self.sandbox.open_idle(spec)
        self.sandboxes.append(idle)
        await idle.assign(spec.limits)
        return idle

    async def run(self, code: str, **options: float) -> tuple[str, str, SandboxExit]:
        """Run a Python Worker to its end: (stdout, stderr, exit)."""
        sandbox = await self.open(code, **options)
        await sandbox.launch({})
        out, err = await drain(sandbox)
        return out, err, await sandbox.wait()


def others_can_run_us() -> bool:
    """Whether other users may execute this interpreter; below ``/root`` they may not."""
    path = Path(sys.executable).resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def version(language: Language) -> RunnableVersion:
    return RunnableVersion(
        id=new_ulid(),
        worker_id=new_ulid(),
        number="1.0.0",
        digest="0" * 64,
        language=language,
        requirements="",
        builds=False,
        egress=None,
        secrets=(),
        browser=BrowserNeed.UNKNOWN,
    )


async def drain(sandbox: Sandbox) -> tuple[str, str]:
    output = {"stdout": b"", "stderr": b""}
    async for stream, data in sandbox.output():
        output[stream] += data
    return output["stdout"].decode(), output["stderr"].decode()


async def line(sandbox: Sandbox, seconds: float = 20) -> str:
    """The first line of output."""
    output = b""
    async with asyncio.timeout(seconds):
        async for _, data in sandbox.output():
            output += data
            if b"\n" in output:
                break
    return output.decode().splitlines()[0]


@contextmanager
def data_folder() -> Iterator[Path]:
    """A data folder that other users can traverse, as in an installation."""
    home = Path(tempfile.mkdtemp(prefix="fyke-"))
    home.chmod(0o711)
    for part in ("cache", "cache/bundles", "run"):
        (home / part).mkdir()
    try:
        yield home
    finally:
        shutil.rmtree(home)


def handed_groups() -> ControlGroups:
    """The control groups that a test run of root passed to this plain user, if any."""
    value = os.environ.get(GROUPS_VARIABLE, "")
    if not value:
        return NoGroups("this user was given none")
    pairs = (entry.partition("=") for entry in value.split(","))
    return GroupsV1({controller: Path(path) for controller, _, path in pairs})


@asynccontextmanager
async def sandbox_setup(kind: str, *, with_wheels: bool = False) -> AsyncIterator[SandboxSetup]:
    """A data folder with sandboxes of the spawner ``kind``. Fails if files are left in it.

    ``with_wheels``: tools may read the machine's folders of wheels and the folder ``wheels``, which
    is created in the data folder. With the suffix ``-warm`` sandboxes are started idle.
    """
    find_links = find_links_folders(os.environ) if with_wheels else []
    spawner = kind.removesuffix(WARM)
    async with (
        used_launcher(find_links) if spawner == "launcher" else _direct(spawner, find_links)
    ) as setup:
        setup.warm = kind.endswith(WARM)
        if with_wheels:
            (setup.home / "wheels").mkdir(mode=0o755)
        yield setup
        for sandbox in setup.sandboxes:
            await sandbox.close()
            for listener in sandbox.listeners.values():
                listener.close()
        assert os.listdir(setup.work) == []


@asynccontextmanager
async def _direct(kind: str, find_links: Sequence[Path]) -> AsyncIterator[SandboxSetup]:
    """The direct spawner, with the control groups of this user or without any."""
    with data_folder() as home:
        groups = handed_groups() if kind == "direct" else NoGroups("left out by the test")
        spawner = DirectSpawner(home / "work", groups, [home / "wheels", *find_links])
        yield SandboxSetup(home, BubblewrapSandboxes(home / "work", spawner), spawner)
        spawner.close()


@asynccontextmanager
async def launched(
    home: Path, prefix: Sequence[str] = (), client_silence: float = CLIENT_SILENCE
) -> AsyncIterator[SandboxSetup]:
    """A launcher that runs as root, with a client connected as the service user. ``prefix`` is a
    command that executes the launcher, such as ``setpriv``.
    """
    with launcher(home, prefix=prefix, client_silence=client_silence) as process:
        client = await connect(home)
        try:
            yield SandboxSetup(home, BubblewrapSandboxes(home / "work", client), client, process)
        finally:
            await client.close()


async def connect(home: Path, uid: int = SERVICE_UID) -> LauncherClient:
    client = LauncherClient(home / "run" / "launcher.sock")
    os.setegid(uid)
    os.seteuid(uid)
    try:
        await client.connect()
    finally:
        os.seteuid(0)
        os.setegid(0)
    return client


@contextmanager
def launcher(
    home: Path,
    find_links: Sequence[Path] = (),
    prefix: Sequence[str] = (),
    client_silence: float = CLIENT_SILENCE,
) -> Iterator[subprocess.Popen[bytes]]:
    code = (
        "import os,sys;from pathlib import Path;from fyke.sandbox.process.launcher import serve;"
        "home=Path(sys.argv[1]);"
        "serve(home/'run'/'launcher.sock',home,*map(int,sys.argv[2:6]),"
        "lambda:os.write(1,b'ready'),[Path(a) for a in sys.argv[7:]],"
        "client_silence=float(sys.argv[6]))"
    )
    numbers = (SERVICE_UID, SERVICE_UID, UID_BASE, UID_COUNT, client_silence)
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", code, str(home), *map(str, (*numbers, *find_links))],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/usr/bin"},
    )
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], 20)[0], "the launcher is not ready"
        assert process.stdout.read(5) == b"ready"
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)
        process.stdout.close()


class _StartedLauncher:
    """A launcher on a data folder of its own."""

    def __init__(self, find_links: Sequence[Path]) -> None:
        with ExitStack() as stack:
            self.home = stack.enter_context(data_folder())
            self.process = stack.enter_context(
                launcher(self.home, [self.home / "wheels", *find_links])
            )
            self._end = stack.pop_all()
        self._mode = (self.home / "run").stat().st_mode
        atexit.register(self.close)

    def close(self) -> None:
        atexit.unregister(self.close)
        self._end.close()

    async def reset(self) -> bool:
        """Restore the data folder to its initial state; return whether that was possible. The
        launcher removes the files of its client.
        """
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                while self.process.poll() is None and os.listdir(self.home / "work"):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return False
        if self.process.poll() is not None:
            return False
        for entry in self.home.iterdir():
            if entry.name not in _KEPT:
                _remove(entry)
        for entry in (self.home / "tool-caches").iterdir():
            _remove(entry)
        (self.home / "cache" / "bundles").mkdir(parents=True)
        (self.home / "run").chmod(self._mode)
        return True


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


_free: dict[tuple[Path, ...], list[_StartedLauncher]] = {}


@asynccontextmanager
async def used_launcher(find_links: Sequence[Path] = ()) -> AsyncIterator[SandboxSetup]:
    """A launcher that tests use one after another, because starting one takes as long as starting a
    sandbox. Its tools may read ``wheels`` in its data folder, and ``find_links``. A launcher
    that has ended or still has files is not reused.
    """
    free = _free.setdefault(tuple(find_links), [])
    started = free.pop() if free else _StartedLauncher(find_links)
    client = await connect(started.home)
    try:
        yield SandboxSetup(
            started.home,
            BubblewrapSandboxes(started.home / "work", client),
            client,
            started.process,
        )
    finally:
        await client.close()
        if await started.reset():
            free.append(started)
        else:
            started.close()
