"""Folders for jobs without a server: ``worker run``, and the sandbox check of ``doctor``.

Each is a small data folder below that of the user, used by one process at a time. Its caches are
kept, so that dependencies are installed only once. If the command was started as root, the folder
belongs to the service user, who runs the job with a launcher.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

from fyke.app.folder import LOCAL_FOLDER
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.local_work import REQUEST, RESULT, run_request
from fyke.kit.file_lock import locked

if TYPE_CHECKING:
    from fyke.settings import Settings

MAX_FOLDERS = 16
# settings of the installation that do not concern a job without a server
UNSET = ("database_url", "blobs_url", "s3_endpoint", "s3_region", "s3_key_id", "s3_secret")


@contextlib.contextmanager
def local_folder(settings: Settings) -> Iterator[Settings]:
    """Lock a free folder; yield the settings for work in it."""
    with contextlib.ExitStack() as stack:
        try:
            home = _take_folder(settings.home, stack)
        except PermissionError as error:
            raise CommandFailed(
                f"The data folder {settings.home} may not be used by this user ({error.filename}: "
                f"{error.strerror}). Name a folder of your own with --home or FYKE_HOME, or use "
                "the user that runs Fyke, or root",
                Exit.AUTH,
            ) from None
        unset = {name: type(settings).model_fields[name].default for name in UNSET}
        yield settings.model_copy(update={"home": home, "durability": "process", **unset})


def _take_folder(data_folder: Path, stack: contextlib.ExitStack) -> Path:
    """A free folder below ``data_folder``, locked until the stack is closed."""
    base = data_folder / LOCAL_FOLDER
    _make_folder(data_folder)
    _make_folder(base)
    for number in range(MAX_FOLDERS):
        if stack.enter_context(locked(base / f"{number}.lock", wait=False)):
            home = base / str(number)
            _make_folder(home)
            return home
        stack.pop_all().close()
    raise CommandFailed(f"{MAX_FOLDERS} local runs are already active; wait until one ends")


def _make_folder(folder: Path) -> None:
    """Create ``folder`` with 0711: others can reach files in it, but not list it."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o711)


class Job:
    """A folder with a request and its result, shared with the user who runs the job.

    It is locked as long as its process lives. A new one first removes those that are not locked:
    their processes were killed.
    """

    def __init__(self, base: Path) -> None:
        with locked(base / "jobs.lock"):  # a new folder is not locked yet
            for folder in base.glob("job-*"):
                _remove_unless_locked(folder)
            self.folder = Path(tempfile.mkdtemp(prefix="job-", dir=base))
            self._lock = _open_folder(self.folder)
            self._owner: tuple[int, int] | None = None
            self._adding = threading.Lock()  # a thread may add files during the handover
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def write(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def add(self, name: str, data: bytes) -> None:
        """Add a file while the job runs, completely or not at all."""
        partial = f".{name}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        # through descriptors: the folder may belong to another user, who could create links in it
        with self._adding:
            with os.fdopen(os.open(partial, flags, 0o600, dir_fd=self._lock), "wb") as file:
                if self._owner is not None:
                    os.fchown(file.fileno(), *self._owner)
                file.write(data)
            os.rename(partial, name, src_dir_fd=self._lock, dst_dir_fd=self._lock)

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._lock)

    def hand_over(self, user: int, group: int) -> None:
        """Give the folder to the user who runs the job."""
        with self._adding:
            self._owner = user, group
            for path in (*self.folder.iterdir(), self.folder):
                os.chown(path, user, group, follow_symlinks=False)

    def open(self, name: str) -> IO[bytes]:
        """Open a plain file of the result; another user could have created a link instead."""
        descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise CommandFailed(f"{name} of the local run is not a plain file")
        return os.fdopen(descriptor, "rb")

    def result(self, name: str = RESULT) -> dict[str, Any]:
        with self.open(name) as file:
            value: dict[str, Any] = json.load(file)
            return value


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _remove_unless_locked(folder: Path) -> None:
    try:
        lock = _open_folder(folder)
    except OSError:  # it has just been removed, or belongs to another user
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Until the work installs its handlers, SIGTERM interrupts like Ctrl-C. SIGHUP always acts like
    SIGTERM, unless it is ignored, as under ``nohup``.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if before[signal.SIGHUP] is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _as_sigterm)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_sigterm(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)


def run_job(
    settings: Settings,
    job: Job,
    request: dict[str, Any],
    started: Callable[[], None] = lambda: None,
) -> int:
    """Run the request in this process or, as root, in one of the service user; return the exit
    status. ``settings`` are those of a local folder. ``started`` is called when this process has
    no more to do as another user.
    """
    # the root supervisor sets ``launcher``
    shared_settings = settings.model_dump(mode="json", exclude={"home", "launcher"})
    text = json.dumps({**request, "home": str(settings.home), "settings": shared_settings})
    job.write(REQUEST, text.encode())
    if os.geteuid() != 0:
        started()
        return run_request(job.folder)
    import pwd

    from fyke.cli.root_start import root_config
    from fyke.cli.root_supervisor import supervise_as_root

    try:
        user = pwd.getpwnam(settings.service_user)
    except KeyError:
        raise CommandFailed(
            f'There is no system user "{settings.service_user}"; script/up creates it'
        ) from None
    job.hand_over(user.pw_uid, user.pw_gid)
    arguments = ["local-work", str(job.folder)]
    code = supervise_as_root(*root_config(settings, arguments), started)
    # that process gets every signal as SIGTERM, which ends it until it runs the Worker
    return Exit.INTERRUPTED if code == 128 + signal.SIGTERM else code
