"""An account with records of every kind: see ``script/screenshots``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fyke.contracts.state import Transaction
from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.service import StartRequest
from fyke.model.run import SUCCESS, Origin
from fyke.model.runner import RunnerInfo
from fyke.reasons import Reason, ReasonCode
from support import all_editors
from support.console_workers import shelve
from support.house import House
from support.list_estate import seed_lists
from support.people_estate import seed_people
from support.run_estate import RichRun, seed_run
from support.task_estate import seed_tasks
from support.telling_estate import seed_telling

SITE = "https://example.org"


@dataclass
class Estate:
    """Names of the records, for the parameters of paths."""

    worker: str = ""  # owner/name
    runs: dict[str, str] = field(default_factory=dict)  # by state
    shelved: str = ""  # a worker with several versions
    places: str = ""  # a worker whose form has every editor

    rich: RichRun | None = None
    people: dict[str, str] = field(default_factory=dict)  # addresses
    telling: dict[str, str] = field(default_factory=dict)  # addresses
    tasks: dict[str, str] = field(default_factory=dict)  # addresses
    lists: dict[str, str] = field(default_factory=dict)  # addresses

    def addresses(self) -> dict[str, str]:
        """For each page's path with parameters one address, and more where a state matters."""
        return {
            **self.people,
            **self.telling,
            **self.tasks,
            **self.lists,
            "/docs/{page}": "/docs/runWorker",
            "/w/{owner}/{name}": f"/w/{self.places}",
            "/w/{owner}/{name}/api": f"/w/{self.places}/api",
            "/w/{owner}/{name} as JSON": f"/w/{self.places}?view=json",
            "/w/{owner}/{name}/compare": f"/w/{self.shelved}/compare?before=v1.0.1&after=v1.0.3",
            **{
                f"/w/{{owner}}/{{name}}/{tab}": f"/w/{self.shelved}/{tab}"
                for tab in ("readme", "versions", "changelog", "settings", "secrets")
            },
            **{
                f"/w/{{owner}}/{{name}}/{tab}": f"/w/{self.worker}/{tab}"
                for tab in ("output", "runs", "tasks", "schedules")
            },
            **(self.rich.addresses(self.runs) if self.rich else {}),
        }


async def seed(house: House) -> Estate:
    """Fill the owner's account."""
    await house.beat()
    await _second_runner(house)
    estate = Estate()
    worker = await house.publish("reader")
    await house.publish("price-watch")
    estate.worker = worker.path
    estate.shelved = await shelve(house)
    await _keep_secrets(house, estate.shelved)
    estate.rich = await seed_run(house, worker.id)
    last_words = "ValueError: price not found on page 7"
    ends = {
        "succeeded": SUCCESS,
        "empty": SUCCESS,
        "failed": end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words=last_words)),
        "timeout": end_of(Reason.of(ReasonCode.TIMEOUT, seconds=30)),
    }
    for name, end in ends.items():
        estate.runs[name] = await start(house, worker.id)
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
        await house.execute(rows, end.outcome, end.message, log=log, reason=end.reason)
    estate.runs["running"] = await start(house, worker.id)
    for lease in await house.begin():
        await house.push(lease, [{"url": SITE, "title": "A page"}], log=["started"])
    estate.runs["ready"] = await start(house, worker.id)
    estate.people = await seed_people(house)
    estate.telling = await seed_telling(house)
    estate.tasks = await seed_tasks(house, worker.id)
    estate.lists = await seed_lists(house, worker.id)
    estate.places = (await house.publish("places", schema=all_editors.SCHEMA)).path
    return estate


async def _second_runner(house: House) -> None:
    """One whose sandbox fails a check."""
    checks = (
        ("user namespace", True, "user 1000 inside"),
        ("seccomp", True, "mode 2, every call answered as expected"),
        ("network", True, "interfaces lo; the machine's loopback answered ECONNREFUSED"),
        ("limits", False, "no hard limit for cpu, memory: memory.max is read-only"),
    )
    reason = f"{checks[3][0]}: {checks[3][2]}"
    await house.storage.write(
        lambda tx: tx.runs.put_runner(
            RunnerInfo("second", "node-2", "no-limits", reason, 4, 8192, tx.now, checks)
        )
    )


async def _keep_secrets(house: House, path: str) -> None:
    """One of them from another installation."""
    for name in ("SHOP_LOGIN", "SESSION_COOKIES", "OLD_TOKEN"):
        await house.services.secrets.put(house.owner, path, name, "ada:a word of ada's")
    worker = await house.services.workers.find(house.owner, path)

    def work(tx: Transaction) -> None:
        for one in tx.secrets.of(house.owner.account_id, worker.id):
            if one.name == "OLD_TOKEN":
                tx.secrets.put(replace(one, key_id="0" * 16))
        tx.secrets.used(house.owner.account_id, worker.id, ["SHOP_LOGIN"], tx.now)

    await house.storage.write(work)


async def start(house: House, worker_id: str) -> str:
    body = {
        "parameters": {
            "system": {},
            "custom": {"urls": [{"url": f"{SITE}/a"}], "max_results": 20},
        }
    }
    run = await house.services.runs.start(
        house.owner, StartRequest(worker_id, None, body, "", Origin.WEB)
    )
    return run.id
