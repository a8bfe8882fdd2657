"""Work done through the API at every start: publish the Workers that ship with Fyke if they have
changed, and create the link for the owner's first password.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from fyke.cli.errors import CommandFailed, Exit
from fyke.domain.workers.archive import pack
from fyke.errors import BlobsAway, FykeError
from fyke.kit.assets import assets
from fyke.kit.backoff import delay
from fyke.settings import Settings
from fyke_client import ApiError, ClientError, FykeAdmin, Unreachable

T = TypeVar("T")

PAUSE_SECONDS = 0.05
LONG_PAUSE_SECONDS = 1.0
RETRY_SECONDS = 30.0  # how long a restarting server may be unreachable


def wait_until_ready(base: str, seconds: float, *, give_up: bool) -> None:
    """Wait until the server answers and a runner is alive.

    After ``seconds`` report this and continue to wait, or with ``give_up`` raise ``CommandFailed``.
    """
    deadline = time.monotonic() + seconds
    pause = PAUSE_SECONDS
    client = FykeAdmin(base, "", retries=0)
    while True:
        try:
            reason = client.not_ready()
            if not reason:
                return
        except ClientError as error:
            reason = str(error)
        if pause == PAUSE_SECONDS and time.monotonic() > deadline:
            text = f"Fyke did not become ready within {seconds:g} s ({reason}); see the log above"
            if give_up:
                raise CommandFailed(text, Exit.UNREACHABLE)
            print(f"fyke: {text}. Still trying.", file=sys.stderr, flush=True)
            pause = LONG_PAUSE_SECONDS
        time.sleep(pause)


def publish_shipped(settings: Settings, base: str) -> list[str]:
    """Publish every Worker of ``assets()/workers`` as public; return their paths.

    A refused Worker is reported and skipped. If the server remains unreachable, or blobs do not
    answer, all remaining Workers are skipped. The platform still starts.
    """
    published = []
    with FykeAdmin(base, settings.owner_key_file.read_text().strip(), retries=0) as client:
        for folder in sorted((assets() / "workers").iterdir()):
            if not folder.is_dir():
                continue
            try:
                bundle = pack(folder)
                push = partial(client.push_worker, bundle, name=folder.name, public=True)
                worker = _retried(push)
                published.append(worker.path)
            except (ClientError, FykeError) as error:
                if isinstance(error, Unreachable) or _is_away(error):
                    print(f"fyke: the Workers were not published: {error}", file=sys.stderr)
                    break
                print(f"fyke: the Worker {folder.name} was refused: {error}", file=sys.stderr)
    return published


def _is_away(error: Exception) -> bool:
    """Whether the blobs do not answer: the server has already waited for them."""
    return isinstance(error, ApiError) and error.key == BlobsAway.key


def _retried(call: Callable[[], T]) -> T:
    """Retry while the server is unreachable or cannot answer, for at most ``RETRY_SECONDS``. Raises
    ``ClientError``.
    """
    deadline = time.monotonic() + RETRY_SECONDS
    failures = 0
    while True:
        try:
            return call()
        except ClientError as error:
            refused = isinstance(error, ApiError) and error.status < 500
            if refused or _is_away(error) or time.monotonic() > deadline:
                raise
        failures += 1
        time.sleep(delay(failures, base=0.1, cap=2.0))


def setup_link(settings: Settings, base: str) -> str:
    """The link with which the owner chooses a first password, ``""`` once a user has one.

    Each start replaces the previous link. An error is reported, and the platform still starts.
    """
    with FykeAdmin(base, settings.owner_key_file.read_text().strip(), retries=0) as client:
        try:
            users = _retried(client.users)
            if any(user.state == "active" for user in users):
                return ""
            invited = [u.name for u in users if u.role == "owner" and u.state == "invited"]
            return _retried(partial(client.link_user, invited[0])).url if invited else ""
        except ClientError as error:
            print(f"fyke: no link for the owner's password: {error}", file=sys.stderr)
            return ""
