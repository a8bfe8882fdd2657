"""Acts as the owner of a data folder when started as root.

Otherwise root would create files that the platform cannot write.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from fyke.cli.errors import CommandFailed


def owner_of(home: Path, service_user: str) -> tuple[int, int]:
    """The (uid, gid) of the current or future owner of the data folder."""
    if home.exists() and home.stat().st_uid != 0:
        return home.stat().st_uid, home.stat().st_gid
    try:
        user = pwd.getpwnam(service_user)
    except KeyError:
        raise CommandFailed(
            f'There is no system user "{service_user}" that the data folder could belong to; '
            "script/up creates it, or name another with FYKE_SERVICE_USER"
        ) from None
    return user.pw_uid, user.pw_gid


@contextlib.contextmanager
def as_owner(home: Path, service_user: str) -> Iterator[None]:
    """Act as the owner of the data folder if started as root; otherwise no effect."""
    if os.geteuid() != 0:
        yield
        return
    user, group = owner_of(home, service_user)
    groups, previous_group = os.getgroups(), os.getegid()
    os.setgroups([group])
    os.setegid(group)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(previous_group)
        os.setgroups(groups)
