"""An account with records of every kind: see ``script/screenshots``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fyke.contracts.state import Transaction
from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.service import StartRequest
from fyke.model.attempt import AttemptReport
from fyke.model.progress import WorkerProgress
from fyke.model.run import SUCCESS, Origin
from fyke.model.runner import AttemptUsage, RunnerInfo
from fyke.reasons import Reason, ReasonCode
from support import all_editors
from support.app import App
from support.console_workers import add_versions
from support.list_seed import seed_lists
from support.node_seed import seed_nodes
from support.run_seed import RichRun, seed_run
from support.task_seed import seed_tasks
from support.user_seed import seed_users
from support.webhook_seed import seed_webhooks

SITE = "https://example.org"
PROGRESS = WorkerProgress(13, 60, "page 13 of the category Kitchen and dining, newest first")


@dataclass
class SeededAccount:
    """Names of the records, for the parameters of paths."""

    worker: str = ""  # owner/name
    runs: dict[str, str] = field(default_factory=dict)  # by state
    versioned: str = ""  # a worker with several versions
    places: str = ""  # a worker whose form has every editor
    rich: RichRun | None = None
    users: dict[str, str] = field(default_factory=dict)  # addresses
    webhooks: dict[str, str] = field(default_factory=dict)  # addresses
    tasks: dict[str, str] = field(default_factory=dict)  # addresses
    lists: dict[str, str] = field(default_factory=dict)  # addresses
    nodes: dict[str, str] = field(default_factory=dict)  # addresses

    def addresses(self) -> dict[str, str]:
        """An address for each page's path with parameters, and more for special states."""
        return {
            **self.users,
            **self.webhooks,
            **self.tasks,
            **self.lists,
            **self.nodes,
            "/docs/{page}": "/docs/runWorker",
            "/guide/{page:path}": "/guide/how-to/alerts",
            "/w/{owner}/{name}": f"/w/{self.places}",
            "/w/{owner}/{name}/api": f"/w/{self.places}/api",
            "/w/{owner}/{name} as JSON": f"/w/{self.places}?view=json",
            "/w/{owner}/{name}/compare": f"/w/{self.versioned}/compare?before=v1.0.1&after=v1.0.3",
            **{
                f"/w/{{owner}}/{{name}}/versions/{{version}}/{action}": (
                    f"/w/{self.versioned}/versions/{number}/{action}"
                )
                for action, number in (
                    ("promote", "v1.0.2"),
                    ("withdraw", "v1.0.3"),
                    ("deprecate", "v1.0.3"),
                    ("restore", "v1.0.1"),
                )
            },
            **{
                f"/w/{{owner}}/{{name}}/{tab}": f"/w/{self.versioned}/{tab}"
                for tab in ("readme", "versions", "changelog", "settings", "secrets")
            },
            **{
                f"/w/{{owner}}/{{name}}/{tab}": f"/w/{self.worker}/{tab}"
                for tab in ("output", "runs", "trends", "tasks", "schedules")
            },
            **(self.rich.addresses(self.runs) if self.rich else {}),
        }


async def seed(app: App) -> SeededAccount:
    """Fill the owner's account."""
    await app.register_runner()
    await _second_runner(app)
    await app.services.allowed_callbacks.allow(app.owner, "10.0.0.5:5678")
    seeded = SeededAccount()
    worker = await app.publish("reader")
    slow = await app.publish("price-watch")
    seeded.worker = worker.path
    seeded.versioned = await add_versions(app)
    await _keep_secrets(app, seeded.versioned)
    seeded.rich = await seed_run(app, worker.id)
    last_words = "ValueError: price not found on page 7"
    ends = {
        "succeeded": SUCCESS,
        "empty": SUCCESS,
        "failed": end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words=last_words)),
        "timeout": end_of(Reason.of(ReasonCode.TIMEOUT, seconds=30)),
    }
    for name, end in ends.items():
        seeded.runs[name] = await start(app, worker.id)
        rows = (
            []
            if name == "empty"
            else [
                {
                    "url": f"{SITE}/{n}",
                    "title": f"Page number {n}",
                    "price": 9.5 + n,
                    "ok": n % 3 > 0,
                }
                for n in range(60)
            ]
        )
        log = [f"fetched {SITE}/{n} in {n * 7 % 90} ms" for n in range(80)]
        await app.execute(rows, end.outcome, end.message, log=log, reason=end.reason)
    seeded.runs["running"] = await start(app, worker.id)
    for lease in await app.begin():
        await app.push(lease, [{"url": SITE, "title": "A page"}], log=["started"])
        report = AttemptReport(lease.attempt.key, AttemptUsage(), progress=PROGRESS)
        await app.attempts.report([report], 3_600_000)
    seeded.runs["ready"] = await start(app, worker.id)
    seeded.users = await seed_users(app)
    seeded.webhooks = await seed_webhooks(app)
    seeded.tasks = await seed_tasks(app, worker.id)
    seeded.lists = await seed_lists(app, worker.id, slow.id)
    seeded.nodes = await seed_nodes(app)
    seeded.places = (await app.publish("places", schema=all_editors.SCHEMA)).path
    return seeded


async def _second_runner(app: App) -> None:
    """Add a runner with a generated name, whose sandbox fails a check and has others waiting."""
    checks = (
        ("user namespace", True, "user 1000 inside"),
        ("seccomp", True, "mode 2, every call returned as expected"),
        (
            "network",
            True,
            "interfaces lo; connecting to the machine's loopback returned ECONNREFUSED",
        ),
        ("limits", False, "no hard limit for cpu, memory: memory.max is read-only"),
    )
    reason = f"{checks[3][0]}: {checks[3][2]}"
    await app.storage.write(
        lambda tx: tx.runs.put_runner(
            RunnerInfo(
                *(
                    "second",
                    "01M875FYR7SCVWTY3NMD3GFPJZ",
                    "no-limits",
                    reason,
                    4,
                    8192,
                    tx.now,
                    checks,
                ),
                idle_sandboxes=4,
                idle_memory=16_800_000,
            )
        )
    )


async def _keep_secrets(app: App, path: str) -> None:
    """Add secrets, one of them from another installation."""
    for name in ("SHOP_LOGIN", "SESSION_COOKIES", "OLD_TOKEN"):
        await app.services.secrets.put(app.owner, path, name, "ada:a word of ada's")
    worker = await app.services.workers.find(app.owner, path)

    def work(tx: Transaction) -> None:
        for secret in tx.secrets.of(app.owner.account_id, worker.id):
            if secret.name == "OLD_TOKEN":
                tx.secrets.put(replace(secret, key_id="0" * 16))
        tx.secrets.note_use(app.owner.account_id, worker.id, ["SHOP_LOGIN"], tx.now)

    await app.storage.write(work)


async def start(app: App, worker_id: str) -> str:
    body = {
        "parameters": {
            "system": {},
            "custom": {"urls": [{"url": f"{SITE}/a"}], "max_results": 20},
        }
    }
    run = await app.services.runs.start(
        app.owner, StartRequest(worker_id, None, body, "", Origin.WEB)
    )
    return run.id
