"""The sandbox users that each launcher of this machine has claimed.

Sandboxes of two installations with the same user could signal and inspect each other's processes,
and would count against the same limits. So a launcher claims its range in a folder that all
installations of the machine share: one file for each range, locked while its launcher runs. The
kernel unlocks it however the launcher ends; the next claim removes the file.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fyke.kit.file_lock import locked

FOLDER = Path("/run/fyke-sandbox-users")
# never part of a range chosen here: users of systemd, the overflow user, and the end of 16 bits
RESERVED = range(60_000, 65_536)
# From this number on, distributions assign users to containers. A configured range may be there;
# the range that replaces it is then searched above it, within 16 times its size.
CONTAINERS = 100_000
SUBORDINATE = Path("/etc/subuid")
UID_MAP = Path("/proc/self/uid_map")

_LOCK = "lock"
_NAME = re.compile(r"(\d{1,10})-(\d{1,10})")
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


class NoFreeUsers(ValueError):
    """The range is in use, and no other one is free; the message has the remedy."""


@dataclass(frozen=True, slots=True)
class ActiveClaim:
    """The range of a launcher that runs, and its data folder."""

    users: range
    home: str


class UserClaim:
    """A range of users that no other launcher of this machine has while this claim is open.
    ``others`` have users of the configured range.
    """

    def __init__(
        self, users: range, others: Sequence[ActiveClaim], file: Path, descriptor: int
    ) -> None:
        self.users = users
        self.others = others
        self._file = file
        self._descriptor = descriptor

    def close(self) -> None:
        """Free the range; only after all its sandboxes have ended."""
        self._file.unlink(missing_ok=True)
        os.close(self._descriptor)


def claim_users(
    first: int, count: int, home: Path, *, taken: Iterable[int] = (), folder: Path = FOLDER
) -> UserClaim:
    """Claim ``count`` users from ``first`` on or, if another launcher has one of them, the next
    free range. That range contains none of the users ``taken``. Raise ``NoFreeUsers``.
    """
    with _locked(folder):
        active = _active(folder)
        configured = range(first, first + count)
        users = _choose(configured, [claim.users for claim in active], taken)
        if users is None:
            owners = "; ".join(f"{_show(claim.users)} by {claim.home}" for claim in active)
            raise NoFreeUsers(
                f"the sandbox users {_show(configured)} are used by other data folders of this "
                f"machine, and no other range is free ({owners}). Set "
                "FYKE_ATTEMPT_UID_BASE to a free range, or FYKE_ATTEMPT_UIDS to fewer users"
            )
        file = folder / f"{users.start}-{users.stop - 1}"
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, os.fsencode(home))
        others = [claim for claim in active if _overlap(claim.users, configured)]
        return UserClaim(users, others, file, descriptor)


def active_claims(folder: Path = FOLDER) -> list[ActiveClaim]:
    """The claims of the launchers that run, by first user; only root may read them."""
    if not folder.is_dir():
        return []
    with _locked(folder):
        return _active(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Exclude other launchers from the claims. Only root can open the lock file, because any user
    who can read it can lock it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if (state.st_uid, folder.is_symlink()) != (os.geteuid(), False):
        raise NoFreeUsers(f"{folder}: must be a folder of user {os.geteuid()}; remove it")
    folder.chmod(0o700)
    with locked(folder / _LOCK):
        yield


def _active(folder: Path) -> list[ActiveClaim]:
    """The claims that are locked; the others are removed."""
    active = []
    for file in folder.iterdir():
        numbers = _NAME.fullmatch(file.name)
        if numbers is None:
            continue
        try:
            descriptor = os.open(file, os.O_RDONLY | _FLAGS)
        except FileNotFoundError:
            continue  # its launcher has just ended
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink(missing_ok=True)
        except BlockingIOError:
            users = range(int(numbers[1]), int(numbers[2]) + 1)
            active.append(ActiveClaim(users, os.fsdecode(os.read(descriptor, 4096))))
        finally:
            os.close(descriptor)
    return sorted(active, key=lambda claim: claim.users.start)


def _choose(configured: range, claimed: list[range], taken: Iterable[int]) -> range | None:
    """The configured range if none of its users is claimed, else the next range above it without
    claimed, reserved, assigned or taken users.
    """
    if not any(_overlap(configured, users) for users in claimed):
        return configured
    count = len(configured)
    end = CONTAINERS if configured.start < CONTAINERS else configured.stop + 16 * count
    excluded = [*claimed, RESERVED, *_subordinate(), *(range(uid, uid + 1) for uid in taken)]
    candidate = configured
    while candidate.stop <= end and _is_mapped(candidate):
        conflicts = [users.stop for users in excluded if _overlap(candidate, users)]
        if not conflicts:
            return candidate
        candidate = range(max(conflicts), max(conflicts) + count)
    return None


def _overlap(first: range, second: range) -> bool:
    return first.start < second.stop and second.start < first.stop


def _subordinate() -> list[range]:
    """The users that this machine has assigned to containers."""
    try:
        rows = [line.split(":") for line in SUBORDINATE.read_text("utf-8").splitlines()]
        return [range(int(row[1]), int(row[1]) + int(row[2])) for row in rows if len(row) == 3]
    except (OSError, ValueError):
        return []


def _is_mapped(users: range) -> bool:
    """Whether these users exist in the user namespace of this process."""
    rows = (list(map(int, line.split())) for line in UID_MAP.read_text().splitlines())
    return any(row[0] <= users.start and users.stop <= row[0] + row[2] for row in rows)


def _show(users: range) -> str:
    return f"{users.start} to {users.stop - 1}"
