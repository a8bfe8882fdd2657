"""Opens the data folder as root, through parents that only root and the service user can change.

Root gives the folder to the service user. Another user who could replace one of its parents would
choose what root gives away, so such parents are refused. In a folder with the sticky bit, such as
/tmp, all users can make names, but a name is replaced only by root, the owner of the folder and the
owner of what has the name: what lies there has to belong to root or the service user. Nothing is
done by a path that was checked before: each folder is opened below the descriptor of its parent.
Links are followed only if root has made them where no other user can.
"""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path

from fyke.cli.errors import CommandFailed

MAX_LINKS = 20
MOUNTS = Path("/proc/self/mountinfo")

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ACL = "system.posix_acl_access"


def open_home(home: Path, user: pwd.struct_passwd) -> int:
    """Return a descriptor of the data folder, which is made with its parents if it is missing.
    Raise ``CommandFailed`` for one that is not safe, and ``OSError``.
    """
    walk = _Walk(home, user)
    try:
        walk.go()
        return os.dup(walk.descriptor)
    finally:
        os.close(walk.descriptor)


def name_of(uid: int) -> str:
    """The name of a user, or the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def run_as(uid: int) -> str:
    """The end of advice to choose another folder than one of this user, whom only a name can make
    the service user.
    """
    name = name_of(uid)
    if not name.isdecimal():
        return f", or run Fyke as that user: FYKE_SERVICE_USER={name} (setting service_user)."
    return (
        ", or run Fyke as that user, who has no name yet:\n"
        f"  useradd --system --uid {uid} --user-group --shell /usr/sbin/nologin fyke-{uid}\n"
        f"  export FYKE_SERVICE_USER=fyke-{uid}"
    )


class _Walk:
    """The way from the root folder to the data folder; ``descriptor`` is where it is now."""

    def __init__(self, home: Path, user: pwd.struct_passwd) -> None:
        self._home = home
        self._user = user
        self._trusted = (0, user.pw_uid)
        self._path = Path("/")
        self.descriptor = os.open("/", _FOLDER)

    def go(self) -> None:
        """Go to the data folder."""
        pending, links = deque(self._home.absolute().parts[1:]), 0
        while pending:
            is_shared = self._check_parent()
            name = pending.popleft()
            if (goal := self._link(name)) is None:
                self._enter(name, is_shared=is_shared)
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if goal.is_absolute():
                self._move(os.open("/", _FOLDER), Path("/"))
            pending.extendleft(part for part in reversed(goal.parts) if part != "/")
        if os.path.samestat(os.fstat(self.descriptor), Path("/").stat()):
            raise CommandFailed("The data folder must not be /. Choose another one with --home.")

    def _move(self, descriptor: int, path: Path) -> None:
        os.close(self.descriptor)
        self.descriptor, self._path = descriptor, path

    def _check_parent(self) -> bool:
        """Whether all users can make names in this folder, without changing those of others. Raise
        ``CommandFailed`` if others can change what it contains, or the user cannot enter it.
        """
        state, path = os.fstat(self.descriptor), self._path
        if not state.st_mode & 0o001:
            raise CommandFailed(
                f"The data folder {self._home} lies below {path}, which the user "
                f"{self._user.pw_name} cannot enter. Choose another one with --home."
            )
        if state.st_uid not in self._trusted:
            rule = f"it belongs to the user {name_of(state.st_uid)}"
            raise self._refused(path, rule, run_as(state.st_uid))
        is_shared = self._is_writable_by_others(state)
        if is_shared and not state.st_mode & stat.S_ISVTX:
            remedy = f", or change this one: chmod go-w {shlex.quote(str(path))}"
            raise self._refused(path, "others may write to it", remedy)
        return is_shared

    def _is_writable_by_others(self, state: os.stat_result) -> bool:
        """The groups of root and of the service user count as these users."""
        if state.st_mode & 0o002:
            return True
        if not state.st_mode & 0o020:
            return False  # this is also the limit of an access control list
        return state.st_gid not in (0, self._user.pw_gid) or _has_acl(self.descriptor)

    def _link(self, name: str) -> Path | None:
        """Where the name leads if it is a link of root; None if it is no link."""
        try:
            state = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISLNK(state.st_mode):
            return None
        path = self._path / name
        if state.st_uid != 0 or os.fstat(self.descriptor).st_uid != 0:
            raise self._refused(path, "it is a link that root has not made")
        return Path(os.readlink(name, dir_fd=self.descriptor))

    def _enter(self, name: str, *, is_shared: bool) -> None:
        """Open the folder, which is made if it is missing."""
        made = False
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=self.descriptor)
            made = True
        device, path = os.fstat(self.descriptor).st_dev, self._path / name
        self._move(os.open(name, _FOLDER, dir_fd=self.descriptor), path)
        state = os.fstat(self.descriptor)
        if is_shared and state.st_uid not in self._trusted:
            rule = f"it belongs to the user {name_of(state.st_uid)}, and all may write beside it"
            raise self._refused(path, rule, run_as(state.st_uid))
        owner = _mounted_by(state.st_dev) if state.st_dev != device else 0
        if owner not in self._trusted:
            raise self._refused(path, f"the user {name_of(owner)} has mounted it")
        if made:
            os.fchmod(self.descriptor, 0o755)  # the umask could make it inaccessible to the user

    def _refused(self, path: Path, rule: str, remedy: str = ".") -> CommandFailed:
        where = "is" if path == self._home else f"{self._home} lies in or below"
        return CommandFailed(
            f"The data folder {where} {path}, and {rule}: another user could replace what Fyke "
            f"gives to the user {self._user.pw_name} as root. Choose another folder with "
            f"--home{remedy}"
        )


def _has_acl(descriptor: int) -> bool:
    try:
        os.getxattr(descriptor, _ACL)
    except OSError:
        return False  # none, or a file system without them
    return True


def _mounted_by(device: int) -> int:
    """The user who has mounted this file system, with FUSE; else it was root, 0."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in MOUNTS.read_text().splitlines():
        fields = line.split(" ")
        for option in fields[-1].split(",") if fields[2] == number else ():
            if option.startswith("user_id="):
                return int(option.removeprefix("user_id="))
    return 0
