"""Starts a platform of one machine for a stage."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from reliability.load import WORKER, Client, Watcher
from reliability.machine import stopped
from reliability.proxy import proxying
from reliability.stage import Stage
from support.booted import Booted
from support.postgres import running_postgres
from support.projects import python_project
from support.receivers import listening

UIDS = 4096  # of each platform, from ``attempt_uid_base``
FIRST_UID = 131_072  # beyond those of ordinary installations and of the suite
PRICE = "3600"  # US dollars for a core and an hour; the smallest device costs 0.125 a second
SETTINGS = {
    "rate_limit": "0",
    "default_plan": "unlimited",
    "callback_allow": "127.0.0.1/32",
    "failed_rows": "keep",
    "drain_seconds": "0",
    "seal_rows": "1",  # so that faults hit rows, files, and the move between the two
    "seal_after_seconds": "1",
    "warm_sandboxes": "4",
    "warm_idle_seconds": "2",  # the check for sandboxes that were left waits longer
}


@contextlib.contextmanager
def stage(
    database: str,
    *,
    priced: bool,
    proxied: bool = False,
    volume_mb: int = 0,
    preload: str = "",
    **settings: str,
) -> Iterator[Stage]:
    """Start a platform with a public Worker in a new account. ``proxied``: PostgreSQL is behind a
    proxy that can fail. ``volume_mb``: the data folder is on a file system of this size.
    ``preload`` is the path of libfaketime.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="fyke-torture-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)
        base = FIRST_UID + UIDS * (os.getpid() % 256)
        given = SETTINGS | {"attempt_uid_base": str(base)} | settings
        if priced:
            given["price_cpu_hour"] = PRICE
        postgres, proxy = None, None
        if database == "postgres":
            postgres = stack.enter_context(running_postgres(fsync=False))
            with postgres.admin() as connection:
                connection.execute("CREATE DATABASE fyke")
            given["database_url"] = postgres.url("fyke")
            if proxied:
                socket = postgres.socket_dir / ".s.PGSQL.5432"
                proxy = stack.enter_context(proxying(socket))
                given["database_url"] = f"postgresql+psycopg://fyke@127.0.0.1:{proxy.port}/fyke"
        platform = (Shifted if preload else Booted)(folder, **given)
        if isinstance(platform, Shifted):
            platform.shift(preload)
        volume = None
        if volume_mb:
            volume = platform.home
            stack.enter_context(mounted(folder / "volume", volume, volume_mb))
        stack.callback(stopped, platform)
        platform.start()
        receiver = stack.enter_context(listening())
        watcher = stack.enter_context(Watcher(platform.home / "work"))
        key = new_account(platform)
        worker = platform.push(python_project(WORKER), "torture", key=key)
        client = Client(lambda: platform.url, key)
        yield Stage(
            platform=platform,
            client=client,
            watcher=watcher,
            receiver=receiver,
            worker=worker,
            priced=priced,
            uids=range(base, base + UIDS) if os.geteuid() == 0 else range(0),
            postgres=postgres,
            proxy=proxy,
            volume=volume,
            clock=platform.clock if isinstance(platform, Shifted) else None,
        )


def new_account(platform: Booted) -> str:
    """The key of a new account with credit."""
    key = platform.new_account("torture")
    name = str(platform.read("/api/fyke/account", key=key)["name"])
    platform.call(f"/api/fyke/accounts/{name}/credit", {"usd": "1000000", "traffic_mb": "0"})
    return key


class Shifted(Booted):
    """A platform whose processes read the clock through libfaketime, except the launcher, which has
    an empty environment and uses only monotonic time.
    """

    clock: Path
    _library = ""

    def shift(self, library: str) -> None:
        self.clock, self._library = self.folder / "clock", library
        self.clock.write_text("+0")
        self.clock.chmod(0o644)

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; without it every call reads the file
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@contextlib.contextmanager
def mounted(image: Path, at: Path, megabytes: int) -> Iterator[None]:
    """An ext4 of this size at a folder. Its files must be closed before it is removed."""
    with image.open("wb") as file:
        file.truncate(megabytes * 2**20)
    quiet = {"check": True, "capture_output": True}
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-F", str(image)], **quiet)  # type: ignore[call-overload]
    at.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(at)], **quiet)  # type: ignore[call-overload]
    try:
        (at / "lost+found").rmdir()
        yield
    finally:
        for _ in range(50):
            if (
                subprocess.run(["umount", str(at)], capture_output=True, check=False).returncode
                == 0
            ):
                break
            time.sleep(0.2)
        else:
            subprocess.run(["umount", "--lazy", str(at)], check=False)
