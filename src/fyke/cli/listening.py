"""Checks before a server starts: data folder, port, exposure. Each error has a remedy."""

from __future__ import annotations

import errno
import ipaddress
import socket

from fyke.cli.errors import CommandFailed, Exit
from fyke.kit.file_lock import locked, try_lock
from fyke.settings import Settings


def unwritable(settings: Settings, error: OSError) -> CommandFailed:
    """The error for a data folder that cannot be created or written."""
    return CommandFailed(
        f"The data folder {settings.home} cannot be written: {error.strerror}. "
        "Choose another one with --home, or give this user write access to it."
    )


def lock_home(settings: Settings) -> int:
    """Lock the data folder for this ``fyke up``, until the returned descriptor is closed.

    Raises ``CommandFailed`` if another one uses it.
    """
    descriptor = try_lock(settings.up_lock)
    if descriptor is None:
        raise _already_running(settings)
    return descriptor


def refuse_if_locked(settings: Settings) -> None:
    """Raise ``CommandFailed`` if another ``fyke up`` uses the data folder; does not lock it."""
    if not settings.up_lock.exists():
        return
    with locked(settings.up_lock, wait=False) as free:
        if not free:
            raise _already_running(settings)


def _already_running(settings: Settings) -> CommandFailed:
    return CommandFailed(
        f"Fyke is already running in {settings.home}. Stop it first, or choose another "
        "data folder with --home.",
        Exit.CONFLICT,
    )


def listen(settings: Settings) -> socket.socket:
    """Listen on the address in the settings. Raises ``CommandFailed``."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CommandFailed(
                f"Port {settings.port} on {settings.host} is in use by another program. "
                "Choose another one with --port, or stop that program."
            ) from None
        raise CommandFailed(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        ) from None
    return listener


def check_exposure(settings: Settings) -> None:
    """Raise ``CommandFailed`` for a public address while the owner has no password."""
    if _is_loopback(settings.host):
        return
    import asyncio

    from fyke.app.state import owner_has_password

    if not asyncio.run(owner_has_password(settings)):
        raise CommandFailed(
            f"Refusing to listen on {settings.host}: the owner has no password yet, and the "
            "address can be reached from other machines. Start with --host 127.0.0.1 first, and "
            "choose a password with the link that it prints. In a container, put a password into a "
            "file instead, and name it by the setting owner_password_file."
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
