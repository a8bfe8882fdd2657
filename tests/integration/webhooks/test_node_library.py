"""Verifies a delivered callback with the Standard Webhooks library of Node.js."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.callbacks.signing import secret_for
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.notify.http import HttpNotifier
from fyke.storage.sql.state.schema import migrate
from support.callback_trials import LocalSignals, delivering, open_callback_sender
from support.callbacks import MASTER
from support.receivers import Received, listening

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("node", "npm"),
]
HERE = Path(__file__).parent


async def delivered(url: str) -> tuple[str, str, Received]:
    """The received callback, the reported run, and the signing secret."""
    migrate(url)
    notifier, signals = HttpNotifier(AddressRules(["127.0.0.0/8"])), LocalSignals()
    with listening() as receiver:
        async with open_callback_sender(url, signals.notify) as sender:
            [run] = await sender.runs([receiver.url("/x")])
            async with delivering(sender.storage, notifier, signals, SystemClock()):
                await sender.end(run)
                [request] = await asyncio.to_thread(receiver.wait, "/x")
            secret = secret_for(MASTER, sender.owner)
    notifier.close()
    return secret, run.id, request


def verified(folder: Path, secret: str, messages: list[dict[str, Any]]) -> list[str]:
    """Return the library's verdict on each message, with exactly the locked packages installed."""
    for name in ("package.json", "package-lock.json", "verify.js"):
        shutil.copy(HERE / name, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    completed = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=110)
    assert completed.returncode == 0, completed.stderr
    (folder / "messages.json").write_text(json.dumps({"secret": secret, "messages": messages}))
    command = ["node", "verify.js", "messages.json"]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, completed.stderr
    verdicts: list[str] = json.loads(completed.stdout)
    return verdicts


async def test_the_library_accepts_our_signatures_and_refuses_changed_messages(
    tmp_path: Path,
) -> None:
    secret, run, request = await delivered(f"sqlite:///{tmp_path / 'state.db'}")
    body, headers = request.body.decode(), request.headers
    stale = str(int(headers["webhook-timestamp"]) - 3600)
    messages = [
        {"body": body, "headers": headers},
        {"body": body.replace("succeeded", "failed"), "headers": headers},
        {"body": body, "headers": headers | {"webhook-id": "msg_other"}},
        {"body": body, "headers": headers | {"webhook-timestamp": stale}},
    ]
    folder = tmp_path / "node"
    folder.mkdir()
    verdicts = await asyncio.to_thread(verified, folder, secret, messages)
    assert verdicts == [
        run,
        "No matching signature found",
        "No matching signature found",
        "Message timestamp too old",
    ]
