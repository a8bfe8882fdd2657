"""The start as root: give the data folder to the service user, then become the root supervisor
(``fyke.cli.root_supervisor``).
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
from pathlib import Path
from typing import NoReturn

from fyke.app.find_links import find_links_folders
from fyke.cli.errors import CommandFailed
from fyke.cli.handover import exec_module
from fyke.cli.listening import refuse_if_locked, unwritable
from fyke.cli.root_supervisor import RootConfig, as_user
from fyke.cli.safe_home import name_of, open_home, run_as
from fyke.settings import Settings


def start_as_root(settings: Settings, arguments: list[str]) -> NoReturn:
    """Run ``fyke ARGUMENTS`` as the service user with a launcher, and exit with its status.

    Raises ``CommandFailed``.
    """
    config, environment = root_config(settings, arguments)
    exec_module("fyke.cli.root_supervisor", config._asdict(), environment)


def root_config(settings: Settings, arguments: list[str]) -> tuple[RootConfig, dict[str, str]]:
    """Give the data folder to the service user; return the configuration of the root supervisor and
    the environment of ``fyke ARGUMENTS``. Raises ``CommandFailed``.
    """
    user = service_user_of(settings)
    _check_program_is_readable()
    try:
        chown_home(settings, user)
    except OSError as error:
        raise unwritable(settings, error) from None
    environment = _environment(settings, user)
    with as_user(user.pw_uid, user.pw_gid):
        refuse_if_locked(settings)  # a second launcher would replace the one in use
        find_links = find_links_folders(environment)
    return _config(settings, user, find_links, arguments), environment


def service_user_of(settings: Settings) -> pwd.struct_passwd:
    """The user that Fyke runs as. Raises ``CommandFailed``."""
    try:
        user = pwd.getpwnam(settings.service_user)
    except KeyError:
        raise CommandFailed(
            f'There is no system user "{settings.service_user}". Create one with\n'
            f"  useradd --system --user-group --shell /usr/sbin/nologin {settings.service_user}\n"
            "or name another with FYKE_SERVICE_USER."
        ) from None
    if user.pw_uid == 0:
        raise CommandFailed("FYKE_SERVICE_USER must not be root")
    return user


def _check_program_is_readable() -> None:
    """Raise ``CommandFailed`` if the service user cannot read the program, for example in /root."""
    for path in (Path(sys.executable), Path(__file__)):
        for folder in path.resolve().parents:
            if not folder.stat().st_mode & 0o001:
                raise CommandFailed(
                    f"As root, Fyke must be installed where other users can read it; {folder} "
                    "is not readable by them. script/up installs it to /opt/fyke."
                )


def chown_home(settings: Settings, user: pwd.struct_passwd) -> None:
    """Give the data folder to the service user, who must be able to traverse its parents.

    One that another user works in is refused and left as it is; so is one that another user could
    replace, see ``safe_home``. Raise ``CommandFailed`` and ``OSError``.
    """
    home = open_home(settings.home, user)
    try:
        _chown(home, settings.home, user)
    finally:
        os.close(home)


def _chown(home: int, path: Path, user: pwd.struct_passwd) -> None:
    before = os.fstat(home)
    is_foreign = before.st_uid not in (0, user.pw_uid)
    if is_foreign and os.listdir(home):
        raise _in_use(path, before.st_uid)
    if before.st_uid != user.pw_uid:
        os.fchown(home, user.pw_uid, user.pw_gid)
    os.fchmod(home, 0o711)
    if is_foreign and os.listdir(home):  # its owner has just started to work in it
        os.fchown(home, before.st_uid, before.st_gid)
        os.fchmod(home, stat.S_IMODE(before.st_mode))
        raise _in_use(path, before.st_uid)


def _in_use(home: Path, owner: int) -> CommandFailed:
    return CommandFailed(
        f"The data folder {home} belongs to the user {name_of(owner)}. Choose another folder with "
        f"--home{run_as(owner)}"
    )


def _config(
    settings: Settings, user: pwd.struct_passwd, find_links: list[Path], arguments: list[str]
) -> RootConfig:
    launcher = [
        *(sys.executable, "-I", "-m", "fyke.sandbox.process.launcher"),
        *("--socket", str(settings.launcher_socket)),
        *("--home", str(settings.home)),
        *("--uid", str(user.pw_uid)),
        *("--gid", str(user.pw_gid)),
        *("--uid-base", str(settings.attempt_uid_base)),
        *("--uid-count", str(settings.attempt_uids)),
        *(word for folder in find_links for word in ("--find-links", str(folder))),
    ]
    if arguments[:1] == ["local-work"]:  # its users are of no interest to an author
        launcher.append("--quiet")
    return RootConfig(
        uid=user.pw_uid,
        gid=user.pw_gid,
        run_dir=str(settings.run_dir),
        launcher_socket=str(settings.launcher_socket),
        launcher=launcher,
        supervisor=[sys.executable, "-m", "fyke.cli.entry", *arguments],
        reports_ends="up" in arguments[:2],  # also of fyke node up
    )


def _environment(settings: Settings, user: pwd.struct_passwd) -> dict[str, str]:
    kept = {
        k: v for k, v in os.environ.items() if k not in ("HOME", "USER", "LOGNAME", "SUDO_USER")
    }
    return {
        **kept,
        "HOME": str(settings.home),
        "USER": user.pw_name,
        "FYKE_HOME": str(settings.home),
        "FYKE_LAUNCHER": "1",
    }
