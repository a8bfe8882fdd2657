"""Sets the owner's first password from the file of ``owner_password_file``."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from fyke.contracts.state import Storage
from fyke.errors import InvalidRequest
from fyke.settings import Settings

SETTING = "owner_password_file"
_MAX_BYTES = 8192  # more than the longest password has


async def set_owner_password(
    settings: Settings, storage: Storage, report: Callable[[str], None]
) -> None:
    """Set the first password, if there is none; otherwise the file is not opened. ``report`` gets
    a sentence if one was set.

    Raises ``InvalidRequest`` for a file that cannot be read, or that others can read or
    change, and for a weak password. No message has the password.
    """
    if not settings.owner_password_file:
        return
    # argon2 is needed only here, and the words of passwords are beside the services of a server
    from fyke.app.services import password_words
    from fyke.domain.accounts.first_password import needs_first_password, set_first_password
    from fyke.domain.accounts.passwords import Passwords

    if not await needs_first_password(storage):
        return
    file = settings.owner_password_file
    password = read_password(file)
    passwords = Passwords(words=password_words(settings))
    try:
        is_set = await set_first_password(storage, passwords, password)
    except InvalidRequest as error:
        [problem] = error.problems
        raise InvalidRequest(
            f"The password in {file} ({SETTING}) is refused: {problem.text}"
        ) from None
    if is_set:
        report(f"The owner's password was set to the one in {file} ({SETTING})")


def read_password(file: str) -> str:
    """The content of the file, without the end of the line. Raises ``InvalidRequest``."""
    try:
        # a pipe without a writer must not stop the start
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as reader:
            status = os.fstat(descriptor)
            content = reader.read(_MAX_BYTES) if stat.S_ISREG(status.st_mode) else b""
    except OSError as error:
        raise InvalidRequest(
            f"The file {file} ({SETTING}) cannot be read by the user with the number "
            f"{os.geteuid()}: {error.strerror}. Give it to this user, with the mode 0400"
        ) from None
    others = stat.S_IROTH
    if status.st_gid != os.getegid():  # Kubernetes gives secrets to the group of a pod
        others |= stat.S_IRGRP
    if status.st_mode & others:
        raise InvalidRequest(
            f"The file {file} ({SETTING}) can be read by other users, its mode is "
            f"{stat.S_IMODE(status.st_mode):04o}. Change the mode to 0400, and the password if "
            "others may have read it"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InvalidRequest(
            f"The file {file} ({SETTING}) can be changed by other users, its mode is "
            f"{stat.S_IMODE(status.st_mode):04o}. Change the mode to 0400, and write the password "
            "again"
        )
    try:
        password = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise InvalidRequest(f"The file {file} ({SETTING}) is not text in UTF-8") from None
    if not password or "\n" in password:
        raise InvalidRequest(f"The file {file} ({SETTING}) must contain one line, the password")
    return password
