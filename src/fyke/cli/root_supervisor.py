"""Started as root: give the data folder to the service user, start the launcher, drop root.

This supervisor opens no network connection and reads no data from the network. It runs as long
as the platform, restarts the launcher when it dies, and stops it with the platform.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import FrameType

from fyke.app.find_links import find_links_folders
from fyke.cli.errors import CommandFailed
from fyke.cli.listening import refuse_if_locked, unwritable
from fyke.settings import Settings

LAUNCHER_READY_SECONDS = 10.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def supervise_as_root(settings: Settings, arguments: list[str]) -> int:
    """Run ``fyke ARGUMENTS`` as the service user beside a launcher; return its exit status."""
    user = _service_user(settings)
    _check_program_is_readable()
    try:
        _own_home(settings, user)
    except OSError as error:
        raise unwritable(settings, error) from None
    with _as_user(user):
        refuse_if_locked(settings)  # a second launcher would replace the one in use
    launcher = _start_launcher(settings, user)
    child = subprocess.Popen(
        [sys.executable, "-m", "fyke.cli.main", *arguments],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        env=_environment(settings, user),
        process_group=0,
    )
    stopping = _forward_signals(child)
    try:
        start = functools.partial(_start_launcher, settings, user)
        launcher = _until_child_ends(child, launcher, start, stopping)
        return child.returncode if child.returncode >= 0 else 128 - child.returncode
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(60)
        launcher.terminate()
        launcher.wait(10)


def _until_child_ends(
    child: subprocess.Popen[bytes],
    launcher: subprocess.Popen[bytes],
    start: Callable[[], subprocess.Popen[bytes]],
    stopping: Event,
) -> subprocess.Popen[bytes]:
    """Return the launcher in use; ``start`` replaces one that ends before a stop was asked for."""
    while child.poll() is None:
        if launcher.poll() is not None and not stopping.is_set():
            print("fyke: the launcher ended; starting it again", file=sys.stderr)
            launcher = start()
        _sleep_until_one_ends({child.pid, launcher.pid})
    return launcher


def _sleep_until_one_ends(ours: set[int]) -> None:
    """As process 1 of a container, this process also inherits orphans. They are reaped here,
    because otherwise every later wait would return at once.
    """
    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    if ended is not None and ended.si_pid not in ours:
        os.waitpid(ended.si_pid, 0)


def _service_user(settings: Settings) -> pwd.struct_passwd:
    try:
        user = pwd.getpwnam(settings.service_user)
    except KeyError:
        raise CommandFailed(
            f'There is no system user "{settings.service_user}". Make one with\n'
            f"  useradd --system --user-group --shell /usr/sbin/nologin {settings.service_user}\n"
            "or name another with FYKE_SERVICE_USER."
        ) from None
    if user.pw_uid == 0:
        raise CommandFailed("FYKE_SERVICE_USER must not be root")
    return user


def _check_program_is_readable() -> None:
    """The service user cannot enter root's home directory; report it before anything fails."""
    for path in (Path(sys.executable), Path(__file__)):
        for folder in path.resolve().parents:
            if not folder.stat().st_mode & 0o001:
                raise CommandFailed(
                    f"As root, Fyke must be installed where other users may read it; {folder} "
                    "is not readable by them. script/up installs it to /opt/fyke."
                )


def _own_home(settings: Settings, user: pwd.struct_passwd) -> None:
    """Give the data folder to the service user, who must be able to traverse its parents."""
    home = settings.home
    for folder in reversed(home.absolute().parents):
        if not folder.exists():
            folder.mkdir()
            folder.chmod(0o755)  # the umask could make it inaccessible to the service user
    home.mkdir(exist_ok=True)
    for folder in home.absolute().parents:
        if not folder.stat().st_mode & 0o001:
            raise CommandFailed(
                f"The data folder {home} lies below {folder}, which the user "
                f"{user.pw_name} cannot enter. Choose another one with --home."
            )
    if home.stat().st_uid != user.pw_uid:
        os.chown(home, user.pw_uid, user.pw_gid)
    home.chmod(0o711)


@contextlib.contextmanager
def _as_user(user: pwd.struct_passwd) -> Iterator[None]:
    """Work in the service user's folder with that user's rights: a name in it may have become a
    link, and root would follow it and change the owner of its target.
    """
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def _start_launcher(settings: Settings, user: pwd.struct_passwd) -> subprocess.Popen[bytes]:
    environment = _environment(settings, user)
    with _as_user(user):
        find_links = find_links_folders(environment)
        settings.run_dir.mkdir(mode=0o700, exist_ok=True)
        settings.run_dir.chmod(0o700)
        settings.launcher_socket.unlink(missing_ok=True)
    launcher = subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-m",
            "fyke.sandbox.process.launcher",
            "--socket",
            str(settings.launcher_socket),
            "--home",
            str(settings.home),
            "--uid",
            str(user.pw_uid),
            "--gid",
            str(user.pw_gid),
            "--uid-base",
            str(settings.attempt_uid_base),
            "--uid-count",
            str(settings.attempt_uids),
            *(word for folder in find_links for word in ("--find-links", str(folder))),
        ],
        env={"PATH": _PATH, "LANG": "C.UTF-8"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C must not end it and every sandbox before Workers are drained
    )
    deadline = time.monotonic() + LAUNCHER_READY_SECONDS
    while not settings.launcher_socket.exists():
        if launcher.poll() is not None or time.monotonic() > deadline:
            raise CommandFailed("The launcher did not start; see the lines above")
        time.sleep(0.02)
    return launcher


def _environment(settings: Settings, user: pwd.struct_passwd) -> dict[str, str]:
    keep = {
        k: v for k, v in os.environ.items() if k not in ("HOME", "USER", "LOGNAME", "SUDO_USER")
    }
    return {
        **keep,
        "HOME": str(settings.home),
        "USER": user.pw_name,
        "FYKE_HOME": str(settings.home),
        "FYKE_LAUNCHER": "1",
    }


def _forward_signals(child: subprocess.Popen[bytes]) -> Event:
    """Forward signals to the child; return an event that the first one sets. The child has its own
    process group, so Ctrl-C reaches it only once.
    """
    stopping = Event()

    def forward(number: int, frame: FrameType | None) -> None:
        stopping.set()
        child.send_signal(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)
    return stopping
