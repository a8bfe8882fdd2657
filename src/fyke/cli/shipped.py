"""Work of every start through the API: publish the Workers that ship with Fyke if they have
changed, and create the link for the owner's first password.
"""

from __future__ import annotations

import sys
import time

from fyke.cli.errors import CommandFailed, Exit
from fyke.client import ApiError, FykeClient, Unreachable
from fyke.domain.workers.archive import pack
from fyke.errors import FykeError
from fyke.kit.assets import assets
from fyke.settings import Settings

PAUSE_SECONDS = 0.05


def wait_until_ready(base: str, seconds: float) -> None:
    """Wait until the server answers and a runner is alive. Raises ``CommandFailed``."""
    deadline = time.monotonic() + seconds
    client = FykeClient(base, "")
    while True:
        try:
            if client.ready():
                return
        except Unreachable:
            pass
        if time.monotonic() > deadline:
            raise CommandFailed(
                f"Fyke did not become ready within {seconds:g} s; see the log above",
                Exit.UNREACHABLE,
            )
        time.sleep(PAUSE_SECONDS)


def publish_shipped(settings: Settings, base: str) -> list[str]:
    """Publish every Worker of ``assets()/workers`` as public; return their paths.

    A refused Worker is reported and skipped, so that the platform still starts.
    """
    published = []
    with FykeClient(base, settings.owner_key_file.read_text().strip()) as client:
        for folder in sorted((assets() / "workers").iterdir()):
            if not folder.is_dir():
                continue
            try:
                worker = client.push_worker(pack(folder), name=folder.name, public=True)
                published.append(worker.path)
            except (ApiError, FykeError) as error:
                print(f"fyke: the Worker {folder.name} was refused: {error}", file=sys.stderr)
    return published


def setup_link(settings: Settings, base: str) -> str:
    """The link with which the owner chooses a first password, ``""`` once a user has one.

    Each start replaces the previous link. An error is reported, and the platform still starts.
    """
    with FykeClient(base, settings.owner_key_file.read_text().strip()) as client:
        try:
            users = client.users()
            if any(user.state == "active" for user in users):
                return ""
            invited = [u.name for u in users if u.role == "owner" and u.state == "invited"]
            return client.link_user(invited[0]).url if invited else ""
        except ApiError as error:
            print(f"fyke: no link for the owner's password: {error}", file=sys.stderr)
            return ""
