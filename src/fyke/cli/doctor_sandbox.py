"""Checks of ``fyke doctor``: the isolation of Workers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fyke.cli import formatting
from fyke.cli.doctor_result import FAILED, OK, CheckResult
from fyke.cli.doctor_server import own_runners

if TYPE_CHECKING:
    from fyke.cli.doctor_server import RunningServer
    from fyke.settings import Settings

LIMITS_REMEDY = (
    "start Fyke as root (script/up), or from a systemd unit with Delegate=yes; until then only the "
    "operator's own Workers run"
)
SANDBOX_REMEDY = "fix what this line reports; until then no Worker runs here"


def check_isolation(
    settings: Settings, server: RunningServer | None
) -> tuple[str, str, list[CheckResult]]:
    """The level, its reason, and one result per check."""
    if os.geteuid() == 0 and server is not None:
        reported = _reported(server)
        if reported is not None:
            return reported
    result = _probe(settings)
    lines = [
        CheckResult(name, OK if passed else FAILED, detail, _remedy(name))
        for name, passed, detail in result["checks"]
    ]
    return result["level"], result["reason"], lines


def _reported(server: RunningServer) -> tuple[str, str, list[CheckResult]] | None:
    """The checks that the runners of the installation itself made at their start; None without
    such runners.
    """
    runners = own_runners(server)
    if not runners:
        return None
    lines = [
        CheckResult(
            "sandbox",
            OK if runner.isolation == "full" else FAILED,
            f"{runner.isolation}: {runner.reason} (runner {runner.id})",
            LIMITS_REMEDY if runner.isolation == "no-limits" else SANDBOX_REMEDY,
        )
        for runner in runners
    ]
    order = ("none", "no-limits", "full")
    worst = min(runners, key=lambda r: order.index(r.isolation) if r.isolation in order else 0)
    return worst.isolation, worst.reason, lines


def waiting_sandboxes(server: RunningServer | None) -> list[CheckResult]:
    """The sandboxes that each runner has started in advance."""
    return [
        CheckResult(
            "waiting sandboxes",
            OK,
            f"{runner.idle_sandboxes}, {formatting.size(runner.idle_memory)}, for the next starts "
            f"(settings warm_sandboxes, warm_browsers; runner {runner.id})",
        )
        for runner in (own_runners(server) if server else [])
    ]


def users_of_sandboxes(settings: Settings) -> Iterator[CheckResult]:
    """The sandbox users, if root started Fyke on this data folder."""
    from fyke.app.sandbox_users import sandbox_users

    users = sandbox_users(settings.home) if os.geteuid() == 0 else None
    if users is not None:
        detail = f"{users.start} to {users.stop - 1}, claimed on this machine"
        yield CheckResult("sandbox users", OK, detail)


def _probe(settings: Settings) -> dict[str, Any]:
    """Start a real sandbox, as the user that runs the sandboxes of Workers."""
    from fyke.cli.local_folder import Job, run_job

    with local_to_probe(settings) as local, Job(local.home.parent) as job:
        run_job(local, job, {"action": "probe"})
        result = job.result()
    if "error" in result:
        return {
            "level": "none",
            "reason": result["error"],
            "checks": [("sandbox", False, result["error"])],
        }
    return result


@contextmanager
def local_to_probe(settings: Settings) -> Iterator[Settings]:
    """A local folder in the data folder; in a temporary one before the first start, and for a user
    who may not write there.
    """
    from fyke.cli.local_folder import local_folder

    with ExitStack() as stack:
        if not settings.home.exists() or not os.access(settings.home, os.W_OK):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fyke-doctor-")))
            folder.chmod(0o711)  # the service user starts the sandbox in it
            settings = settings.model_copy(update={"home": folder})
        yield stack.enter_context(local_folder(settings))


def _remedy(name: str) -> str:
    return LIMITS_REMEDY if name == "limits" else SANDBOX_REMEDY
