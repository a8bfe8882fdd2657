"""A backup that is restored beside its installation and started."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reliability.checks import ENDED, RunSeen
from reliability.load import Client, Unreachable, Watcher
from reliability.machine import check_database, first_line, fyke, left_of, stopped
from reliability.one_machine import FIRST_UID, SETTINGS, UIDS
from reliability.stage import Stage
from support.booted import Booted

ENDED_SECONDS = 120.0


def compare_restored(stage: Stage, file: Path, before: Mapping[str, int]) -> dict[str, Any]:
    """Members of ``Injected`` about the restored installation. ``before`` are the highest
    acknowledged rows by tag, from before the backup.
    """
    folder = Path(tempfile.mkdtemp(prefix="fyke-torture-"))
    folder.chmod(0o711)
    uids = range(FIRST_UID + UIDS * 256, FIRST_UID + UIDS * 257)
    # without the receiver's address: the original announces the ends of these runs
    settings = {name: value for name, value in SETTINGS.items() if name != "callback_allow"}
    platform = Booted(folder, **settings, attempt_uid_base=str(uids.start))
    found: dict[str, Any] = {"seen": [], "down": [], "findings": [], "left": []}
    try:
        if removed := restore(platform, file):
            found["findings"] = [f"the backup is not one state: {removed} rows without attempt"]
        with started(platform) as watcher:
            client = Client(lambda: platform.url, stage.client.key)
            other = Stage(
                platform=platform, client=client, watcher=watcher, receiver=stage.receiver,
                worker=stage.worker, priced=stage.priced, uids=uids,
            )  # fmt: skip
            found["seen"] = runs_of(other, before)
            found["findings"] += [f"restored: {text}" for text in check_database(platform)]
        found["left"] = left_of(platform.home, uids if os.geteuid() == 0 else range(0))
    except (Unreachable, AssertionError) as error:
        found["down"] = [f"the restored installation: {first_line(error)}"]
    finally:
        stopped(platform)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def restore(platform: Booted, file: Path) -> int:
    """Restore the file; return how many rows were left out, because the state does not know their
    attempts. Raises ``AssertionError``.
    """
    done = fyke(platform, "restore", str(file), "--home", str(platform.home), "--json")
    assert done.returncode == 0, f"restore failed: {done.stderr[-300:]}"
    return int(json.loads(done.stdout)["removed_rows"])


@contextlib.contextmanager
def started(platform: Booted) -> Iterator[Watcher]:
    """Start the platform for the block, and watch it from before the start, because waiting runs
    start at once.
    """
    with Watcher(platform.home / "work") as watcher:
        platform.start()
        yield watcher
        platform.stop()


def runs_of(other: Stage, before: Mapping[str, int]) -> list[RunSeen]:
    """The runs, once none is open. Raises ``Unreachable``."""
    until = time.monotonic() + ENDED_SECONDS
    query = "SELECT id, state, reason_code, input_json, started_at FROM runs"
    while any(row[1] not in ENDED for row in other.asked(lambda: other.query(query))):
        if time.monotonic() > until:
            break
        time.sleep(0.3)
    found = []
    for run, state, reason, text, started_at in other.query(query):
        given = json.loads(text)
        if "tag" not in given:
            continue
        executions = other.watcher.of(given["tag"])
        repeated = max((execution.number for execution in executions), default=0)
        # it ran there from its start, or it had these rows at the time of the backup
        required = repeated if executions else before.get(given["tag"], 0)
        found.append(
            RunSeen(
                run=f"{run} (restored)",
                state=state,
                reason=reason,
                started=started_at > 0,
                planned=given["rows"],
                acknowledged=required,
                **other.results_of(run).numbers(),
            )
        )
    return found
